"""The detector: one class for the whole family, its variants are its parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
import torch.distributed as dist
from torch import Tensor, nn

from aligndetr.criterions import DenoisedPredictions, check_no_object
from aligndetr.layers.boxes import xyxy_to_cxcywh
from aligndetr.modeling.heads import check_num_classes
from aligndetr.structures import ImageBatch, Predictions, Targets


@dataclass
class DetectorOutput:
    """All that is predicted for a batch.

    Attributes:
        predictions: of the matching queries, layer by layer.
        proposals: of the encoder; None where queries do not come from it.
        denoised: of the denoising queries; None without targets or denoiser.
    """

    predictions: Predictions
    proposals: Predictions | None = None
    denoised: DenoisedPredictions | None = None


class Detector(nn.Module):
    """Images in; losses (training) or objects (evaluation) out.

    Args:
        backbone: (B, 3, H, W) -> feature maps by name.
        neck: feature maps by name -> L maps (B, C, H_l, W_l), finest first.
        pyramid: see `PyramidBuilder`.
        encoder: see `Encoder`.
        query_source: see `TwoStageQueries`.
        denoiser: see `ContrastiveDenoiser`; None trains without denoising.
        decoder: see `Decoder`.
        criterion: see `SetCriterion`.
        postprocess: see `TopKPostprocess`.
        num_classes: K; stated here so that a config names it once.
        num_queries: Q, likewise.
        embed_dim: C, likewise.
        pixel_mean, pixel_std: of the input's three channels, 0 to 255, in the order of the
            mapper's image format.

    Raises:
        ConfigError: `num_classes` is None, or parts disagree on whether the last class logit stands
            for "no object".
    """

    pixel_mean: Tensor
    pixel_std: Tensor

    def __init__(
        self,
        backbone: nn.Module,
        neck: nn.Module,
        pyramid: nn.Module,
        encoder: nn.Module,
        query_source: nn.Module,
        decoder: nn.Module,
        criterion: nn.Module,
        postprocess,
        num_classes: int,
        num_queries: int,
        embed_dim: int,
        denoiser: nn.Module | None = None,
        pixel_mean: Sequence[float] = (123.675, 116.28, 103.53),
        pixel_std: Sequence[float] = (58.395, 57.12, 57.375),
    ) -> None:
        super().__init__()
        check_num_classes(num_classes)
        self.backbone = backbone
        self.neck = neck
        self.pyramid = pyramid
        self.encoder = encoder
        self.query_source = query_source
        self.denoiser = denoiser
        self.decoder = decoder
        self.criterion = criterion
        self.postprocess = postprocess
        self.num_classes = num_classes
        self.num_queries = num_queries
        self.embed_dim = embed_dim
        self.class_names: list[str] | None = None
        self.pixel_format = convolution_format(backbone)
        self.register_buffer("pixel_mean", torch.tensor(pixel_mean).view(3, 1, 1), persistent=False)
        self.register_buffer("pixel_std", torch.tensor(pixel_std).view(3, 1, 1), persistent=False)
        check_no_object(self._class_parts())

    def _class_parts(self) -> dict[str, object]:
        """Heads, and what reads their logits, by name."""
        parts = {f"model.{name}": module for name, module in self.named_modules()}
        for name, part in getattr(self.criterion, "class_parts", {}).items():
            parts[f"model.criterion.{name}"] = part
        return parts | {"model.postprocess": self.postprocess}

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return self.pixel_mean.device

    def forward(
        self, batched_inputs: list[dict], num_boxes: Tensor | float | None = None
    ) -> dict[str, Tensor] | list[dict]:
        """Train or detect.

        Args:
            batched_inputs: a dict an image, in detectron2's format: `image` (3, h, w), 0 to 255;
                `height`, `width` of the image that detections should refer to (default: h, w);
                in training `instances` with `gt_boxes` (xyxy pixels of `image`) and `gt_classes`.
            num_boxes: what losses are divided by; None counts the objects of this batch on all
                processes. A trainer that accumulates gradients gives the count of the whole batch.

        Returns:
            In training weighted scalar losses by name, whose sum is the objective; in evaluation
            a dict an image with `instances`: `pred_boxes`, `scores`, `pred_classes`.

        Raises:
            ValueError: an image is not (3, h, w) or a class is not below `num_classes`.
        """
        images = self.preprocess(batched_inputs)
        if not self.training:
            predictions = self.detect(images).predictions
            sizes = [
                (item.get("height", h), item.get("width", w))
                for item, (h, w) in zip(batched_inputs, images.sizes or (), strict=True)
            ]
            results = self.postprocess(predictions.logits[-1], predictions.boxes[-1], sizes)
            return [{"instances": instances} for instances in results]
        targets = self.targets(batched_inputs)
        if num_boxes is None:
            num_boxes = count_boxes(targets.num_boxes, self.device)
        output = self.detect(images, targets)
        return self.criterion(
            output.predictions, targets, num_boxes, output.proposals, output.denoised
        )

    def preprocess(self, batched_inputs: list[dict]) -> ImageBatch:
        """Normalise images and pad them to a common size, after which padding is zero."""
        images = [item["image"].to(self.device, non_blocking=True) for item in batched_inputs]
        batch = ImageBatch.from_images(images)
        pixels = (batch.pixels - self.pixel_mean) / self.pixel_std
        if batch.is_padded:
            pixels = pixels.masked_fill_(batch.padding.unsqueeze(1), 0.0)
        return replace(batch, pixels=pixels)

    def targets(self, batched_inputs: list[dict]) -> Targets:
        """Ground truth in the model's coordinates; works with any object that looks like ours."""
        objects = [item["instances"] for item in batched_inputs]
        labels = torch.cat([instances.gt_classes for instances in objects])
        self._check_labels(labels)
        sizes = [len(instances.gt_classes) for instances in objects]
        scales = torch.tensor([[w, h, w, h] for h, w in (each.image_size for each in objects)])
        scales = scales.repeat_interleave(torch.tensor(sizes), dim=0)
        boxes = torch.cat([instances.gt_boxes.tensor for instances in objects])
        boxes, scales = (x.to(self.pixel_mean, non_blocking=True) for x in (boxes, scales))
        boxes = xyxy_to_cxcywh(boxes / scales)
        labels = labels.to(self.device, non_blocking=True)
        return Targets(list(labels.split(sizes)), list(boxes.split(sizes)))

    def _check_labels(self, labels: Tensor) -> None:
        """On the host only: elsewhere asking would wait for the device."""
        if labels.device.type == "cpu" and len(labels) and int(labels.max()) >= self.num_classes:
            raise ValueError(
                f"an object has class {int(labels.max())}, but model.num_classes is "
                f"{self.num_classes}; classes count from 0"
            )

    def detect(self, images: ImageBatch, targets: Targets | None = None) -> DetectorOutput:
        """Everything between pixels and losses.

        Args:
            images: normalised and padded.
            targets: with them, and a denoiser, denoising queries run along.
        """
        pixels = images.pixels.contiguous(memory_format=self.pixel_format)
        levels = self.neck(self.backbone(pixels))
        pyramid = self.pyramid(levels, images.padding, images.is_padded)
        memory = self.encoder(pyramid)
        queries = self.query_source(memory, pyramid)
        if self.denoiser is None or targets is None:
            predictions = self.decoder(queries, memory, pyramid, queries.blocked)
            return DetectorOutput(predictions, queries.proposals)
        noised = self.denoiser(targets)
        blocked = noised.blocked(queries.content.shape[1])
        queries = queries.after(noised.content, noised.anchors, blocked)
        predictions = self.decoder(queries, memory, pyramid, queries.blocked)
        denoised, matching = predictions.split(noised.content.shape[1])
        groups = DenoisedPredictions(denoised, noised.num_groups, noised.slots_per_group)
        return DetectorOutput(matching, queries.proposals, groups)


def convolution_format(backbone: nn.Module) -> torch.memory_format:
    """The memory format in which a backbone's convolutions are fast, and safe."""
    # PyTorch 2.13 writes past its memory on the CPU in strided 1x1 convolutions of fewer than 16
    # channels where channels come last: a training with `width=8` then crashes somewhere later.
    thin = any(
        module.kernel_size == (1, 1) and module.stride != (1, 1) and module.in_channels < 16
        for module in backbone.modules()
        if isinstance(module, nn.Conv2d)
    )
    return torch.contiguous_format if thin else torch.channels_last


def count_boxes(local: int, device: torch.device) -> Tensor:
    """What to divide losses by: objects of all processes, at least 1, per process.

    Every process averages gradients over the others, hence the division by their number.
    """
    total = torch.tensor(float(local), device=device)
    if not (dist.is_available() and dist.is_initialized()):
        return total.clamp(min=1)
    dist.all_reduce(total)
    return total.clamp(min=1) / dist.get_world_size()
