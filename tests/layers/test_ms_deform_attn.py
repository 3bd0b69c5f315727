"""The operator: by hand, every implementation against the reference, and on bad input."""

import math

import pytest
import torch

from aligndetr.layers.ms_deform_attn import (
    fused_ms_deform_attn,
    implementation,
    ms_deform_attn,
    use_implementation,
)
from aligndetr.layers.ms_deform_attn.cpp import LIBRARY

COMPILED = ["cpp"] if LIBRARY is not None else []
LEVELS = {1: [(5, 4)], 2: [(3, 6), (1, 1)], 3: [(1, 7), (4, 1), (2, 2)]}
LEVELS[5] = [(6, 5), (3, 4), (2, 2), (1, 2), (1, 1)]
FUSED = pytest.mark.parametrize("reference_size", [None, 2, 4])


def make_inputs(shapes, B=2, Q=5, H=2, D=8, P=3, reference_size=None, dtype=torch.float64):
    """Random arguments of either form; about a third of the points lies outside."""
    L, S = len(shapes), sum(h * w for h, w in shapes)
    value = torch.randn(B, S, H, D).to(dtype)
    if reference_size is None:
        locations = torch.rand(B, Q, H, L, P, 2) * 2 - 0.5
        weights = torch.rand(B, Q, H, L, P)
        return [value, locations.to(dtype), weights.to(dtype)]
    offsets, logits = torch.randn(B, Q, H, L, P, 2) * 3, torch.randn(B, Q, H, L, P)
    reference = torch.rand(B, Q, L, reference_size)
    return [value, offsets.to(dtype), logits.to(dtype), reference.to(dtype)]


def attend(name, shapes, inputs):
    """Run the form that the number of inputs implies with a forced implementation."""
    function = ms_deform_attn if len(inputs) == 3 else fused_ms_deform_attn
    with use_implementation(name):
        return function(inputs[0], shapes, *inputs[1:])


def attend_and_differentiate(name, shapes, inputs, grad_out):
    leaves = [tensor.detach().clone().requires_grad_() for tensor in inputs]
    out = attend(name, shapes, leaves)
    return [out.detach(), *torch.autograd.grad(out, leaves, grad_out)]


def assert_same(name, shapes, inputs, atol):
    """Output and all gradients equal those of the reference in float64."""
    B, _, H, D = inputs[0].shape
    grad_out = torch.randn(B, inputs[1].shape[1], H * D).to(inputs[0].dtype)
    exact = [tensor.double() for tensor in inputs]
    expected = attend_and_differentiate("reference", shapes, exact, grad_out.double())
    actual = attend_and_differentiate(name, shapes, inputs, grad_out)
    for a, b in zip(actual, expected, strict=True):
        torch.testing.assert_close(a.double(), b, atol=atol, rtol=atol)


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


