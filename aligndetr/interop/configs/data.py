"""The section `dataloader`."""

from __future__ import annotations

from omegaconf import DictConfig

from aligndetr.config import get_config
from aligndetr.errors import ConfigError
from aligndetr.interop.configs.names import renamed
from aligndetr.interop.configs.section import Section


def translate_data(source: Section) -> DictConfig:
    """Loaders and evaluator: datasets, augmentation, batch size, workers."""
    data = get_config("common/data/coco_detr.py").dataloader
    train, test, evaluator = (source.section(key) for key in ("train", "test", "evaluator"))
    if train.values:
        _loader(train, data.train, filter_empty=True)
        data.train.total_batch_size = train.take("total_batch_size")
        data.train.aspect_ratio_grouping = train.take("aspect_ratio_grouping", True)
        train.finish()
    else:
        del data["train"]
    _loader(test, data.test, filter_empty=True)
    data.test.batch_size = test.take("batch_size", 1)
    test.finish()
    _evaluator(evaluator, data)
    source.finish()
    return data


def _loader(source: Section, loader: DictConfig, filter_empty: bool) -> None:
    dataset = source.section("dataset")
    loader.dataset.names = dataset.take("names")
    loader.dataset.filter_empty = dataset.take("filter_empty", filter_empty)
    dataset.finish()
    loader.num_workers = source.take("num_workers", 0)
    _mapper(source.section("mapper"), loader.mapper)


def _mapper(source: Section, mapper: DictConfig) -> None:
    steps = source.take("augmentation", None) or source.take("augmentations", [])
    mapper.augmentation = renamed(steps)
    with_crop = source.take("augmentation_with_crop", None)
    mapper.augmentation_with_crop = with_crop and renamed(with_crop)
    mapper.is_train = source.take("is_train", True)
    mapper.image_format = source.take("img_format", None) or source.take("image_format", "RGB")
    source.drop("mask_on", "boxes only")
    source.finish()


def _evaluator(source: Section, data: DictConfig) -> None:
    name = source.take("dataset_name", None)
    if name not in (None, data.test.dataset.names):
        raise ConfigError(
            f"{source.path}.dataset_name is {name!r}, the test set is "
            f"{data.test.dataset.names!r}; evaluation uses the test set"
        )
    source.drop("output_dir", "predictions are written into train.output_dir")
    source.finish()
