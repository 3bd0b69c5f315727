"""Published .py configs load unmodified; their names exist only while a config runs."""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from aligndetr.config import LazyConfig, instantiate
from aligndetr.criterions import AlignTarget, FocalWeighting
from aligndetr.errors import ConfigError
from aligndetr.matchers import HungarianMatcher, MixedMatcher

FOREIGN = ("detectron2", "detrex", "projects")


def foreign_modules() -> list[str]:
    return [name for name in sys.modules if name.partition(".")[0] in FOREIGN]


@pytest.fixture
def write(tmp_path: Path):
    """Write a config file."""

    def make(text: str) -> Path:
        path = tmp_path / "config.py"
        path.write_text(textwrap.dedent(text))
        return path

    return make


def test_aligndetr_with_its_changes_to_imported_configs(published):
    config = published("aligndetr_24ep.py")
    model = config.model
    assert (model.num_classes, model.num_queries, model.embed_dim) == (11, 123, 128)
    assert (model.backbone.depth, model.backbone.stride_in_1x1) == (101, True)
    assert list(model.criterion.match_num) == [3, 3, 3, 1]
    assert dict(model.criterion.weights) == {"class": 1.0, "bbox": 4.5, "giou": 3.5}
    assert (model.criterion.classification.rank_weights.tau, model.denoiser.num_queries) == (
        3.0,
        77,
    )
    assert config.train.max_iter == 180000
    assert config.train.clip_grad.params.max_norm == 0.2
    assert list(config.lr_multiplier.scheduler.milestones) == [150000, 180000]  # 20, 24 epochs
    assert (config.optimizer.lr, list(config.optimizer.betas)) == (2e-4, [0.9, 0.99])
    factor = config.optimizer.params.lr_factor
    assert (factor("backbone.res2"), factor("encoder")) == (0.1, 1)
    assert config.dataloader.train.num_workers == 16
    assert config.dataloader.evaluator.output_dir == "./output/published"
    built = instantiate(model)
    assert isinstance(built.criterion.matcher, MixedMatcher)
    assert isinstance(built.criterion.classification.target, AlignTarget)
    assert tuple(built.backbone.channels) == ("res4", "res5")


def test_dino_in_one_file(published):
    config = published("dino.py")
    model = instantiate(config.model)
    assert isinstance(model.criterion.classification.weighting, FocalWeighting)
    assert isinstance(model.criterion.matcher, HungarianMatcher)
    assert (model.num_classes, len(model.decoder.layers)) == (9, 2)
    assert config.dataloader.train.mapper.augmentation[0].prob == 0.3
    assert config.dataloader.train.mapper.augmentation_with_crop is None
    # half of the first value (0.5) to 1 over a tenth: in the middle 0.75; 0.1 after 8 of 10
    multiplier = instantiate(config.lr_multiplier)
    assert [multiplier(x) for x in (0.05, 0.5, 0.85)] == pytest.approx([0.75, 1.0, 0.1])


def test_a_file_with_the_model_alone(published):
    config = published("models/aligndetr_small.py")
    assert list(config.model.criterion.match_num) == [1, 1, 1, 1]
    assert OmegaConf.is_interpolation(
        config.layer, "num_feature_levels"
    )  # a helper of the file, left as it is


def test_overrides_reach_the_translated_config(published):
    config = published("aligndetr_24ep.py")
    overrides = [
        "model.num_classes=2",
        "train.device=cpu",
        "model.criterion.classification.rank_weights.tau=1.5",
    ]
    LazyConfig.apply_overrides(config, overrides)
    assert instantiate(config.model).decoder.class_heads[0].weight.shape == (2, 128)


def test_nothing_is_left_behind(published):
    path, finders, ours = list(sys.path), list(sys.meta_path), set(dir(sys.modules["aligndetr"]))
    published("aligndetr_24ep.py")
    assert foreign_modules() == []
    assert (sys.path, sys.meta_path) == (path, finders)
    assert set(dir(sys.modules["aligndetr"])) == ours
    assert not hasattr(sys.modules["aligndetr.criterions"], "AlignDETRCriterion")
    with pytest.raises(ModuleNotFoundError):
        __import__("detrex.config")