@pytest.mark.parametrize("name", ["reference", *COMPILED])
class TestByHand:
    # A level of 1 row and 2 columns with values 3 and 5; pixel centres at x = 0.25 and 0.75.
    VALUE = torch.tensor([3.0, 5.0]).view(1, 2, 1, 1)

    def sample(self, name, x, y, weight=1.0):
        location = torch.tensor([x, y]).view(1, 1, 1, 1, 1, 2)
        weights = torch.full((1, 1, 1, 1, 1), weight)
        return attend(name, [(1, 2)], [self.VALUE, location, weights]).item()

    def test_pixel_centres(self, name):
        assert self.sample(name, 0.25, 0.5) == 3.0
        assert self.sample(name, 0.75, 0.5) == 5.0

    def test_between_pixels(self, name):
        assert self.sample(name, 0.5, 0.5) == pytest.approx(4.0)  # (3 + 5) / 2
        assert self.sample(name, 0.5, 0.5, weight=0.25) == pytest.approx(1.0)

    def test_padding_is_zero(self, name):
        assert self.sample(name, 0.0, 0.5) == pytest.approx(1.5)  # half of 3, half of nothing
        assert self.sample(name, 0.75, 1.0) == pytest.approx(2.5)  # half of 5
        assert self.sample(name, 1.0, 1.0) == pytest.approx(1.25)  # a quarter of 5
        assert self.sample(name, 1.25, 0.5) == 0.0  # one pixel to the right of the last centre
        assert self.sample(name, -900.0, 0.5) == 0.0

    def test_levels_add_up(self, name):
        # Level 0 holds 1, level 1 holds 10; weights 0.5 and 0.25: 0.5 + 2.5.
        value = torch.tensor([1.0, 10.0]).view(1, 2, 1, 1)
        location = torch.full((1, 1, 1, 2, 1, 2), 0.5)
        weights = torch.tensor([0.5, 0.25]).view(1, 1, 1, 2, 1)
        assert attend(name, [(1, 1), (1, 1)], [value, location, weights]).item() == 3.0

    def test_fused_offsets_are_pixels(self, name):
        # From the first centre one pixel (of 2) to the right; a softmax of one number is 1.
        offset = torch.tensor([1.0, 0.0]).view(1, 1, 1, 1, 1, 2)
        reference = torch.tensor([0.25, 0.5]).view(1, 1, 1, 2)
        inputs = [self.VALUE, offset, torch.zeros(1, 1, 1, 1, 1), reference]
        assert attend(name, [(1, 2)], inputs).item() == pytest.approx(5.0)

    def test_fused_offsets_scale_with_boxes(self, name):
        # Two equal weights; x = 0.25 + offset / 2 * 0.5 * 0.5: offsets 0, 4 give 0.25, 0.75.
        offset = torch.tensor([[0.0, 0.0], [4.0, 0.0]]).view(1, 1, 1, 1, 2, 2)
        reference = torch.tensor([0.25, 0.5, 0.5, 1.0]).view(1, 1, 1, 4)
        inputs = [self.VALUE, offset, torch.zeros(1, 1, 1, 1, 2), reference]
        assert attend(name, [(1, 2)], inputs).item() == pytest.approx(4.0)


@pytest.mark.parametrize("name", COMPILED)
@FUSED
class TestAgainstReference:
    @pytest.mark.parametrize("levels", LEVELS)
    def test_levels(self, name, reference_size, levels):
        shapes = LEVELS[levels]
        assert_same(name, shapes, make_inputs(shapes, reference_size=reference_size), 1e-11)

    @pytest.mark.parametrize("dim", [*range(1, 10), 15, 16, 17, 31, 32, 33, 47, 48, 64, 71, 72])
    def test_head_dim(self, name, reference_size, dim):
        inputs = make_inputs(LEVELS[2], D=dim, reference_size=reference_size)
        assert_same(name, LEVELS[2], inputs, 1e-11)

    @pytest.mark.parametrize("points", [1, 4, 5, 8, 11, 16, 33])
    def test_number_of_points(self, name, reference_size, points):
        inputs = make_inputs(LEVELS[3], P=points, reference_size=reference_size)
        assert_same(name, LEVELS[3], inputs, 1e-11)

    def test_float32(self, name, reference_size):
        inputs = make_inputs(
            LEVELS[5], D=32, P=4, reference_size=reference_size, dtype=torch.float32
        )
        assert_same(name, LEVELS[5], inputs, 3e-5)

    def test_bfloat16(self, name, reference_size):
        value, points, scores, *reference = make_inputs(
            LEVELS[5], D=32, P=4, reference_size=reference_size, dtype=torch.float32
        )
        if reference_size is None:  # locations and weights stay float32
            inputs = [value.bfloat16(), points, scores]
        else:
            inputs = [value.bfloat16(), points.bfloat16(), scores.bfloat16(), *reference]
        # Sums are made in float32: what is left is the rounding of each result, 2^-9 of it.
        assert_same(name, LEVELS[5], inputs, 2**-8)

    def test_any_number_of_threads(self, name, reference_size):
        inputs = make_inputs(LEVELS[3], Q=7, reference_size=reference_size)
        grad_out = torch.randn(2, 7, 16, dtype=torch.float64)
        before = torch.get_num_threads()
        results = []
        for threads in (1, 2, 5):
            torch.set_num_threads(threads)
            results.append(attend_and_differentiate(name, LEVELS[3], inputs, grad_out))
        torch.set_num_threads(before)
        for one, two, five in zip(*results, strict=True):
            assert torch.equal(one, two)
            assert torch.equal(one, five)

    def test_not_contiguous(self, name, reference_size):
        inputs = make_inputs(LEVELS[2], reference_size=reference_size)
        strided = [t.transpose(0, 1).contiguous().transpose(0, 1) for t in inputs]
        assert not strided[0].is_contiguous()
        assert_same(name, LEVELS[2], strided, 1e-11)

    @pytest.mark.parametrize("sizes", [{"B": 0}, {"Q": 0}])
    def test_empty(self, name, reference_size, sizes):
        inputs = make_inputs(LEVELS[2], reference_size=reference_size, **sizes)
        assert_same(name, LEVELS[2], inputs, 0.0)


