"""docs/formats.md: the entries of files of version 0.1, and of those that are written now."""

import json
import re

import pytest
import torch

from tests.documentation.blocks import ROOT

PAGE = (ROOT / "docs/formats.md").read_text(encoding="utf-8")
V0_1 = ROOT / "tests/data/v0_1/run"


def entries(heading):
    """Names in the first column of a section's table, with the version since when."""
    [section] = re.findall(rf"^## {heading}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    rows = re.findall(r"^\| (`.+?) \|.*\| (0\.\d) \|$", section, re.MULTILINE)
    return {name: since for cell, since in rows for name in re.findall(r"`(.+?)`", cell)}


def described(key, known):
    """Whether a key is in a table, as it stands or by a form such as `loss_...` or `AP-NAME`."""
    forms = [re.escape(name).replace(r"\.\.\.", ".+").replace("NAME", ".+") for name in known]
    return any(re.fullmatch(form, key) for form in forms)


def keys_of_metrics(folder):
    lines = (folder / "metrics.json").read_text().splitlines()
    return {key for line in lines for key in json.loads(line)}


def test_checkpoints_of_0_1_have_the_entries_of_0_1():
    first = {name for name, since in entries("Checkpoints").items() if since == "0.1"}
    for file in ("model_0000003.pth", "model_final.pth"):
        assert torch.load(V0_1 / file, weights_only=True).keys() == first, file


def test_metrics_of_0_1_are_described():
    known = entries("`metrics.json`")
    assert [key for key in keys_of_metrics(V0_1) if not described(key, known)] == []
    assert (
        json.loads((V0_1 / "results.json").read_text()).keys() <= entries("`results.json`").keys()
    )


@pytest.mark.parametrize("key", ["total_losses", "loss", "bbox/AR", "iterations", "APs"])
def test_other_keys_are_not_described(key):
    assert not described(key, entries("`metrics.json`"))


def test_what_is_written_now_is_described_and_nothing_of_0_1_is_missing(prepared):
    folder = prepared / "output/aligndetr_tiny"
    written = torch.load(folder / "model_final.pth", weights_only=True).keys()
    known = entries("Checkpoints")
    assert written <= known.keys()
    assert {name for name, since in known.items() if since == "0.1"} - {"ema"} <= written
    assert [k for k in keys_of_metrics(folder) if not described(k, entries("`metrics.json`"))] == []
    shared = {key for key in keys_of_metrics(V0_1) if not key.startswith(("model/", "bbox/AP-"))}
    assert shared <= keys_of_metrics(folder)
    assert json.loads((folder / "results.json").read_text())["bbox"].keys() >= {"AP", "AP50"}
    switched_off = {"report.html"}  # in all that the pages' commands train
    named = [x for x in entries("Other files") if "*" not in x and x not in switched_off]
    assert [name for name in named if not (folder / name).is_file()] == []
