import pytest
import torch

from aligndetr.criterions import DenoisedPredictions, SetCriterion, align_loss, focal_loss
from aligndetr.errors import ConfigError
from aligndetr.matchers import FocalCost, HungarianMatcher, MatchingCost, MixedMatcher
from aligndetr.structures import Predictions, Targets

WEIGHTS = {"class": 1.0, "bbox": 5.0, "giou": 2.0}


def make(match_num=None, classification=None, **kwargs):
    matcher = MixedMatcher(MatchingCost(FocalCost()))
    return SetCriterion(matcher, classification or align_loss(), WEIGHTS, match_num, **kwargs)


def predictions(num_layers, num_queries, batch=2, seed=0):
    generator = torch.Generator().manual_seed(seed)
    shape = (num_layers, batch, num_queries)
    return Predictions(
        torch.randn(*shape, 3, generator=generator).requires_grad_(),
        (torch.rand(*shape, 4, generator=generator) * 0.4 + 0.2).requires_grad_(),
    )


def two_images(sizes=(2, 1)):
    generator = torch.Generator().manual_seed(5)
    return Targets(
        [torch.randint(0, 3, (n,), generator=generator) for n in sizes],
        [torch.rand(n, 4, generator=generator) * 0.4 + 0.2 for n in sizes],
    )


def test_names():
    denoised = DenoisedPredictions(predictions(3, 8), num_groups=2, slots_per_group=4)
    losses = make()(predictions(3, 9), two_images(), 3.0, predictions(1, 9), denoised)
    suffixes = ["", "_0", "_1", "_enc", "_dn", "_dn_0", "_dn_1"]
    terms = ("class", "bbox", "giou")
    assert set(losses) == {f"loss_{term}{suffix}" for term in terms for suffix in suffixes}
    assert all(value.shape == () for value in losses.values())


def test_box_losses_by_hand():
    box = torch.tensor([0.5, 0.5, 0.2, 0.2], dtype=torch.float64)
    moved = torch.tensor([0.6, 0.5, 0.2, 0.2], dtype=torch.float64)
    one = Predictions(torch.zeros(1, 1, 1, 2, dtype=torch.float64), box.view(1, 1, 1, 4))
    criterion = make(classification=focal_loss())
    losses = criterion(one, Targets([torch.tensor([0])], [moved.view(1, 4)]), num_boxes=2.0)
    # L1 0.1, weight 5, two objects to divide by; giou 1/3 (see the matcher's test), weight 2
    assert losses["loss_bbox"].item() == pytest.approx(5 * 0.1 / 2)
    assert losses["loss_giou"].item() == pytest.approx(2 * (1 - 1 / 3) / 2, abs=1e-4)


def test_rank_weights_scale_box_losses():
    boxes = torch.tensor([[0.5, 0.5, 0.2, 0.2], [0.6, 0.5, 0.2, 0.2]], dtype=torch.float64)
    both = Predictions(torch.zeros(1, 1, 2, 1, dtype=torch.float64), boxes.view(1, 1, 2, 4))
    targets = Targets([torch.tensor([0])], [boxes[:1]])
    losses = make([1, 2], align_loss(tau=0.5))(both, targets, 1.0)
    # two queries for one object need Q >= 2 G k = 4 queries, so only one is taken: loss 0
    assert losses["loss_bbox"].item() == 0.0
    far = torch.tensor([[0.1, 0.1, 0.1, 0.1]], dtype=torch.float64).expand(2, 4)
    four = Predictions(
        torch.zeros(1, 1, 4, 1, dtype=torch.float64), torch.cat([boxes, far]).view(1, 1, 4, 4)
    )
    losses = make([1, 2], align_loss(tau=0.5))(four, targets, 1.0)
    # the exact box has rank 0 and L1 0; the moved one rank 1, weight exp(-1 / 0.5), L1 0.1
    weight = torch.exp(torch.tensor(-2.0)).item()
    assert losses["loss_bbox"].item() == pytest.approx(5 * weight * 0.1)