def test_nothing_is_left_behind_by_a_config_that_raises(write):
    with pytest.raises(ConfigError, match="ZeroDivisionError"):
        LazyConfig.load(write("from detectron2.config import LazyCall\n1 / 0"))
    assert foreign_modules() == []


@pytest.mark.parametrize(
    "line, name",
    [
        ("from detectron2.modeling import GeneralizedRCNN", "detectron2.modeling.GeneralizedRCNN"),
        ("from detrex.modeling.losses import DNCriterion", "detrex.modeling.losses"),
        ("import detectron2.data.transforms as T; T.RandomLighting", "transforms.RandomLighting"),
        ("from projects.yolo.modeling import YOLO", "projects.yolo.modeling"),
        ("from aligndetr.criterions import SotoCriterion", "SotoCriterion"),
    ],
)
def test_an_unknown_name_is_named(line, name, write):
    with pytest.raises(ConfigError, match=name):
        LazyConfig.load(write(line))


def test_an_unknown_common_config_is_named(write):
    text = "from detrex.config import get_config\nget_config('common/data/lvis.py')"
    with pytest.raises(ConfigError, match=r"common/data/lvis\.py.*coco_detr"):
        LazyConfig.load(write(text))


def test_a_stand_in_cannot_be_called(write):
    text = """
        from detectron2.modeling import ResNet
        backbone = ResNet(depth=50)
    """
    with pytest.raises(ConfigError, match=r"detectron2\.modeling\.ResNet is not installed"):
        LazyConfig.load(write(text))


def test_our_own_config_may_use_their_transforms(write):
    config = LazyConfig.load(
        write("""
        import detectron2.data.transforms as T
        from aligndetr.config import LazyCall as L
        steps = {"first": L(T.RandomFlip)(prob=0.25)}
        train = {"max_iter": 3}
    """)
    )
    assert instantiate(config.steps.first).prob == 0.25
    assert dict(config.train) == {"max_iter": 3}


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """A package named detectron2 on the path, with a backbone of its own."""
    folder = tmp_path / "site" / "detectron2"
    for part in ("", "modeling", "config"):
        (folder / part).mkdir(parents=True, exist_ok=True)
        (folder / part / "__init__.py").touch()
    (folder / "modeling" / "__init__.py").write_text(
        "from torch import nn\n\nclass ResNet(nn.Module):\n    def __init__(self, depth):\n"
        "        super().__init__()\n        self.depth = depth\n"
    )
    (folder / "config" / "__init__.py").write_text("from aligndetr.config import LazyCall\n")
    monkeypatch.syspath_prepend(folder.parent)
    yield
    for name in foreign_modules():
        del sys.modules[name]


@pytest.mark.usefixtures("installed")
def test_an_installed_package_is_used(write):
    config = LazyConfig.load(
        write("""
        from detectron2.config import LazyCall as L
        from detectron2.modeling import ResNet
        backbone = L(ResNet)(depth=50)
    """)
    )
    built = instantiate(config.backbone)
    assert type(built).__module__ == "detectron2.modeling"
    assert built.depth == 50


@pytest.mark.usefixtures("installed")
def test_what_an_installed_package_lacks_is_not_made_up(write):
    with pytest.raises(ConfigError, match=r"No module named .detectron2\.data."):
        LazyConfig.load(write("from detectron2.data.transforms import RandomFlip"))
    with pytest.raises(ConfigError, match="BasicStem"):
        LazyConfig.load(write("from detectron2.modeling import BasicStem"))


@pytest.mark.usefixtures("installed")
def test_an_installed_package_is_used_by_a_dump(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text("backbone: {_target_: detectron2.modeling.ResNet, depth: 18}\n")
    assert instantiate(LazyConfig.load(path).backbone).depth == 18
