"""Configs saved before a classification loss was a target and a weighting."""

import pytest
import torch
from omegaconf import OmegaConf

from aligndetr.config import instantiate
from aligndetr.criterions import HybridCriterion, align_loss, focal_loss, varifocal_loss
from aligndetr.matchers import HungarianMatcher, MixedMatcher


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("AlignLoss", {"alpha": 0.4, "gamma": 1.5, "tau": 2.5}, align_loss(0.4, 1.5, 2.5)),
        ("align.AlignLoss", {"tau": 3.0}, align_loss(tau=3.0)),
        ("FocalLoss", {"alpha": 0.4, "gamma": 1.5}, focal_loss(0.4, 1.5)),
        ("focal.FocalLoss", {}, focal_loss(0.25, 2.0)),
        ("VarifocalLoss", {"alpha": 0.4, "gamma": 1.5}, varifocal_loss(0.4, 1.5)),
        ("varifocal.VarifocalLoss", {}, varifocal_loss(0.75, 2.0)),
    ],
)
def test_a_saved_loss_is_built_of_parts(name, arguments, expected, make_pairs):
    node = OmegaConf.create({"_target_": f"aligndetr.criterions.{name}", **arguments})
    logits = torch.randn(1, 1, 4, 3, generator=torch.Generator().manual_seed(1))
    pairs = make_pairs([[0, 0, 0, 0], [0, 0, 2, 0]], [1, 1], [0.3, 0.8])
    ours, theirs = instantiate(node)(logits, pairs), expected(logits, pairs)
    assert torch.equal(ours.loss, theirs.loss)
    assert torch.equal(ours.weight, theirs.weight)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("matchers.MixedMatcher", MixedMatcher),
        ("matchers.mixed.MixedMatcher", MixedMatcher),
        ("matchers.mixed.HungarianMatcher", HungarianMatcher),
    ],
)
def test_a_saved_matcher_is_found(name, kind):
    assert type(instantiate({"_target_": f"aligndetr.{name}", "cost": None})) is kind


def test_a_saved_hybrid_criterion_is_found():
    node = {"one_to_one": None, "one_to_many": None, "num_queries": 3}
    found = instantiate({"_target_": "aligndetr.criterions.hybrid.HybridCriterion", **node})
    assert isinstance(found, HybridCriterion)
