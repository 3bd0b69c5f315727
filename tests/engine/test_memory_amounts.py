"""Amounts of memory are read as they are written, and the process's own peak is measured."""

import pytest
import torch

from aligndetr.engine.memory import free_memory, peak_bytes, read_memory
from aligndetr.errors import UserError

CPU = torch.device("cpu")


def test_units():
    assert read_memory("8GB") == 8_000_000_000
    assert read_memory("7.5 GiB") == 8_053_063_680  # 7.5 * 1073741824
    assert read_memory(" 500mb ") == 500_000_000
    assert (read_memory("8G"), read_memory("1.5 Mi")) == (read_memory("8GB"), 3 * 2**19)
    for text in ("8", "GB", "0GB", "-1GB", "8 TB", "8.GB", "8B", "8I"):
        with pytest.raises(UserError, match="write one like 8GB"):
            read_memory(text)


def test_a_tensor_raises_the_peak():
    before = peak_bytes(CPU)
    size = before + 256 * 2**20  # more than whatever was freed since the peak
    filled = torch.ones(size, dtype=torch.uint8)
    assert before + 0.9 * 256 * 2**20 < peak_bytes(CPU)
    assert free_memory(CPU) > 0
    del filled
    assert peak_bytes(CPU) >= size
