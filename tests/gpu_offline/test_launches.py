"""What a step of each family asks of a GPU, seen on PyTorch's `meta` device."""

import re

import pytest
import torch

from benchmarks.launches import Launches, evaluation, like_a_gpu, training_step
from benchmarks.workload import make_batch

# matchings of a step: proposals of all tokens and H-DETR's second branch have their own
MATCHINGS = {
    "aligndetr_tiny": 1,
    "dab_deformable_detr_tiny": 1,
    "detr_tiny": 1,
    "h_deformable_detr_tiny": 3,
    "rtdetr_tiny": 1,
}
SAMPLED = "dino_dat_tiny"
# Of PyTorch's page of torch.use_deterministic_algorithms: who raises on a GPU, as operators.
RAISES = {
    "torch.nn.AvgPool3d": ["avg_pool3d_backward"],
    "torch.nn.AdaptiveAvgPool2d": ["_adaptive_avg_pool2d_backward"],
    "torch.nn.AdaptiveAvgPool3d": ["_adaptive_avg_pool3d_backward"],
    "torch.nn.AdaptiveMaxPool2d": ["adaptive_max_pool2d_backward"],
    "torch.nn.FractionalMaxPool2d": ["fractional_max_pool2d_backward"],
    "torch.nn.FractionalMaxPool3d": ["fractional_max_pool3d_backward"],
    "torch.nn.MaxPool3d": ["max_pool3d_with_indices_backward"],
    "torch.nn.MaxUnpool1d": ["max_unpool2d"],
    "torch.nn.MaxUnpool2d": ["max_unpool2d"],
    "torch.nn.MaxUnpool3d": ["max_unpool3d"],
    "torch.nn.functional.interpolate": [
        "upsample_linear1d_backward",
        "upsample_bilinear2d_backward",
        "_upsample_bilinear2d_aa_backward",
        "upsample_bicubic2d_backward",
        "_upsample_bicubic2d_aa_backward",
        "upsample_trilinear3d_backward",
    ],
    "torch.nn.ReflectionPad1d": ["reflection_pad1d_backward"],
    "torch.nn.ReflectionPad2d": ["reflection_pad2d_backward"],
    "torch.nn.ReflectionPad3d": ["reflection_pad3d_backward"],
    "torch.nn.ReplicationPad1d": ["replication_pad1d_backward"],
    "torch.nn.ReplicationPad2d": ["replication_pad2d_backward"],
    "torch.nn.ReplicationPad3d": ["replication_pad3d_backward"],
    "torch.nn.NLLLoss": ["nll_loss_forward", "nll_loss2d_forward"],
    "torch.nn.CTCLoss": ["_ctc_loss_backward"],
    "torch.nn.EmbeddingBag": ["_embedding_bag_dense_backward"],
    "torch.Tensor.put_": ["put_", "put"],
    "torch.histc": ["histc"],
    "torch.bincount": ["bincount"],
    "torch.kthvalue": ["kthvalue"],
    "torch.median": ["median"],
    "torch.nn.functional.grid_sample": ["grid_sampler_2d_backward", "grid_sampler_3d_backward"],
    "torch.cumsum": ["cumsum"],  # of floating point numbers
    "torch.Tensor.scatter_reduce": ["scatter_reduce"],
    "torch.Tensor.resize_": [],  # of quantized tensors
}


@pytest.fixture(scope="module")
def batch():
    """Two images of different sizes, so that there is padding."""
    return make_batch(1, 128) + make_batch(1, 96)


@pytest.fixture(scope="module", params=MATCHINGS)
def step(request, batch):
    launches = training_step(request.param, batch)
    launches.matchings = MATCHINGS[request.param]
    return launches


def test_a_step_waits_for_each_matching_and_for_whether_it_is_finite(step):
    assert step.waits == {"_to_copy.default": step.matchings + 1}


def test_nothing_raises_where_algorithms_have_to_be_deterministic(step):
    raising = {name for names in RAISES.values() for name in names}
    assert {name.split(".")[0] for name in step.floating} & raising == set()


def test_the_step_is_seen_to_the_end(step):
    """Forward, backward, optimizer, moving average."""
    assert {"convolution.default", "convolution_backward.default"} <= set(step.operators)
    assert step.operators["_fused_adamw_.default"] >= 1
    assert step.operators["_foreach_lerp_.Scalar"] == 1


def test_sampling_without_an_order_is_seen(batch):
    found = training_step(SAMPLED, batch).floating
    assert "grid_sampler_2d_backward.default" in found


def test_what_pytorch_documents_is_looked_for():
    text = torch.use_deterministic_algorithms.__doc__
    text = text[text.rindex("will throw a\n") :]
    text = text[: text.index("In addition, several operations")]
    documented = set(re.findall(r"\* :\w+:`([\w.]+)`", text))
    assert len(documented) > 20
    assert documented <= set(RAISES)


@pytest.mark.parametrize("name", MATCHINGS)
def test_an_evaluation_waits_once(name, batch):
    assert evaluation(name, batch).waits == {"_to_copy.default": 1}


def test_waits_are_counted():
    values = torch.ones(3, device="meta")
    with like_a_gpu(), Launches() as launches:
        values.sum().item()
        values[values > 0]
        values.nonzero()
        values.cpu()
        torch.ones(3).sum().item()  # on the host: nothing to wait for
        values.view(3, 1).detach()
    assert launches.waits == {
        "_local_scalar_dense.default": 1,
        "index.Tensor": 1,
        "nonzero.default": 1,
        "_to_copy.default": 1,
    }
    # sum; > and the index; nonzero
    assert launches.operators["sum.default"] == 1
    assert launches.operators["gt.Scalar"] == 1
