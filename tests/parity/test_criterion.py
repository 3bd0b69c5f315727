"""Losses under their published names, and their gradients: AlignDETR's criterion and DINO's."""

from __future__ import annotations

import torch
from torch import Tensor

from aligndetr.criterions import DenoisedPredictions, SetCriterion, align_loss, focal_loss
from aligndetr.matchers import HungarianMatcher, MatchingCost, MixedMatcher
from aligndetr.structures import Predictions, Targets
from tests.parity.golden import Golden, for_each
from tests.parity.test_matcher import CLASS_COSTS

INPUTS = ("logits", "boxes", "enc_logits", "enc_boxes", "dn_logits", "dn_boxes")
DENOISED = INPUTS[-2:]


def both(case: Golden) -> list[str]:
    return ["align_", "dino_"]


def criterion(case: Golden) -> SetCriterion:
    whole = case.whole
    class_cost = CLASS_COSTS[whole["matcher_cost_type"]](*whole["matcher_alpha_gamma"].tolist())
    cost = MatchingCost(class_cost, *whole["matcher_weights"].tolist())
    weights = dict(zip(("class", "bbox", "giou"), whole["base_weights"].tolist(), strict=True))
    if case.prefix == "align_":
        loss = align_loss(whole["alpha"], whole["gamma"], whole["tau"])
        matcher, match_num = MixedMatcher(cost), whole.ints("match_num")
    else:
        loss = focal_loss(whole["alpha"], whole["gamma"])
        matcher, match_num = HungarianMatcher(cost), None
    agnostic = bool(whole["two_stage_binary_cls"])
    return SetCriterion(matcher, loss, weights, match_num, class_agnostic_proposals=agnostic)


def leaves(case: Golden) -> dict[str, Tensor]:
    """The predictions; those for denoising are empty where the file has none."""
    whole = case.whole
    found = {name: whole[name] for name in INPUTS if name in whole}
    found.setdefault("dn_logits", whole["logits"][:, :, :0])
    found.setdefault("dn_boxes", whole["boxes"][:, :, :0])
    return {name: tensor.requires_grad_() for name, tensor in found.items()}


def targets(case: Golden) -> Targets:
    whole = case.whole
    sizes = whole.ints("sizes")
    return Targets(
        list(whole["tgt_labels"].split(sizes)), list(whole["tgt_boxes"].reshape(-1, 4).split(sizes))
    )


def losses(case: Golden, given: dict[str, Tensor], goals: Targets) -> dict[str, Tensor]:
    whole = case.whole
    predictions = Predictions(given["dn_logits"], given["dn_boxes"])
    denoised = DenoisedPredictions(predictions, max(whole["dn_num"], 1), whole["single_padding"])
    return criterion(case)(
        Predictions(given["logits"], given["boxes"]),
        goals,
        max(goals.num_boxes, 1),
        Predictions(given["enc_logits"][None], given["enc_boxes"][None]),
        None if without_denoising(case, goals) else denoised,
    )


def without_denoising(case: Golden, goals: Targets) -> bool:
    """Objects, but no group for them: the model has no denoiser."""
    return case.whole["dn_num"] == 0 and goals.num_boxes > 0


def published(case: Golden) -> dict[str, float]:
    """Weighted losses by name."""
    weighted = case["losses"] * case["weights"]
    return dict(zip(case["keys"], weighted.tolist(), strict=True))


def compare_losses(case: Golden, compare, ours: dict[str, Tensor], names: list[str]) -> None:
    expected = published(case)
    assert all(value.shape == () for value in ours.values())
    values = torch.stack([ours[name] for name in names])
    wanted = [expected[name] for name in names]
    compare(f"losses ({case.prefix.rstrip('_')})", values, wanted, atol=1e-9, rtol=1e-9)


def compare_gradients(case: Golden, compare, given: dict[str, Tensor], names: list[str]) -> None:
    for name in names:
        ours = given[name].grad
        what = f"gradients ({case.prefix.rstrip('_')})"
        if f"grad_{name}" in case:
            compare(what, ours, case[f"grad_{name}"], atol=1e-9, rtol=1e-9)
        else:
            assert given[name].numel() == 0


def hits_the_label_defect(case: Golden) -> bool:
    """Published, class-agnostic proposals: labels are zeroed for the denoising losses too."""
    return bool(case.whole["two_stage_binary_cls"])


@for_each("criterion_*.npz", cases=both)
def test_losses_and_gradients(case, compare):
    given, goals = leaves(case), targets(case)
    ours = losses(case, given, goals)
    # Without a denoiser the published code reports constants 0, ours reports nothing.
    zeros = [name for name, value in published(case).items() if "_dn" in name and value == 0]
    missing = zeros if without_denoising(case, goals) else []
    compare.equal("names of losses", sorted([*ours, *missing]), sorted(case["keys"]))
    total = sum(ours.values())
    total.backward()
    assert torch.equal(goals.all_labels, case.whole["tgt_labels"]), "labels must be left alone"
    if hits_the_label_defect(case):
        names = [name for name in ours if not name.startswith("loss_class_dn")]
        compare_losses(case, compare, ours, names)
        compare_gradients(case, compare, given, [n for n in INPUTS if n != "dn_logits"])
    else:
        compare_losses(case, compare, ours, list(ours))
        compare("total", total, case["total"], atol=1e-9, rtol=1e-9)
        compare_gradients(case, compare, given, list(INPUTS))


@for_each("criterion_*.npz", cases=both)
def test_every_prediction_has_a_gradient(case):
    """So that all processes agree on the set of gradients, also without a single object."""
    given, goals = leaves(case), targets(case)
    sum(losses(case, given, goals).values()).backward()
    used = [name for name in given if not (name in DENOISED and without_denoising(case, goals))]
    assert all(given[name].grad is not None for name in used)


@for_each("criterion_binary_enc*.npz", cases=both)
def test_denoising_with_the_labels_that_the_published_code_overwrote(case, compare):
    given, goals = leaves(case), targets(case)
    zeroed = Targets([torch.zeros_like(labels) for labels in goals.labels], goals.boxes)
    assert case.ints("labels_after") == zeroed.all_labels.tolist()
    right, defect = losses(case, given, goals), losses(case, given, zeroed)
    denoising = [name for name in right if "_dn" in name]
    compare_losses(case, compare, defect, denoising)
    total = sum((defect if name in denoising else right)[name] for name in right)
    total.backward()
    compare("total", total, case["total"], atol=1e-9, rtol=1e-9)
    compare_gradients(case, compare, given, list(INPUTS))
    changed = [name for name in denoising if not torch.equal(right[name], defect[name])]
    assert changed, "with other labels the denoising losses must be others"