def test_denoising_queries_have_weights_of_their_own():
    denoised = DenoisedPredictions(predictions(1, 4), num_groups=2, slots_per_group=2)
    others = {"class": 3.0, "bbox": 0.5, "giou": 2.0}
    args = (predictions(1, 9), two_images(), 3.0, None, denoised)
    first, second = make()(*args), make(denoising_weights=others)(*args)
    for term, factor in (("class", 3 / 1), ("bbox", 0.5 / 5), ("giou", 2 / 2)):
        dn = f"loss_{term}_dn"
        assert second[dn].item() == pytest.approx(factor * first[dn].item())
        assert second[f"loss_{term}"].item() == first[f"loss_{term}"].item()


def test_layers_are_independent():
    stack, targets = predictions(3, 9), two_images()
    together = make([1, 2, 2, 1])(stack, targets, 3.0)
    for layer, (k, name) in enumerate([(2, "_0"), (2, "_1"), (1, "")]):
        alone = Predictions(stack.logits[[layer]], stack.boxes[[layer]])
        single = make([1, k])(alone, targets, 3.0)
        for term in ("class", "bbox", "giou"):
            expected = single[f"loss_{term}"].item()
            assert together[f"loss_{term}{name}"].item() == pytest.approx(expected, rel=1e-6)


def test_agnostic_proposals_leave_labels_alone():
    targets = two_images()
    before = [labels.clone() for labels in targets.labels]
    losses = make(class_agnostic_proposals=True)(
        predictions(1, 9), targets, 3.0, predictions(1, 9, seed=1)
    )
    zeroed = Targets([torch.zeros_like(x) for x in targets.labels], targets.boxes)
    expected = make()(predictions(1, 9), zeroed, 3.0, predictions(1, 9, seed=1))
    assert losses["loss_class_enc"].item() == pytest.approx(expected["loss_class_enc"].item())
    assert all(torch.equal(a, b) for a, b in zip(before, targets.labels, strict=True))


def test_denoising_slots_by_hand():
    # 2 groups, up to 3 objects an image: group g of an image starts at slot 6 g
    denoised = DenoisedPredictions(predictions(2, 12), num_groups=2, slots_per_group=6)
    assignment = denoised.assignment(two_images((1, 3)))
    first = assignment.layer == 0
    assert assignment.image[first].tolist() == [0, 1, 1, 1, 0, 1, 1, 1]
    assert assignment.query[first].tolist() == [0, 0, 1, 2, 6, 6, 7, 8]
    assert assignment.target[first].tolist() == [0, 1, 2, 3, 0, 1, 2, 3]
    assert torch.equal(assignment.query[~first], assignment.query[first])


@pytest.mark.parametrize("sizes", [(0, 0), (0, 2)])
def test_empty_images_give_finite_losses_and_all_gradients(sizes):
    stack, proposals = predictions(2, 9), predictions(1, 9, seed=1)
    slots = 2 * max(sizes)
    denoised = DenoisedPredictions(predictions(2, slots, seed=2), 1, slots)
    losses = make([2, 2, 1])(stack, two_images(sizes), 1.0, proposals, denoised)
    sum(losses.values()).backward()
    for part in (stack, proposals, denoised.predictions):
        for tensor in (part.logits, part.boxes):
            assert tensor.grad is not None
            assert torch.isfinite(tensor.grad).all()


def test_half_precision_predictions_are_compared_in_float32():
    stack = predictions(1, 9)
    half = Predictions(stack.logits.to(torch.bfloat16), stack.boxes.to(torch.bfloat16))
    losses = make()(half, two_images(), 3.0)
    assert all(value.dtype == torch.float32 for value in losses.values())


def test_wrong_arguments_are_named():
    with pytest.raises(ConfigError, match=r"20 proposals for 9 queries.*class_agnostic"):
        make()(predictions(2, 9), two_images(), 1.0, predictions(1, 20))
    with pytest.raises(ConfigError, match=r"must have 3 entries.*2 decoder layers"):
        make([2, 1])(predictions(2, 9), two_images(), 1.0)


@pytest.mark.parametrize(
    "match_num", [[2, 0, 1], [2, -1, 1], [2, 1.5, 1], [2, "2", 1], [True, 1, 1], "221", 2, [None]]
)
def test_match_num_that_cannot_be_meant_is_refused_when_built(match_num):
    with pytest.raises(ConfigError, match=r"match_num must be a list of whole numbers .*got "):
        make(match_num)


