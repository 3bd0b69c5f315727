import copy
from types import SimpleNamespace

import pytest
import torch

from aligndetr.modeling.backbone import ResNet
from aligndetr.modeling.detector import convolution_format
from aligndetr.structures import ImageBatch


def evaluate(model, items):
    model.eval()
    with torch.no_grad():
        return [output["instances"] for output in model(items)]


def test_results_are_sorted_boxes_in_the_original_image(make_detector, make_item):
    model, item = make_detector(), make_item(48, 96)
    (small,) = evaluate(model, [item])
    (large,) = evaluate(model, [item | {"height": 480, "width": 192}])
    assert large.image_size == (480, 192)
    assert torch.equal(small.scores, large.scores)
    assert torch.equal(small.scores.sort(descending=True).values, small.scores)
    # ten times as high, twice as wide
    expected = small.pred_boxes.tensor * torch.tensor([2.0, 10.0, 2.0, 10.0])
    assert torch.allclose(large.pred_boxes.tensor, expected, atol=1e-3)
    x0, y0, x1, y1 = large.pred_boxes.tensor.unbind(1)
    assert (x0 >= 0).all()
    assert (x1 <= 192).all()
    assert (y1 <= 480).all()
    assert ((x1 > x0) & (y1 > y0)).all()


def test_equal_sizes_give_the_same_result_in_any_batch(make_detector, make_item):
    model = make_detector().double()
    items = [make_item(seed=seed) for seed in range(3)]
    together = evaluate(model, items)
    for item, result in zip(items, together, strict=True):
        (alone,) = evaluate(model, [item])
        assert torch.allclose(alone.scores, result.scores, atol=1e-12)


def test_padded_images_do_not_see_their_neighbours_pixels(make_detector, make_item):
    model = make_detector().double()
    first = evaluate(model, [make_item(40, 56), make_item(64, 64, seed=1)])[0]
    second = evaluate(model, [make_item(40, 56), make_item(64, 64, seed=2)])[0]
    assert torch.allclose(first.scores, second.scores, atol=1e-12)
    assert torch.allclose(first.pred_boxes.tensor, second.pred_boxes.tensor, atol=1e-4)


def test_tokens_in_the_padding_are_masked(make_detector, make_item):
    # the padding mask has an effect: without it, the same pixels give another result
    model = make_detector().double().eval()
    images = model.preprocess([make_item(32, 32), make_item(64, 64, seed=1)])
    unmasked = ImageBatch(images.pixels, torch.zeros_like(images.padding), [(64, 64)] * 2)
    with torch.no_grad():
        masked_logits = model.detect(images).predictions.logits
        unmasked_logits = model.detect(unmasked).predictions.logits
    assert not torch.allclose(masked_logits[:, 0], unmasked_logits[:, 0], atol=1e-3)
    assert torch.allclose(masked_logits[:, 1], unmasked_logits[:, 1], atol=1e-12)


def test_fewer_tokens_than_queries(make_detector, make_item):
    # 16 x 16 pixels: 2 x 2 + 1 + 1 tokens for 12 queries
    model, item = make_detector(), make_item(16, 16)
    model.eval()
    with torch.no_grad():
        output = model.detect(model.preprocess([item]))
        predictions, proposals = output.predictions, output.proposals
    assert predictions.logits.shape == (3, 1, 6, 5)
    assert proposals.logits.shape == (1, 1, 6, 5)
    model.train()
    assert torch.isfinite(sum(model([item]).values()))


def test_gradients_reach_the_same_parameters_with_and_without_objects(make_detector, make_item):
    reached = []
    for counts in ((2, 3), (0, 0), (0, 2)):
        model = make_detector().train()
        items = [make_item(num_boxes=n, seed=i) for i, n in enumerate(counts)]
        sum(model(items).values()).backward()
        reached.append({name for name, p in model.named_parameters() if p.grad is not None})
        assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)
    assert reached[0] == reached[1] == reached[2] == {n for n, _ in model.named_parameters()}


def test_num_boxes_divides_the_losses(make_detector, make_item):
    model = make_detector(denoiser=None).train()
    items = [make_item(num_boxes=2), make_item(num_boxes=3, seed=1)]
    counted, given = model(items), model(items, num_boxes=10.0)
    for name, value in counted.items():  # 5 objects
        assert value.item() == pytest.approx(2 * given[name].item(), rel=1e-5)


def test_two_half_batches_sum_to_the_whole(make_detector, make_item):
    model = make_detector(denoiser=None).double().train()
    items = [make_item(num_boxes=n, seed=n) for n in (1, 4, 0, 2)]
    whole = sum(model(items).values())
    halves = sum(sum(model(part, num_boxes=7.0).values()) for part in (items[:2], items[2:]))
    assert whole.item() == pytest.approx(halves.item(), rel=1e-12)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast_gives_float32_losses_close_to_full_precision(make_detector, make_item, dtype):
    model = make_detector(denoiser=None).train()
    items = [make_item(), make_item(40, 56, seed=1)]
    full = model(items)
    with torch.autocast("cpu", dtype):
        half = model(items)
    sum(half.values()).backward()
    assert all(value.dtype == torch.float32 for value in half.values())
    assert sum(half.values()).item() == pytest.approx(sum(full.values()).item(), rel=0.1)


def test_any_instances_with_the_right_fields_will_do(make_detector, make_item):
    model = make_detector(denoiser=None).train()
    item = make_item()
    foreign = SimpleNamespace(
        image_size=item["instances"].image_size,
        gt_boxes=SimpleNamespace(tensor=item["instances"].gt_boxes.tensor),
        gt_classes=item["instances"].gt_classes,
    )
    ours, theirs = model([item]), model([item | {"instances": foreign}])
    assert {k: v.item() for k, v in ours.items()} == {k: v.item() for k, v in theirs.items()}


def test_evaluation_needs_only_the_image(make_detector, make_item):
    (result,) = evaluate(make_detector(), [{"image": make_item(48, 64)["image"]}])
    assert result.image_size == (48, 64)


def test_a_class_outside_the_model_is_named(make_detector, make_item):
    model, item = make_detector(num_classes=3), make_item()
    item["instances"].gt_classes[:] = 3
    with pytest.raises(ValueError, match=r"class 3.*num_classes is 3"):
        model.train()([item])


@pytest.mark.parametrize(
    "width, expected", [(8, torch.contiguous_format), (16, torch.channels_last)]
)
def test_thin_strided_convolutions_do_not_run_channels_last(width, expected):
    # with channels last these crash PyTorch 2.13 on the CPU, so that this test cannot show it
    backbone = ResNet(18, norm="BN", width=width)
    assert convolution_format(backbone) == expected


def test_other_heads_score_the_same_matching_queries_in_training(make_detector, make_item):
    model = make_detector(num_layers=2)
    model.decoder.one2many_heads = copy.deepcopy(model.decoder.class_heads)
    for head in model.decoder.one2many_heads:
        torch.nn.init.constant_(head.bias, 7.0)
    items = [make_item(seed=1), make_item(seed=2)]
    images, targets = model.preprocess(items), model.targets(items)
    predictions = model.detect(images, targets).predictions
    for layer, head in enumerate(model.decoder.class_heads):
        expected = predictions.logits[layer] - head.bias + 7.0
        torch.testing.assert_close(predictions.one2many[layer], expected)
    assert predictions.one2many.shape == (2, 2, 12, 5)  # without denoising queries
    assert model.eval().detect(images).predictions.one2many is None