@pytest.mark.parametrize("name", ["reference", *COMPILED])
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, 1e30, -1e30])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_points_that_are_nowhere_contribute_nothing(name, bad, dtype):
    value, locations, weights = make_inputs([(4, 5)], P=2, dtype=dtype)
    broken = locations.clone()
    broken[:, :, :, :, 0, 1] = bad
    alone = attend(name, [(4, 5)], [value, locations[..., 1:, :], weights[..., 1:]])
    grad_out = torch.ones_like(alone)
    out, *grads = attend_and_differentiate(name, [(4, 5)], [value, broken, weights], grad_out)
    torch.testing.assert_close(out, alone)
    assert all(grad.isfinite().all() for grad in grads)
    assert (grads[1][..., 0, :] == 0).all()
    assert (grads[2][..., 0] == 0).all()


@pytest.mark.parametrize("name", ["reference", *COMPILED])
@pytest.mark.parametrize("bad", [math.nan, math.inf, 1e30])
def test_fused_offsets_that_lead_nowhere_contribute_nothing(name, bad):
    value, offsets, logits, reference = make_inputs([(4, 5)], P=2, reference_size=2)
    offsets[:, :, :, :, 0] = bad
    inputs = [value, offsets, logits, reference]
    out, *grads = attend_and_differentiate(name, [(4, 5)], inputs, torch.ones(2, 5, 16).double())
    half = logits.flatten(3).softmax(-1).view_as(logits)[..., 1:]
    locations = reference[:, :, None, :, None] + offsets / torch.tensor([5.0, 4.0])
    expected = attend("reference", [(4, 5)], [value, locations[..., 1:, :], half])
    torch.testing.assert_close(out, expected)
    assert all(grad.isfinite().all() for grad in grads)


@pytest.mark.parametrize("name", COMPILED)
def test_index_arithmetic_beyond_32_bits(name, tmp_path):
    # 2^26 tokens of 40 channels are 2.7e9 numbers: the last token lies beyond 2^31. The file is
    # sparse, so that only the pages that are touched exist.
    tokens, channels = 2**26, 40
    value = torch.from_file(
        str(tmp_path / "value"), shared=True, size=tokens * channels, dtype=torch.bfloat16
    ).view(1, tokens, 1, channels)
    value[0, -1] = 2.0
    corner = torch.full((1, 1, 1, 1, 1, 2), 1 - 0.5 / 2**13)
    out = attend(name, [(2**13, 2**13)], [value, corner, torch.ones(1, 1, 1, 1, 1)])
    assert (out == 2.0).all()