def test_match_num_changed_to_nonsense_is_refused_when_used():
    criterion = make([2, 2, 1])
    criterion.match_num = [2, 0, 1]
    with pytest.raises(ConfigError, match=r"whole numbers of at least 1.*\[0, 1\]"):
        criterion(predictions(2, 9), two_images(), 1.0)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"class": 1.0}, r"class, bbox and giou, got \['class'\]"),
        ({**WEIGHTS, "mask": 1.0}, "class, bbox and giou"),
        ({**WEIGHTS, "giou": -2.0}, r"weights.giou must be a number of at least 0, got -2.0"),
        ({**WEIGHTS, "bbox": "5"}, r"weights.bbox must be a number"),
        ({**WEIGHTS, "class": float("nan")}, r"weights.class must be a number"),
    ],
)
def test_weights_that_cannot_be_meant_are_refused(weights, message):
    with pytest.raises(ConfigError, match=message):
        SetCriterion(HungarianMatcher(MatchingCost(FocalCost())), focal_loss(), weights)


# --- what explanations read -----------------------------------------------------------------------


def test_comparisons_say_what_losses_are_made_from():
    box = torch.tensor([0.5, 0.5, 0.2, 0.2], dtype=torch.float64)
    moved = torch.tensor([0.6, 0.5, 0.2, 0.2], dtype=torch.float64)
    far = torch.tensor([0.1, 0.1, 0.1, 0.1], dtype=torch.float64)
    boxes = torch.stack([far, moved, far, box]).view(1, 1, 4, 4)
    logits = torch.full((1, 1, 4, 2), -9.0, dtype=torch.float64)
    logits[0, 0, [1, 3], 1] = 0.0  # both near ones: probability 1/2
    targets = Targets([torch.tensor([1])], [box.view(1, 4)])
    [found] = make([1, 2], align_loss(alpha=0.5, tau=2.0)).comparisons(
        Predictions(logits, boxes), targets
    )
    assert found.suffixes == [""]
    assert (found.assignment.query.tolist(), found.assignment.target.tolist()) == ([1, 3], [0, 0])
    # moved by half its width: overlap 0.02 of 0.06; the other one is the object itself
    iou, less = 1 / 3, torch.exp(torch.tensor(-0.5)).item()
    assert found.iou.tolist() == pytest.approx([iou, 1.0], abs=1e-4)
    assert found.score.tolist() == [0.5, 0.5]
    assert found.weight.tolist() == pytest.approx([less, 1.0])
    expected = [(0.5 * iou) ** 0.5 * less, 0.5**0.5]
    assert found.goal.tolist() == pytest.approx(expected, abs=1e-4)
    assert found.losses["bbox"].tolist() == pytest.approx([less * 0.1])


@pytest.mark.parametrize("agnostic", [False, True])
def test_losses_are_the_weighted_sums_of_the_comparisons(agnostic):
    denoised = DenoisedPredictions(predictions(2, 8, seed=2), num_groups=2, slots_per_group=4)
    given = predictions(2, 9), two_images(), predictions(1, 9, seed=1), denoised
    criterion = make([2, 2, 1], class_agnostic_proposals=agnostic)
    losses = criterion(given[0], given[1], 3.0, *given[2:])
    compared = criterion.comparisons(*given)
    assert [part.suffixes for part in compared] == [
        *([["_enc"], ["_0", ""]] if agnostic else [["_enc", "_0", ""]]),
        ["_dn_0", "_dn"],
    ]
    made = {
        f"loss_{term}{suffix}": WEIGHTS[term] * value.item() / (3 * part.copies)
        for part in compared
        for term, values in part.losses.items()
        for suffix, value in zip(part.suffixes, values, strict=True)
    }
    assert made.keys() == losses.keys()
    assert {name: loss.item() for name, loss in losses.items()} == pytest.approx(made)
    assert compared[-1].copies == 2


def test_in_evaluation_a_decoder_may_stop_early():
    criterion = make([1, 2, 2, 1]).eval()
    [found] = criterion.comparisons(predictions(1, 9), two_images())
    assert len(found.assignment) == 2 * 3  # the k of layer 1, not of the last
    with pytest.raises(ConfigError, match="must have 2 entries"):
        criterion.train().comparisons(predictions(1, 9), two_images())
