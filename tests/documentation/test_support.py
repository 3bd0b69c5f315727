"""The table of what runs where: from records to docs/support.md."""

import json
import runpy
from collections import Counter
from types import SimpleNamespace

from tests.documentation.blocks import ROOT
from tests.support_record import FEATURES, feature_of, merged, pytest_configure

TABLE = runpy.run_path(str(ROOT / "docs/make_support_table.py"))


def record(python="3.11", device="CPU", **features):
    counts = {
        name: dict(zip(("passed", "failed", "skipped"), n, strict=True))
        for name, n in features.items()
    }
    machine = {"system": "Linux x86_64", "python": python, "torch": "2.9", "device": device}
    return {**machine, "features": counts}


def test_a_feature_is_the_first_whose_files_a_test_is_in():
    assert feature_of("tests/export/test_onnx_file.py::test_a[x]") == "export to ONNX"
    assert feature_of("tests/engine/test_launch.py::test_a") == "several processes"
    assert feature_of("tests/engine/test_run.py::test_a") == "training"
    assert feature_of("tests/test_errors.py::test_a") == "the rest"


def test_every_feature_has_tests():
    for name, starts in FEATURES.items():
        assert all(list(ROOT.glob(f"{start}*")) for start in starts), name


def test_what_ran_replaces_what_ran_before_and_leaves_the_rest():
    before = record(data=(5, 1, 0), training=(7, 0, 0))
    after = merged(before, {"data": Counter(passed=6)})
    assert after["features"]["data"] == {"passed": 6, "failed": 0, "skipped": 0}
    assert after["features"]["training"]["passed"] == 7
    assert before["features"]["data"]["failed"] == 1


def test_of_several_workers_only_whoever_started_them_records():
    def registered(**of_a_worker):
        found = []
        plugins = SimpleNamespace(register=found.append)
        option = SimpleNamespace(markexpr="")
        pytest_configure(SimpleNamespace(option=option, pluginmanager=plugins, **of_a_worker))
        return len(found)

    assert registered() == 1
    assert registered(workerinput={"workerid": "gw0"}) == 0


def test_cells():
    cell = TABLE["cell"]
    assert cell(None) == cell({"passed": 0, "failed": 0, "skipped": 0}) == "not run"
    assert cell({"passed": 3, "failed": 0, "skipped": 2}) == "3 (2)"
    assert cell({"passed": 3, "failed": 1, "skipped": 2}) == "**1 failed**, 3 passed"


def test_systems_that_nothing_ran_on_are_there():
    workflow = 'os: [ubuntu-latest, windows-latest]\npython: ["3.10", "3.11"]\n'
    pairs = TABLE["promised"](workflow)
    assert pairs == [
        ("Linux", "3.10"),
        ("Linux", "3.11"),
        ("Windows", "3.10"),
        ("Windows", "3.11"),
    ]
    lines = TABLE["environments"]([record(data=(2, 0, 0), training=(3, 0, 1))], pairs)[2:]
    assert "| Linux x86_64 | 3.11 | 2.9 | CPU | 5 (1) |" in lines
    assert "| Windows | 3.11 | | | not run |" in lines
    assert "| Linux | 3.11 | | GPU | not run |" in lines


def test_the_page_is_what_the_records_say():
    records = [json.loads(path.read_text()) for path in sorted(ROOT.glob("docs/support/*.json"))]
    workflow = (ROOT / ".github/workflows/tests.yml").read_text()
    text = TABLE["page"](records, workflow, [*FEATURES, "the rest"])
    assert (ROOT / "docs/support.md").read_text() == text, "python docs/make_support_table.py"
