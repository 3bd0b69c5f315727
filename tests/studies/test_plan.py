"""What arms share, and in what they differ."""

import pytest
import torch

from aligndetr.config import LazyConfig
from aligndetr.engine.model import build_model
from aligndetr.engine.num_classes import settle_num_classes
from aligndetr.errors import CheckpointError
from aligndetr.interop import load_checkpoint
from studies.plan import ARMS, QUESTIONS, Study, run_config
from studies.training import backbone_of


def texts(arm):
    """Of the whole config, and of what is left without the criterion's two settings."""
    config = run_config(Study(), arm, 1e-3, 5, tuning=False)
    whole = LazyConfig.to_py(config)
    config.model.criterion.classification = config.model.criterion.match_num = None
    return whole, LazyConfig.to_py(config)


@pytest.fixture(scope="module")
def models():
    found = []
    for arm in ARMS[:3:2]:
        config = run_config(Study(), arm, 1e-3, 5, tuning=False)
        settle_num_classes(config, list("abcdefgh"), "the test")
        torch.manual_seed(5)
        found.append(build_model(config, None))
    return found


def test_arms_differ_in_the_criterion_alone():
    wholes, rests = zip(*map(texts, ARMS), strict=True)
    assert len(set(wholes)) == len(ARMS)
    assert len(set(rests)) == 1


def test_arms_are_what_they_are_called():
    by_name = {arm.name: arm for arm in ARMS}
    config = run_config(Study(), by_name["align-k2-tau3"], 1e-3, 5, tuning=False)
    assert config.model.criterion.classification.tau == 3
    assert config.model.criterion.match_num == [2, 2, 2, 1]
    config = run_config(Study(), by_name["align-k2"], 1e-3, 5, tuning=False)
    assert config.model.criterion.classification.tau == 1.5
    named = {name for _, reference, others in QUESTIONS for name in (reference, *others)}
    assert named == by_name.keys()


def test_rates_are_chosen_on_a_split_that_is_not_reported():
    names = [
        run_config(Study(), ARMS[0], 1e-3, 5, tuning).dataloader.test.dataset.names
        for tuning in (True, False)
    ]
    assert names == ["shapes_hard_dev", "shapes_hard_val"]


def test_equal_seeds_start_from_equal_weights(models):
    one, other = (model.state_dict() for model in models)
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_only_the_backbone_is_taken(models, tmp_path):
    giver, taker = models
    before = {name: value.clone() for name, value in taker.state_dict().items()}
    weights = {name: torch.full_like(value, 2) for name, value in giver.state_dict().items()}
    torch.save({"model": weights}, tmp_path / "start.pth")
    backbone = run_config(Study(), ARMS[0], 1e-3, 5, tuning=False).model
    start = backbone_of(tmp_path / "start.pth", backbone, tmp_path / "backbone.pth")
    load_checkpoint(taker, start)
    for name, value in taker.state_dict().items():
        expected = weights[name] if name.startswith("backbone.") else before[name]
        assert torch.equal(value, expected), name
    del weights["backbone.stem.conv1.weight"]
    torch.save({"model": weights}, tmp_path / "start.pth")
    with pytest.raises(CheckpointError, match=r"has no backbone\.stem\.conv1\.weight"):
        backbone_of(tmp_path / "start.pth", backbone, tmp_path / "backbone.pth")
