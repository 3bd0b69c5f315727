"""The charts' library is the file that its README names."""

import re
from pathlib import Path

import aligndetr.report
from aligndetr.files import sha256_of

FOLDER = Path(aligndetr.report.__file__).parent / "echarts"


def test_the_file_is_the_one_that_the_readme_names():
    text = (FOLDER / "README.md").read_text()
    [digest] = re.findall(r"sha256: ([0-9a-f]{64})$", text, re.MULTILINE)
    [version] = re.findall(r"version: ([\d.]+)$", text, re.MULTILINE)
    file = FOLDER / "echarts.common.min.js"
    assert sha256_of(file) == digest
    assert f't.version="{version}"' in file.read_text()


def test_licences_are_beside_it():
    assert "Apache License" in (FOLDER / "LICENSE").read_text()
    assert "Apache Software Foundation" in (FOLDER / "NOTICE").read_text()
    for name in ("d3", "zrender"):
        assert "Redistribution and use" in (FOLDER / f"LICENSE-{name}").read_text()


def test_it_can_stand_in_a_page():
    """Nothing in it ends the script that holds it."""
    text = (FOLDER / "echarts.common.min.js").read_text()
    assert "</script" not in text
    assert "<!--" not in text
