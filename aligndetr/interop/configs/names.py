"""Names that published configs import, and what stands in for them while a config runs.

A class that is only named in a `LazyCall` needs no code: its name is enough, and `translate` turns
the whole config into ours afterwards. What is called at once, such as `ShapeSpec`, has a function.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aligndetr.config import LazyCall, LazyConfig, instantiate
from aligndetr.errors import ConfigError

COMMON = Path(__file__).parent
PACKAGES = ("detectron2", "detrex", "projects")

# Foreign targets that take the arguments of ours, by the last part of their name.
RENAMED = {
    "RandomCrop": "aligndetr.data.augmentation.RandomCrop",
    "RandomFlip": "aligndetr.data.augmentation.RandomFlip",
    "Resize": "aligndetr.data.augmentation.Resize",
    "ResizeShortestEdge": "aligndetr.data.augmentation.ResizeShortestEdge",
    "WarmupParamScheduler": "aligndetr.engine.lr_schedule.WarmupParamScheduler",
}

_RESNET = "BasicStem ResNet"
_POSITIONS = "PositionEmbeddingLearned PositionEmbeddingSine"
_CRITERIONS = "AlignDETRCriterion ManyToOneCriterion"


def _model(name: str, transformer: str) -> str:
    return f"{name} {transformer} {transformer}Decoder {transformer}Encoder"


# Names that are only ever targets of lazy calls, by module.
TARGETS: dict[str, str] = {
    "aligndetr.criterions": _CRITERIONS,
    "aligndetr.matchers": "MixedMatcher",
    "detectron2.data": "DatasetMapper build_detection_test_loader build_detection_train_loader"
    " get_detection_dataset_dicts",
    "detectron2.data.transforms": "RandomCrop RandomFlip Resize ResizeShortestEdge",
    "detectron2.evaluation": "COCOEvaluator",
    "detectron2.modeling": f"{_RESNET} SwinTransformer",
    "detectron2.modeling.backbone": f"{_RESNET} SwinTransformer",
    "detectron2.modeling.backbone.resnet": _RESNET,
    "detectron2.solver": "WarmupParamScheduler get_default_optimizer_params",
    "detectron2.solver.build": "get_default_optimizer_params",
    "detectron2.solver.lr_scheduler": "WarmupParamScheduler",
    "detrex.data": "DetrDatasetMapper",
    "detrex.data.dataset_mappers": "DetrDatasetMapper",
    "detrex.layers": _POSITIONS,
    "detrex.layers.position_embedding": _POSITIONS,
    "detrex.modeling": "ChannelMapper HungarianMatcher SetCriterion",
    "detrex.modeling.backbone": f"{_RESNET} ConvNeXt make_stage",
    "detrex.modeling.backbone.torchvision_resnet": "TorchvisionResNet",
    "detrex.modeling.criterion": "SetCriterion",
    "detrex.modeling.criterion.criterion": "SetCriterion",
    "detrex.modeling.matcher": "HungarianMatcher",
    "detrex.modeling.neck": "ChannelMapper",
    "projects.align_dab_detr.modeling": _model("AlignDABDETR", "DabDetrTransformer"),
    "projects.align_detr.modeling": "AlignDETRCriterion MixedMatcher "
    + _model("AlignDETR", "Transformer"),
    "projects.aligndetr.modeling": _model("AlignDETR", "Transformer"),
    "projects.dab_deformable_detr.modeling": "TwoStageCriterion "
    + _model("DabDeformableDETR", "DabDeformableDetrTransformer"),
    "projects.dab_detr.modeling": _model("DABDETR", "DabDetrTransformer"),
    "projects.deformable_detr.modeling": "DeformableCriterion "
    + _model("DeformableDETR", "DeformableDetrTransformer"),
    "projects.detr.modeling": _model("DETR", "DetrTransformer"),
    "projects.h_deformable_detr.modeling": "DeformableCriterion "
    + _model("HDeformableDETR", "HDeformableDetrTransformer"),
    "projects.dino.modeling": "DINOCriterion " + _model("DINO", "DINOTransformer"),
}


class Name(str):
    """The dotted name of something that only its own package can build."""

    __slots__ = ()

    def __getattr__(self, attribute: str) -> Name:
        if attribute.startswith("__"):
            raise AttributeError(attribute)
        return Name(f"{self}.{attribute}")

    def __call__(self, *args: Any, **kwargs: Any) -> None:
        """Refuse: there is a name, and no code behind it."""
        raise ConfigError(
            f"{self} is not installed; a config may name it in LazyCall, but not call it"
        )


def shape_spec(
    channels: int | None = None,
    height: int | None = None,
    width: int | None = None,
    stride: int | None = None,
) -> dict[str, int | None]:
    """What `detectron2.layers.ShapeSpec` holds, as plain data."""
    return {"channels": channels, "height": height, "width": width, "stride": stride}


def get_config(name: str) -> Any:
    """One of the common configs of detrex, such as `common/data/coco_detr.py`.

    Raises:
        ConfigError: we have no counterpart of it.
    """
    path = COMMON / name
    if not path.is_file():
        known = sorted(p.relative_to(COMMON).as_posix() for p in COMMON.glob("common/**/*.py"))
        raise ConfigError(f"detrex config {name!r} has no counterpart here; there are {known}")
    return LazyConfig.load(path)


def _register(*args: Any, **kwargs: Any) -> None:
    from aligndetr.data.catalog import register_coco_instances

    name, _metadata, json_file, image_root = args
    register_coco_instances(name, json_file, image_root, **kwargs)


# Names that a config calls while it runs.
FUNCTIONS: dict[str, dict[str, Callable]] = {
    "detectron2.config": {
        "LazyCall": LazyCall,
        "LazyConfig": LazyConfig,
        "instantiate": instantiate,
    },
    "detectron2.data.datasets": {"register_coco_instances": _register},
    "detectron2.layers": {"ShapeSpec": shape_spec},
    "detectron2.model_zoo": {"get_config": get_config},
    "detectron2.modeling": {"ShapeSpec": shape_spec},
    "detrex.config": {"get_config": get_config},
}


class ForeignModule:
    """Stands in for a module that is not installed; unknown names are errors that say so."""

    def __init__(self, name: str) -> None:
        self.__name__ = name

    def __getattr__(self, attribute: str) -> Any:
        if attribute.startswith("__"):
            raise AttributeError(attribute)
        full = f"{self.__name__}.{attribute}"
        if attribute in FUNCTIONS.get(self.__name__, ()):
            return FUNCTIONS[self.__name__][attribute]
        if attribute in TARGETS.get(self.__name__, "").split():
            return Name(full)
        if is_known_module(full):
            return ForeignModule(full)
        if not self.__name__.startswith(PACKAGES):  # a module of ours with names added to it
            return getattr(importlib.import_module(self.__name__), attribute)
        raise unknown(full)


def unknown(name: str) -> ConfigError:
    """The error about a name that nothing here corresponds to."""
    package = name.partition(".")[0]
    return ConfigError(
        f"{name} has no counterpart in aligndetr; install {package}, or replace it in the config "
        "(docs/parity.md lists what is understood)"
    )


def renamed(value: Any) -> Any:
    """The same with foreign targets replaced by ours, which take the same arguments.

    Raises:
        ConfigError: a target has no such counterpart.
    """
    if isinstance(value, dict):
        return {
            key: _renamed_target(item) if key == "_target_" and is_foreign(item) else renamed(item)
            for key, item in value.items()
        }
    return [renamed(item) for item in value] if isinstance(value, (list, tuple)) else value


def _renamed_target(target: str) -> str:
    name = target.rpartition(".")[2]
    if name not in RENAMED:
        raise unknown(target)
    return RENAMED[name]


def is_known_module(name: str) -> bool:
    """Whether some known name is in this module or below it."""
    return any(f"{module}.".startswith(f"{name}.") for module in (*TARGETS, *FUNCTIONS))


def is_installed(name: str) -> bool:
    """Whether the package that a dotted name starts with is installed (folders do not count)."""
    package = name.partition(".")[0]
    if package not in PACKAGES:
        return False
    spec = importlib.util.find_spec(package)
    return spec is not None and spec.origin is not None


def is_foreign(target: object) -> bool:
    """Whether a `_target_` names something that only a package which is not installed has."""
    if not isinstance(target, str):
        return False
    module, _, name = target.rpartition(".")
    if module in ("aligndetr.criterions", "aligndetr.matchers"):
        return name in _CRITERIONS.split()
    return target.partition(".")[0] in PACKAGES and not is_installed(target)
