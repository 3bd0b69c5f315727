"""What studies are tested with; their one thread ends with the test."""

import pytest
import torch

from studies.recipes import Trial
from tests.engine.toy import write_coco


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture
def trial():
    """One step of a decoder with one layer, on small images."""
    words = ("model.decoder.num_layers=1", "model.criterion.match_num=[1,1]")
    return Trial("short", "a step", 1, (48, 48, 48), words)


@pytest.fixture
def data(tmp_path):
    """A data set with three parts, all the same."""
    folder = tmp_path / "data"
    folder.mkdir()
    write_coco(folder)
    text = (folder / "boxes.json").read_text()
    (folder / "boxes.json").unlink()
    for split in ("train", "val", "test"):
        (folder / f"{split}.json").write_text(text)
    return folder
