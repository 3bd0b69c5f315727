"""docs/troubleshooting.md: every error class of ours, and messages as the code has them."""

import ast
import re

from tests.documentation.blocks import ROOT

PAGE = (ROOT / "docs/troubleshooting.md").read_text(encoding="utf-8")
OURS = PAGE.split("## Messages of other toolboxes")[0]
NO_MESSAGES = {"model.onnx.rejected", "annotations[4] (id 5) has bbox [1, 1, nan, 5]; it must be …"}
CODE = [
    ast.parse(path.read_text(encoding="utf-8"))
    for path in sorted((ROOT / "aligndetr").rglob("*.py"))
]


def error_classes():
    """Names of `UserError` and of all classes that derive from it."""
    bases = {
        node.name: {base.id for base in node.bases if isinstance(base, ast.Name)}
        for tree in CODE
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    }
    found, size = {"UserError"}, 0
    while len(found) > size:
        size = len(found)
        found |= {name for name, parents in bases.items() if parents & found}
    return found


def texts_of_the_package():
    """Every text in the code; what an f-string fills in is "…"."""
    for tree in CODE:
        for node in ast.walk(tree):
            if isinstance(node, ast.JoinedStr):
                parts = (getattr(part, "value", None) for part in node.values)
                yield "".join(part if isinstance(part, str) else "…" for part in parts)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value


def test_every_error_class_is_named_and_no_other():
    named = set(re.findall(r"`(\w+(?:Error|Interrupted))`", OURS))
    assert error_classes() - named == set()
    assert named - error_classes() == set()


def test_classes_are_found_at_any_depth():
    assert {"ConfigKeyError", "UntrustedError", "TrainingInterrupted"} <= error_classes()
    assert "Detector" not in error_classes()


def test_messages_are_those_of_the_code():
    texts = "\n".join(texts_of_the_package())
    quoted = set(re.findall(r"^### `(.+)`$", OURS, flags=re.MULTILINE))
    assert len(quoted) > 30
    assert quoted >= NO_MESSAGES
    for message in quoted - NO_MESSAGES:
        pieces = [piece.strip(" :;,.") for piece in message.split("…")]
        assert [piece for piece in pieces if piece not in texts] == [], message
