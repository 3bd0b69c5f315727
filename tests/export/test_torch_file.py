"""A .pt2 file needs PyTorch, and nothing of this package."""

import os
import subprocess
import sys

import numpy as np
import pytest

from aligndetr.errors import ExportError
from aligndetr.export.exporting import export
from aligndetr.export.runtimes import open_file
from aligndetr.runtime.exported.preparing import prepare

SCRIPT = """
import sys, numpy as np, torch
program = torch.export.load(sys.argv[1]).module()
arrays = np.load(sys.argv[2])
found = program(*(torch.from_numpy(arrays[name]) for name in arrays.files))
np.save(sys.argv[3], found[3].detach().numpy())
assert not [name for name in sys.modules if name.startswith("aligndetr")]
"""


@pytest.fixture(scope="module")
def outcome(source, fixed_wish, few, tmp_path_factory):
    return export(source, fixed_wish("torch_export"), tmp_path_factory.mktemp("torch"), few)


def test_it_is_verified(outcome):
    assert outcome.path.name == "model.pt2"
    assert outcome.judgement.passed
    assert outcome.judgement.provider == "cpu"


def test_it_runs_without_this_package(outcome, photo, tmp_path):
    file = open_file(outcome.path)
    feeds = prepare([photo], file.metadata).feeds()
    np.savez(tmp_path / "feeds.npz", **feeds)
    words = [str(outcome.path), str(tmp_path / "feeds.npz"), str(tmp_path / "logits.npy")]
    environment = {name: text for name, text in os.environ.items() if name != "PYTHONPATH"}
    subprocess.run(
        [sys.executable, "-c", SCRIPT, *words], check=True, cwd=tmp_path, env=environment
    )
    found = np.load(tmp_path / "logits.npy")
    np.testing.assert_allclose(found, file.run(feeds)["logits"], atol=1e-5)


def test_a_damaged_file_is_a_sentence(outcome, tmp_path):
    (tmp_path / "cut.pt2").write_bytes(outcome.path.read_bytes()[:20000])
    with pytest.raises(ExportError, match=r"cannot open .*cut\.pt2"):
        open_file(tmp_path / "cut.pt2")