@pytest.mark.parametrize("name", ["reference", *COMPILED])
@FUSED
def test_gradcheck(name, reference_size):
    inputs = make_inputs([(3, 4), (2, 2)], B=1, Q=2, D=3, P=2, reference_size=reference_size)
    leaves = [tensor.requires_grad_() for tensor in inputs]
    assert torch.autograd.gradcheck(lambda *x: attend(name, [(3, 4), (2, 2)], x), leaves)


class TestErrors:
    def arguments(self, **changes):
        value, locations, weights = make_inputs(LEVELS[2], dtype=torch.float32)
        named = dict(
            value=value,
            spatial_shapes=LEVELS[2],
            sampling_locations=locations,
            attention_weights=weights,
        )
        return named | {key: change(named[key]) for key, change in changes.items()}

    @pytest.mark.parametrize(
        "changes, error, words",
        [
            (dict(value=lambda x: x[0]), ValueError, r"\(B, S, H, D\)"),
            (dict(value=lambda x: x[:, 1:]), ValueError, "19 tokens, value has 18"),
            (dict(value=lambda x: x.long()), TypeError, "value must be a float32"),
            (dict(value=lambda x: x.double()), TypeError, "sampling_locations is torch.float32"),
            (dict(spatial_shapes=lambda x: []), ValueError, "at least one level"),
            (dict(spatial_shapes=lambda x: [(0, 6), (1, 19)]), ValueError, "sides must be"),
            (dict(spatial_shapes=lambda x: [(19, 1)]), ValueError, "L=1"),
            (dict(sampling_locations=lambda x: x[..., 0]), ValueError, r"H, L, P, 2\)"),
            (dict(sampling_locations=lambda x: x[:1]), ValueError, "B=2"),
            (dict(sampling_locations=lambda x: x[:, :, :, :, :0]), ValueError, "one point"),
            (dict(attention_weights=lambda x: x[:, 1:]), ValueError, "attention_weights must be"),
            (
                dict(attention_weights=lambda x: x.to("meta")),
                ValueError,
                "is on meta, value on cpu",
            ),
        ],
    )
    def test_names_what_is_wrong(self, changes, error, words):
        with pytest.raises(error, match=words):
            ms_deform_attn(**self.arguments(**changes))

    @pytest.mark.parametrize("shape", [(2, 5, 2, 3), (2, 5, 3, 2), (2, 4, 2, 2), (2, 5, 2)])
    def test_reference_points(self, shape):
        value, offsets, logits, _ = make_inputs(LEVELS[2], reference_size=2)
        with pytest.raises(ValueError, match="reference must be"):
            fused_ms_deform_attn(
                value, LEVELS[2], offsets, logits, torch.zeros(shape, dtype=torch.float64)
            )


@pytest.mark.parametrize("name", ["reference", *COMPILED])
def test_autocast_accepts_what_projections_give(name):
    value, offsets, logits, reference = make_inputs(
        LEVELS[5], D=16, reference_size=2, dtype=torch.float32
    )
    exact = attend(name, LEVELS[5], [value, offsets, logits, reference])
    with torch.autocast("cpu", torch.bfloat16):
        mixed = [value.bfloat16(), offsets.bfloat16(), logits, reference]
        out = attend(name, LEVELS[5], mixed)
    assert out.dtype == torch.bfloat16
    torch.testing.assert_close(out.float(), exact, atol=0.15, rtol=0.1)


def test_half_precision_without_a_kernel_uses_the_reference():
    assert implementation("cpu", torch.float16) == "reference"
    inputs = make_inputs(LEVELS[2], dtype=torch.float32)
    expected = ms_deform_attn(inputs[0], LEVELS[2], *inputs[1:])
    out = ms_deform_attn(inputs[0].half(), LEVELS[2], *inputs[1:])
    torch.testing.assert_close(out.float(), expected, atol=5e-3, rtol=5e-3)
