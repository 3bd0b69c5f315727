import json

import pytest

from aligndetr.errors import ExportError
from aligndetr.runtime.exported.metadata import REQUIRED, SCHEMA, from_text, to_text

WHOLE = {"schema": SCHEMA, **dict.fromkeys(REQUIRED, 1)}


def test_round_trip():
    metadata = {**WHOLE, "classes": ["é", "b"], "thresholds": [0.5, 0.25]}
    assert from_text(to_text(metadata), "file") == metadata


@pytest.mark.parametrize(
    "text, message",
    [
        (None, "file was not written by"),
        ("", "no metadata"),
        ("{", "damaged"),
        ("[1]", "no schema"),
        (json.dumps({**WHOLE, "schema": "1"}), "no schema"),
        (json.dumps({**WHOLE, "schema": SCHEMA + 1, "version": "9.9"}), r"later aligndetr \(9.9"),
        (json.dumps({k: v for k, v in WHOLE.items() if k != "resize"}), "no resize"),
    ],
)
def test_what_is_wrong_is_named(text, message):
    with pytest.raises(ExportError, match=message):
        from_text(text, "file")
