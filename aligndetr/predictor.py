"""A trained model applied to pictures, in three lines of Python."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from omegaconf import DictConfig

from aligndetr.analysis.calibrator import Calibrator
from aligndetr.config import LazyConfig, instantiate
from aligndetr.config.find_file import resolve_config
from aligndetr.config.nodes import to_node
from aligndetr.data.augmentation import apply_augmentations
from aligndetr.engine.augmented_detector import ONE_LOOK, Looks, augmented
from aligndetr.engine.model import load_model
from aligndetr.engine.operating_point import OperatingPoint
from aligndetr.engine.precision import Precision
from aligndetr.engine.predicted_instances import PredictedInstances, detections_of, instances_of
from aligndetr.engine.stored_config import stored_config
from aligndetr.errors import CheckpointError, DataError, UserError, some
from aligndetr.interop.download import fetch
from aligndetr.prediction.affordable import affordable_pixels
from aligndetr.prediction.choice import DEFAULT_THRESHOLD, Choice, class_indices
from aligndetr.prediction.detections import Detections
from aligndetr.prediction.picture import upright_rgb
from aligndetr.prediction.pipeline import Pipeline, raise_on
from aligndetr.prediction.result import Prediction
from aligndetr.prediction.sources import Sources, is_one_image
from aligndetr.prediction.tiles import TiledDetector, Tiles
from aligndetr.structures import Instances

__all__ = ["PredictedInstances", "Predictor", "upright_rgb"]

PRECISIONS = {"fp32": None, "bf16": "bfloat16", "fp16": "float16"}


class Predictor:
    """Finds objects in images of any size: `Predictor(None, "model.pth")("image.jpg")`.

    Images are prepared as the config prepares them for evaluation
    (`dataloader.test.mapper`). The class names and their number come from the checkpoint, or, when
    it does not say, from the config's test dataset.

    Args:
        config: a name of a packaged config, a path, or a loaded DictConfig; None takes the one that
            the checkpoint holds.
        checkpoint: a file of a training here, of another toolbox, or a URL; see `load_model`.
        device: for example "cpu" or "cuda:1"; None follows `train.device` of the config.
        weights: "ema" or "model"; None follows `train.best.weights`, and that is by default the
            moving average if there is one.
        trust_config: let a .yaml config, which may be anybody's, call whatever it names.
        calibrated: let `confident` replace scores by the IoU that they let expect, by what
            `aligndetr analyze --calibrator` stored in the checkpoint.
        precision: "fp32", "bf16", or, on a GPU, "fp16".
        looks: test-time augmentation.

    Attributes:
        model: the detector, in evaluation mode.
        class_names: names by class index; None when neither checkpoint nor dataset say.
        operating_point: thresholds and calibrator that `aligndetr analyze` stored in the
            checkpoint, or None.

    Raises:
        ConfigError: the config is missing or broken.
        CheckpointError: the weights are missing, broken, or of another architecture; or there is
            no calibrator.
        UserError: the device cannot compute in this precision.
    """

    def __init__(
        self,
        config: str | os.PathLike | Mapping | None,
        checkpoint: str | os.PathLike,
        device: str | None = None,
        weights: str | None = None,
        trust_config: bool = False,
        calibrated: bool = False,
        precision: str = "fp32",
        looks: Looks = ONE_LOOK,
    ) -> None:
        node = _loaded(config, checkpoint, trust_config)
        model: Any = load_model(node, checkpoint, weights=weights, device=device)
        self.num_classes: int = model.num_classes
        self.class_names: Sequence[str] | None = model.class_names
        self.operating_point: OperatingPoint | None = model.operating_point
        self._device = next(model.parameters()).device
        self._precision = _precision(precision, self._device)
        count = len(self.operating_point.thresholds) if self.operating_point else None
        if count not in (None, self.num_classes):
            raise CheckpointError(
                f"{checkpoint} has thresholds of {count} classes, but the model has "
                f"{self.num_classes}; fit them again by `aligndetr analyze`"
            )
        self._calibrator = self._read_calibrator(checkpoint) if calibrated else None
        self._mapper = instantiate(node.dataloader.test.mapper)
        self.model = augmented(model, looks)

    def __call__(self, image: Any) -> PredictedInstances | list[PredictedInstances]:
        """Detect; all that the model says, however unsure it is, see `confident`.

        Args:
            image: a file or URL, a Pillow image (EXIF rotation is applied), or an array of uint8:
                (H, W, 3) RGB, (H, W) grey, (H, W, 4) RGBA, whose alpha is ignored. Of more than
                one, a list, a folder, a pattern, a video, (B, H, W, 3), comes a list; `stream`
                gives the same one by one.

        Returns:
            `pred_boxes` (xyxy pixels of the given image, upright), `scores`, `pred_classes`, on
            the CPU, best score first.

        Raises:
            DataError: the file is missing or broken.
            PixelsError: the array is no image; also a ValueError.
        """
        everything = Pipeline(self.detect, lambda found: found, 1, self.class_names)
        results = [
            PredictedInstances(
                instances_of(each.found), each.picture, self.class_names, self._thresholds
            )
            for each in everything(Sources(image, fetch=fetch))
        ]
        return results[0] if is_one_image(image) else results

    def stream(
        self,
        inputs: Any,
        stride: int = 1,
        failed: Callable[[str, DataError], None] = raise_on,
        **options: Any,
    ) -> Iterator[Prediction]:
        """Detections that count, picture by picture, in constant memory.

        Args:
            inputs: see `Sources`.
            stride: of videos, each so many-th frame.
            failed: called with a name and an error when something cannot be read.
            options: see `pipeline`.

        Raises:
            UserError: there is no such input, or what `failed` raises.
        """
        most = affordable_pixels() if options.get("tiles") else None
        sources = Sources(inputs, stride=stride, most_pixels=most, fetch=fetch)
        return self.pipeline(**options)(sources, failed)

    def pipeline(
        self,
        batch_size: int = 1,
        threshold: float | None = None,
        classes: Sequence[str | int] | None = None,
        tiles: Tiles | None = None,
        suppress: Callable[[Detections], Detections] | None = None,
    ) -> Pipeline:
        """What turns sources into predictions.

        Args:
            batch_size: pictures of equal shape at once; with `tiles`, tiles.
            threshold: see `confident`.
            classes: those that count, by name or index; None: all.
            tiles: cut images into these; None looks at them as a whole.
            suppress: `Suppression` or `SoftSuppression`; None, as the model is trained for it.

        Raises:
            UserError: a class does not exist, or the batch size is none.
        """
        chosen = None
        if classes is not None:
            chosen = tuple(class_indices(classes, self.class_names, self.num_classes))
        thresholds = self._thresholds if threshold is None else threshold
        choose = Choice(thresholds, chosen, self._calibrator, suppress)
        if tiles is None:
            return Pipeline(self.detect, choose, batch_size, self.class_names)
        tiled = TiledDetector(self.detect, tiles, batch_size, choose.lowest)
        return Pipeline(tiled, choose, 1, self.class_names)  # large pictures do not wait for others

    @torch.inference_mode()
    def detect(self, images: Sequence[np.ndarray]) -> list[Detections]:
        """All that the model says of (H, W, 3) uint8 RGB arrays of equal shape, as one batch."""
        with self._precision.autocast():
            outputs = self.model([self._item(image) for image in images])
        return [detections_of(output["instances"]) for output in outputs]

    def confident(self, found: Instances, threshold: float | None = None) -> Instances:
        """Those of the detections that count.

        Args:
            found: what a call returned.
            threshold: lowest score that counts; None takes that of each class from the
                operating point, and 0.5 where there is none.

        Returns:
            With calibrated scores if the predictor has been asked for them.
        """
        choice = Choice(self._thresholds if threshold is None else threshold)
        scores, classes = found.scores.numpy(), found.pred_classes.numpy()
        found = found[torch.from_numpy(choice.mask(scores, classes))]
        if self._calibrator is not None:
            scores = self._calibrator(found.scores.numpy(), found.pred_classes.numpy())
            found.scores = torch.from_numpy(scores).to(found.scores)
        return found.all_shown() if isinstance(found, PredictedInstances) else found

    @property
    def _thresholds(self) -> float | tuple[float, ...]:
        """Lowest scores that count, unless somebody says others."""
        return (
            DEFAULT_THRESHOLD if self.operating_point is None else self.operating_point.thresholds
        )

    def _item(self, image: np.ndarray) -> dict[str, Any]:
        pixels = image[:, :, ::-1] if self._mapper.image_format == "BGR" else image
        rng = np.random.default_rng(0)
        resized, _ = apply_augmentations(self._mapper.augmentation, pixels, rng)
        tensor = torch.from_numpy(np.ascontiguousarray(resized.transpose(2, 0, 1)))
        return {"image": tensor, "height": image.shape[0], "width": image.shape[1]}

    def _read_calibrator(self, checkpoint: str | os.PathLike) -> Calibrator:
        stored = self.operating_point.calibrator if self.operating_point else None
        if not stored:
            raise CheckpointError(
                f"{checkpoint} holds no calibrator; `aligndetr analyze --calibrator` writes one"
            )
        return Calibrator.from_plain(stored)

    def __repr__(self) -> str:
        size = sum(parameter.numel() for parameter in self.model.parameters()) / 1e6
        classes = some(self.class_names) if self.class_names else "without names"
        of = f"{size:.1f} M parameters, {self.num_classes} classes ({classes})"
        return f"Predictor({of}, on {self._device})"


def _loaded(
    config: str | os.PathLike | Mapping | None, checkpoint: str | os.PathLike, trust_config: bool
) -> DictConfig:
    if config is None:
        return stored_config(checkpoint, trust_config)
    if isinstance(config, Mapping):
        return to_node(config)
    path = resolve_config(os.fspath(config))
    return LazyConfig.load(path, trust_config=trust_config)


def _precision(name: str, device: torch.device) -> Precision:
    if name not in PRECISIONS:
        raise UserError(f"no precision {name!r}; there are {', '.join(PRECISIONS)}")
    if name == "fp16" and device.type != "cuda":
        raise UserError(f"fp16 needs a GPU, and the device is {device.type}; bf16 works there too")
    return Precision(device, PRECISIONS[name])
