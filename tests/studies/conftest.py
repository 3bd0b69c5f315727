"""What studies are tested with; their one thread ends with the test."""

import pytest
import torch

from studies.recipes import Trial


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
