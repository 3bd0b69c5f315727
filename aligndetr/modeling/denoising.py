"""Contrastive denoising: noised ground truth as extra queries in training."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from aligndetr.layers.boxes import cxcywh_to_xyxy, inverse_sigmoid, xyxy_to_cxcywh
from aligndetr.modeling.heads import check_num_classes
from aligndetr.structures import Targets


@dataclass
class NoiseDraws:
    """All randomness of one call, for N noised objects.

    Attributes:
        label_chance: (N,) uniform in [0, 1); below half the noise ratio, the label is replaced.
        new_labels: (N,) int64 in [0, K), the replacements.
        signs: (N, 4) 0 or 1, the direction of each corner's shift (left, top, right, bottom).
        magnitudes: (N, 4) uniform in [0, 1), its size.
    """

    label_chance: Tensor
    new_labels: Tensor
    signs: Tensor
    magnitudes: Tensor

    @staticmethod
    def draw(labels: Tensor, boxes: Tensor, num_classes: int) -> NoiseDraws:
        """Draw for labels (N,) and boxes (N, 4) from torch's default generator."""
        return NoiseDraws(
            label_chance=torch.rand_like(labels, dtype=torch.float32),
            new_labels=torch.randint_like(labels, 0, num_classes),
            signs=torch.randint_like(boxes, 0, 2),
            magnitudes=torch.rand_like(boxes),
        )


@dataclass
class DenoisingQueries:
    """Noised objects in G groups, each padded to the largest image's number of objects M.

    Slot order: group by group, in each M positives, then M negatives; D = 2 M G. D = 0 is a
    normal case.

    Attributes:
        content: (B, D, C), zero in unused slots.
        anchors: (B, D, 4) logits, zero in unused slots.
        num_groups: G, at least 1.
        slots_per_group: 2 M.
    """

    content: Tensor
    anchors: Tensor
    num_groups: int
    slots_per_group: int

    def blocked(self, num_queries: int) -> Tensor | None:
        """Self-attention mask (D + Q, D + Q), True = must not see; None when D = 0.

        Matching queries must not see denoising ones, nor one group another; denoising queries do
        see matching ones.
        """
        total = self.num_groups * self.slots_per_group
        if total == 0:
            return None
        device = self.content.device
        group = torch.full((total + num_queries,), -1, device=device)
        group[:total] = torch.arange(total, device=device) // self.slots_per_group
        return (group[:, None] != group) & (group >= 0)


class ContrastiveDenoiser(nn.Module):
    """Builds denoising queries (DN-DETR; contrastive form: DINO, section 3.2).

    A positive's corners move by up to half its width or height, a negative's by half to a whole;
    positives must return to their object, negatives must say "nothing".

    Args:
        num_classes: K.
        embed_dim: C.
        num_queries: positives (and negatives) to spend on the most crowded image; the number of
            groups is this divided by that image's object count, at least 1.
        label_noise_ratio: twice the share of labels replaced by random ones.
        box_noise_scale: multiplies all shifts.
        inverse_sigmoid_eps: see `inverse_sigmoid`.

    Raises:
        ConfigError: `num_classes` is None.
    """

    def __init__(
        self,
        num_classes: int,
        embed_dim: int,
        num_queries: int = 100,
        label_noise_ratio: float = 0.5,
        box_noise_scale: float = 1.0,
        inverse_sigmoid_eps: float = 1e-3,
    ) -> None:
        super().__init__()
        check_num_classes(num_classes)
        self.label_embedding = nn.Embedding(num_classes, embed_dim)
        self.num_queries = num_queries
        self.label_noise_ratio = label_noise_ratio
        self.box_noise_scale = box_noise_scale
        self.inverse_sigmoid_eps = inverse_sigmoid_eps

    def forward(self, targets: Targets, draws: NoiseDraws | None = None) -> DenoisingQueries:
        """Noise the targets of a batch.

        Args:
            targets: ground truth of B images.
            draws: for the N = 2 G sum(G_i) noised objects, in this order: copy by copy (positives
                of group 1, negatives of group 1, positives of group 2, ...), in each all objects
                of the batch, image by image. Drawn when None.
        """
        largest = max(targets.sizes, default=0)
        num_groups = max(1, self.num_queries // largest) if largest else 1
        copies = 2 * num_groups
        labels = targets.all_labels.repeat(copies)
        boxes = targets.all_boxes.repeat(copies, 1)
        negative = _is_negative(copies, targets.num_boxes, boxes)
        if draws is None:
            draws = NoiseDraws.draw(labels, boxes, self.label_embedding.num_embeddings)
        content = self.label_embedding(self._noise_labels(labels, draws))
        anchors = inverse_sigmoid(
            self._noise_boxes(boxes, negative, draws), self.inverse_sigmoid_eps
        )
        image, slot = _slots(targets.sizes, copies, largest, boxes.device)
        shape = (len(targets.sizes), copies * largest)
        return DenoisingQueries(
            content=_scatter(content, image, slot, shape),
            anchors=_scatter(anchors, image, slot, shape),
            num_groups=num_groups,
            slots_per_group=2 * largest,
        )

    def _noise_labels(self, labels: Tensor, draws: NoiseDraws) -> Tensor:
        replace = draws.label_chance < 0.5 * self.label_noise_ratio
        return torch.where(replace, draws.new_labels, labels)

    def _noise_boxes(self, boxes: Tensor, negative: Tensor, draws: NoiseDraws) -> Tensor:
        """Shift corners; a box may come out with negative width or height, as published."""
        shift = (draws.magnitudes + negative) * (2 * draws.signs - 1)
        half_size = 0.5 * boxes[:, 2:].repeat(1, 2)
        corners = cxcywh_to_xyxy(boxes) + shift * half_size * self.box_noise_scale
        return xyxy_to_cxcywh(corners.clamp(0, 1))


def _is_negative(copies: int, num_boxes: int, like: Tensor) -> Tensor:
    """(N, 1) of `like`'s dtype: 1 in every second copy, the negatives; 0 in the others."""
    odd = torch.arange(copies, device=like.device) % 2
    return odd.repeat_interleave(num_boxes).unsqueeze(1).to(like.dtype)


def _slots(
    sizes: list[int], copies: int, largest: int, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Image and slot of every noised object, in the order of the draws: two (N,) int64."""
    image = torch.cat([torch.full((n,), i) for i, n in enumerate(sizes)]).repeat(copies)
    within = torch.cat([torch.arange(n) for n in sizes])
    slot = (torch.arange(copies)[:, None] * largest + within).flatten()
    return image.to(device), slot.to(device)


def _scatter(values: Tensor, image: Tensor, slot: Tensor, shape: tuple[int, int]) -> Tensor:
    """Put (N, F) values into zeros (B, D, F)."""
    out = values.new_zeros(*shape, values.shape[-1])
    return out.index_put((image, slot), values)
