import math

import pytest
import torch
from omegaconf import OmegaConf
from torch.nn import functional as F

from aligndetr.config import LazyCall as L
from aligndetr.config import LazyConfig, instantiate
from aligndetr.config.find_file import resolve_config
from aligndetr.criterions import NoObjectCrossEntropy, align_loss, check_no_object
from aligndetr.errors import ConfigError
from aligndetr.matchers import FocalCost, ProbabilityCost
from aligndetr.modeling.postprocess import ArgmaxPostprocess, TopKPostprocess


def test_no_object_loss_by_hand(make_pairs):
    # one layer, one image, two queries, one class and "no object", all with probability 1/2
    logits = torch.zeros(1, 1, 2, 2)
    pairs = make_pairs([[0, 0, 0, 0]], [0], [1.0])
    found = NoObjectCrossEntropy(0.1)(logits, pairs)
    # (1 log 2 + 0.1 log 2) / (1 + 0.1) = log 2, times one pair
    assert found.loss.tolist() == pytest.approx([math.log(2)])
    assert (found.goal.tolist(), found.weight.tolist()) == ([1], [1])
    assert found.score.tolist() == pytest.approx([0.5])
    logits[0, 0, 1, 1] = math.log(3)  # the other query: "no object" with 3/4
    found = NoObjectCrossEntropy(0.1)(logits, pairs)
    assert found.loss.tolist() == pytest.approx([(math.log(2) + 0.1 * math.log(4 / 3)) / 1.1])


def test_no_object_loss_is_the_weighted_mean_of_torch(make_pairs):
    torch.manual_seed(0)
    logits = torch.randn(2, 3, 5, 4, requires_grad=True)  # three classes
    rows = [[layer, image, 2 + image, image] for layer in (0, 1) for image in (0, 1)]
    pairs = make_pairs(rows, [1, 2, 1, 2], torch.ones(4))
    loss = NoObjectCrossEntropy(0.3)(logits, pairs).loss
    goal = torch.full((3, 5), 3)
    goal[0, 2], goal[1, 3] = 1, 2
    for layer in (0, 1):
        expected = F.cross_entropy(
            logits[layer].flatten(0, 1), goal.flatten(), torch.tensor([1.0, 1.0, 1.0, 0.3])
        )
        assert torch.allclose(loss[layer], 2 * expected)  # two objects, by which it is divided


def test_without_objects_everything_is_background(make_pairs):
    found = NoObjectCrossEntropy()(torch.zeros(2, 1, 3, 2), make_pairs([], [], []))
    assert found.loss.tolist() == pytest.approx([math.log(2)] * 2)


# --- parts that must agree ------------------------------------------------------------------------


def shipped(name, changes):
    """A shipped model with parts exchanged, by their place in its config."""
    config = LazyConfig.load(resolve_config(name)).model
    config.num_classes = 3
    for place, part in changes.items():
        OmegaConf.update(config, place, L(part)(), merge=False)
    return config


@pytest.mark.parametrize(
    ("name", "place", "part", "message"),
    [
        (
            "detr_tiny",
            "criterion.classification",
            align_loss,
            r"decoder.*NoObjectClassHead\) takes the last logit.*"
            r"model.criterion.classification \(SigmoidClassification\) gives each class.*: take",
        ),
        ("detr_tiny", "criterion.matcher.cost.class_cost", FocalCost, r"class_cost \(FocalCost\)"),
        ("detr_tiny", "postprocess", TopKPostprocess, r"model.postprocess \(TopKPostprocess\)"),
        (
            "dino_tiny",
            "criterion.classification",
            NoObjectCrossEntropy,
            r"class_head.*\(ClassHead\) gives each class a logit, "
            r"model.criterion.classification \(NoObjectCrossEntropy\) takes the last logit",
        ),
        ("dino_tiny", "postprocess", ArgmaxPostprocess, r"model.postprocess \(ArgmaxPostprocess\)"),
        (
            "h_deformable_detr_tiny",
            "criterion.one_to_many.matcher.cost.class_cost",
            ProbabilityCost,
            r"model.criterion.one_to_many.matcher.cost.class_cost \(ProbabilityCost\)",
        ),
    ],
)
def test_parts_that_disagree_on_no_object_are_refused(name, place, part, message):
    with pytest.raises(ConfigError, match=message):
        instantiate(shipped(name, {place: part}))


def test_a_part_that_does_not_say_goes_with_anything():
    check_no_object({"head": torch.nn.Linear(2, 2), "loss": NoObjectCrossEntropy(), "cost": None})
