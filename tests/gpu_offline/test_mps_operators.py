"""What a step asks of Apple's MPS, held against PyTorch's own table of kernels."""

from pathlib import Path

import pytest
import torch
import torchgen

from benchmarks.launches import Launches
from benchmarks.mps_operators import asked_by, has_kernel, lacking

TABLE = Path(torchgen.__file__).parent / "packaged/ATen/native/native_functions.yaml"


def entry(signature):
    """The lines of an operator's entry in the table."""
    text = TABLE.read_text()
    begin = text.index(f"- func: {signature}(")
    return text[begin : text.index("\n- func: ", begin)]


@pytest.mark.parametrize(
    ("operator", "signature"),
    [
        ("grid_sampler_2d.default", "grid_sampler_2d"),
        ("gather.default", "gather.out"),  # the kernel is that of the form it delegates to
        ("_cdist_backward.default", "_cdist_backward"),
        ("_fft_r2c.default", "_fft_r2c"),
        ("geqrf.default", "geqrf"),
        ("_embedding_bag.default", "_embedding_bag"),
    ],
)
def test_kernels_are_those_of_the_table(operator, signature):
    assert has_kernel(operator) == ("MPS" in entry(signature))


def test_an_operator_made_of_others_needs_no_kernel():
    assert "Composite" in entry("layer_norm") or "dispatch:" not in entry("layer_norm")
    assert has_kernel("layer_norm.default")


def test_what_is_missing_is_named():
    assert lacking(["geqrf.default", "add.Tensor", "aligndetr.deform_attn.default"]) == {
        "geqrf.default"
    }
    with pytest.raises(KeyError):
        has_kernel("no_such_operator.default")


@pytest.mark.parametrize("name", ["aligndetr_tiny", "dino_dat_tiny"])
def test_a_step_has_its_kernels_and_no_float64(name):
    operators, dtypes = asked_by(name)
    assert "grid_sampler_2d_backward.default" in operators  # the way of such a device
    assert lacking(operators) == set()
    assert torch.float64 not in dtypes


def test_float64_would_be_seen():
    with Launches() as launches:
        torch.ones(2, device="meta").double()
    assert torch.float64 in launches.dtypes
