"""What a layer knows of how it is run, also with the oldest torch that is supported."""

import runpy

import pytest
import torch

from aligndetr.errors import ExportError
from aligndetr.export import program
from aligndetr.layers import tracing


def test_an_export_is_known_from_an_ordinary_call():
    answers = []

    class Asked(torch.nn.Module):
        def forward(self, x):
            answers.append((tracing.is_tracing(), tracing.is_exporting()))
            return x + 1

    Asked()(torch.zeros(2))
    torch.export.export(Asked(), (torch.zeros(2),), strict=False)
    assert answers[0] == (False, False)
    assert set(answers[1:]) == {(True, True)}


def test_layers_run_with_a_torch_that_does_not_tell_of_exports(monkeypatch):
    monkeypatch.delattr(torch.compiler, "is_exporting")  # as in 2.6
    of_2_6 = runpy.run_path(tracing.__file__)
    assert of_2_6["is_exporting"]() is False
    assert of_2_6["KNOWS_EXPORTS"] is False


def test_such_a_torch_does_not_export(monkeypatch):
    monkeypatch.setattr(program, "KNOWS_EXPORTS", False)
    with pytest.raises(ExportError, match=r"needs torch 2\.7, and torch .*pip install 'torch>=2"):
        program.trace(torch.nn.Identity(), program.Canvas(32, 32))
