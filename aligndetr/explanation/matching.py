"""How stable matching is: from one decoder layer to the next, and while a model learns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from aligndetr.errors import UserError
from aligndetr.evaluation.inference import evaluation_mode

Batch = Sequence[dict[str, Any]]


@dataclass
class Matching:
    """Which queries answer for which of N objects, in each of I layers.

    Attributes:
        objects: (N, 2) int64, each object's image id and its place in that image; ascending.
        layers: I names, "proposals" (where they are matched with the same queries), "layer 1", ...
        pairs: I arrays (M, 2) int64 of an object, as its row in `objects`, and a query.
    """

    objects: np.ndarray
    layers: list[str]
    pairs: list[np.ndarray]

    def layer_changes(self) -> dict[str, float]:
        """Percent of the objects whose query is not that of the layer before, by layer.

        See `changes` for objects with several queries.
        """
        pairs = zip(self.pairs, self.pairs[1:], strict=False)
        shares = [_percent(changes(*both, len(self.objects))) for both in pairs]
        return dict(zip(self.layers[1:], shares, strict=True))

    def changes_since(self, earlier: Matching) -> float:
        """Percent of the objects whose query in the last layer was another one earlier.

        Args:
            earlier: of another state of the model.

        Returns:
            NaN if there are no objects, or other ones.
        """
        if not self.pairs or not np.array_equal(self.objects, earlier.objects):
            return float("nan")
        return _percent(changes(earlier.pairs[-1], self.pairs[-1], len(self.objects)))

    @staticmethod
    def cat(parts: Sequence[Matching]) -> Matching:
        """The objects of all parts; of an image that is in several, those of each."""
        parts = [part for part in parts if part.pairs]
        if not parts:
            return Matching(np.zeros((0, 2), np.int64), [], [])
        objects = np.concatenate([part.objects for part in parts])
        order = np.lexsort(objects.T[::-1])
        row = np.empty(len(order), np.int64)
        row[order] = np.arange(len(order))
        starts = np.cumsum([0, *(len(part.objects) for part in parts)])
        pairs = []
        for layer in range(len(parts[0].layers)):
            moved = [p.pairs[layer] + [start, 0] for p, start in zip(parts, starts, strict=False)]
            found = np.concatenate(moved)
            pairs.append(np.stack([row[found[:, 0]], found[:, 1]], axis=1))
        return Matching(objects[order], parts[0].layers, pairs)


def changes(first: np.ndarray, second: np.ndarray, num_objects: int) -> np.ndarray:
    """How much of each object's matching differs between two layers, or two states of a model.

    With one query an object: 1 where it is another one, else 0, whose mean is the instability of
    DN-DETR (Li et al., CVPR 2022, section 3.2). With sets of queries A and B: 1 - |A and B| /
    min(|A|, |B|), so that a layer with fewer queries an object does not differ by that alone.

    Args:
        first, second: (M, 2) objects and queries; no pair occurs twice.
        num_objects: N.

    Returns:
        (N,) from 0 to 1; NaN where an object has no query in either, 1 where it has in one.
    """
    queries = 1 + max(
        (int(pairs[:, 1].max()) for pairs in (first, second) if len(pairs)), default=0
    )
    codes = [pairs[:, 0] * queries + pairs[:, 1] for pairs in (first, second)]
    both = np.intersect1d(*codes, assume_unique=True) // queries
    counts = [np.bincount(pairs[:, 0], minlength=num_objects) for pairs in (first, second)]
    fewer, more = np.minimum(*counts), np.maximum(*counts)
    kept = np.bincount(both, minlength=num_objects) / np.maximum(fewer, 1)
    return np.where(more > 0, 1 - kept, np.nan)


@torch.no_grad()
def match_objects(model: nn.Module, batches: Iterable[Batch]) -> Matching:
    """Match every layer of a model with the objects of some images, as its criterion does.

    The model is in evaluation mode, without denoising queries, which do not influence the others.
    A query is known by its index. Where queries are the best proposals (DINO, RT-DETR,
    AlignDETR), index i is the i-th best one: between two states of such a model, a changed order
    of the proposals counts as a change, too.

    Args:
        model: a `Detector`; it is not changed.
        batches: with `image_id` and `instances` (`gt_boxes`, `gt_classes`).

    Raises:
        UserError: the model does not match queries with objects.
    """
    check_matches(model)
    with evaluation_mode(model):
        return Matching.cat([_match(model, batch) for batch in batches])


def check_matches(model: nn.Module) -> None:
    """See that a model can be matched with objects.

    Raises:
        UserError: it matches no queries with objects.
    """
    if not hasattr(getattr(model, "criterion", None), "comparisons"):
        kind = type(getattr(model, "criterion", model)).__name__
        raise UserError(f"a {kind} matches no queries with objects: its matching has no stability")


def first_images(batches: Iterable[Batch], count: int) -> Iterator[Batch]:
    """Batches, until they had so many images."""
    for batch in batches if count > 0 else ():
        yield batch
        count -= len(batch)
        if count <= 0:
            return


def _match(model: Any, batch: Batch) -> Matching:
    targets = model.targets(batch)
    if not targets.num_boxes:
        return Matching.cat([])
    output = model.detect(model.preprocess(batch))
    compared = model.criterion.comparisons(output.predictions, targets, output.proposals)
    decoder = next(part for part in compared if "" in part.suffixes)  # proposals may be apart
    found = decoder.assignment
    layer, target, query = torch.stack([found.layer, found.target, found.query]).cpu().numpy()
    pairs = [np.stack([target, query], axis=1)[layer == i] for i in range(len(decoder.suffixes))]
    first = 0 if decoder.suffixes[0] == "_enc" else 1
    layers = [f"layer {i}" if i else "proposals" for i in range(first, first + len(pairs))]
    sizes = zip(batch, targets.sizes, strict=True)
    objects = [(item["image_id"], place) for item, size in sizes for place in range(size)]
    return Matching(np.array(objects, np.int64), layers, pairs)


def _percent(shares: np.ndarray) -> float:
    known = shares[~np.isnan(shares)]
    return 100 * float(known.mean()) if len(known) else float("nan")
