"""What is remembered by shape: geometry and position embedding of images without padding."""

import copy
import pickle

import pytest
import torch

from aligndetr.layers.position_embedding import LearnedPositionEmbedding, SinePositionEmbedding
from aligndetr.layers.shape_cache import ShapeCache
from aligndetr.modeling.pyramid import PyramidBuilder

SMALL, WIDE = [(4, 4), (2, 2)], [(4, 6), (2, 3)]


def make_builder(embedding=None, dtype=torch.float32):
    torch.manual_seed(0)
    return PyramidBuilder(embedding or SinePositionEmbedding(4), 2, 8).to(dtype)


def call(builder, shapes, batch=1, is_padded=False):
    dtype = builder.level_embedding.dtype
    levels = [torch.zeros(batch, 8, *shape, dtype=dtype) for shape in shapes]
    padding = torch.zeros(batch, 8 * shapes[0][0], 8 * shapes[0][1], dtype=torch.bool)
    return builder(levels, padding, is_padded)


def assert_equal(ours, expected):
    for name in ("position", "centers", "valid_ratios"):
        assert torch.equal(getattr(ours, name), getattr(expected, name)), name
    assert ours.position.dtype == expected.position.dtype


def test_alternating_shapes_and_batch_sizes_give_what_a_fresh_builder_gives():
    builder = make_builder()
    for shapes, batch in ((SMALL, 1), (WIDE, 1), (SMALL, 3), (WIDE, 2), (SMALL, 1)):
        assert_equal(call(builder, shapes, batch), call(make_builder(), shapes, batch))


def test_a_padded_batch_of_the_same_shape_is_not_answered_from_memory():
    builder = make_builder()
    call(builder, SMALL)
    padding = torch.zeros(1, 32, 32, dtype=torch.bool)
    padding[:, :, 16:] = True  # the right half: 2 of 4 and 1 of 2 columns remain
    levels = [torch.zeros(1, 8, *shape) for shape in SMALL]
    assert builder(levels, padding, True).valid_ratios.tolist() == [[[0.5, 1.0], [0.5, 1.0]]]
    assert call(builder, SMALL).valid_ratios.tolist() == [[[1.0, 1.0], [1.0, 1.0]]]


def test_another_dtype_is_computed_anew():
    builder = make_builder()
    call(builder, SMALL)
    assert_equal(call(builder.double(), SMALL), call(make_builder(dtype=torch.float64), SMALL))


def test_another_device_is_computed_anew():
    builder = make_builder()
    call(builder, SMALL)
    builder = builder.to("meta")
    levels = [torch.zeros(1, 8, *shape, device="meta") for shape in SMALL]
    pyramid = builder(levels, torch.zeros(1, 32, 32, dtype=torch.bool, device="meta"), False)
    assert pyramid.centers.device.type == pyramid.position.device.type == "meta"


@pytest.mark.parametrize("embedding", [SinePositionEmbedding(4), LearnedPositionEmbedding(4)])
def test_training_after_inference_mode(embedding):
    builder = make_builder(embedding)
    with torch.inference_mode():
        call(builder, SMALL)
    for _ in range(2):
        pyramid = call(builder, SMALL)
        (pyramid.position * pyramid.centers.sum(-1, keepdim=True)).sum().backward()
    assert all(p.grad.abs().sum() > 0 for p in builder.parameters())


def test_learned_embeddings_are_read_at_every_call():
    builder = make_builder(LearnedPositionEmbedding(4))
    before = call(builder, SMALL).position
    with torch.no_grad():
        builder.position_embedding.row_embed.weight.add_(1)
    # column first: features 4 to 7 are the row's
    assert torch.allclose(call(builder, SMALL).position - before, torch.tensor([0.0] * 4 + [1] * 4))


def test_the_least_recently_used_key_is_forgotten():
    calls, cache = [], ShapeCache(size=2)
    for key in ("a", "b", "a", "c", "a", "b"):
        cache(key, lambda key=key: calls.append(key))
    assert calls == ["a", "b", "c", "b"]  # c drove b out, as a had been used since


def test_copies_start_empty():
    cache = ShapeCache(size=3)
    cache("a", lambda: 1)
    for other in (copy.deepcopy(cache), pickle.loads(pickle.dumps(cache))):
        assert other.size == 3
        assert other("a", lambda: 2) == 2


def test_recordings_are_not_remembered():
    builder = make_builder().eval()

    class Positions(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.builder = builder

        def forward(self, x):
            padding = torch.zeros(1, 32, 32, dtype=torch.bool)
            return self.builder([x, x[..., ::2, ::2]], padding, False).position

    exported = torch.export.export(Positions(), (torch.zeros(1, 8, 4, 4),)).module()
    expected = call(make_builder(), SMALL).position
    assert torch.equal(exported(torch.zeros(1, 8, 4, 4)), expected)
    assert torch.equal(call(builder, SMALL).position, expected)
