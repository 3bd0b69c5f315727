"""What the compiled kernels take of a GPU, and in how many bits they count."""

import json
import re
import sys

import pytest

triton = pytest.importorskip("triton", reason="pip install aligndetr[kernels]")

from benchmarks import kernel_resources  # noqa: E402
from benchmarks.generated import section  # noqa: E402
from benchmarks.kernel_resources import Variant, compile_variant, resources  # noqa: E402

# 128 registers let 16 warps of 32 threads share the 65536 of a multiprocessor of these GPUs. On
# sm_80, which has no wide atomic additions, `scatter_value` keeps 64 addresses: 11 warps.
REGISTERS, WITH_NARROW_ATOMICS = 128, 176
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="triton compiles on Linux")


@pytest.fixture(scope="module")
def table():
    return json.loads(kernel_resources.RESULTS.read_text())["results"]


def test_the_table_is_of_these_kernels_and_stands_in_the_docs(table):
    assert table["source"] == kernel_resources.source_hash(), (
        "the kernels have changed: python -m benchmarks.kernel_resources"
    )
    assert len(table["rows"]) == len(list(kernel_resources.variants()))
    page = section(kernel_resources.DOCS, "kernel_resources").group(2)
    assert page == kernel_resources.table(table["rows"])


def test_nothing_is_spilled_and_registers_stay_below_the_ceiling(table):
    for row in table["rows"]:
        assert row["spilled"] == 0, row
        narrow = row["kernel"] == "scatter_value" and row["architecture"] < 90
        assert row["registers"] <= (WITH_NARROW_ATOMICS if narrow else REGISTERS), row


@pytest.fixture(scope="module")
def compiled():
    """The shipped models' kernels, bfloat16 on one architecture: a few seconds each."""
    usual = (90, "bf16", 32, *kernel_resources.USUAL)
    return {name: compile_variant(Variant(name, *usual)) for name in kernel_resources.KERNELS}


def test_the_kernels_compile_here_as_in_the_table(compiled):
    for name, kernel in compiled.items():
        found = resources(kernel)
        assert found["spilled"] == 0, name
        assert 16 <= found["registers"] <= REGISTERS, name


def test_no_offset_of_a_tensor_is_counted_in_32_bits(compiled):
    """What is added to an address in 32 bits is a constant, a place in a row, or in `levels`."""
    for name, kernel in compiled.items():
        text = kernel.asm["ttir"]
        defined = dict(re.findall(r"(%\w+) = (\S+)", text))
        steps = re.findall(
            r"tt\.addptr %\w+, (%\w+) : .*?!tt\.ptr<(\w+)>+, (?:tensor<\w+x)?(i32|i64)", text
        )
        assert len(steps) == text.count("tt.addptr ") > 5
        made_by = {
            defined[offset] for offset, kind, bits in steps if bits == "i32" and kind != "i32"
        }
        assert made_by <= {"arith.constant", "tt.make_range"}, name
        # Q * H or S * H: there is a program for each of so many, and never more than 2^31 - 1
        assert len(re.findall(r"arith\.muli .*: i32\b", text)) <= 1, name
