"""Pictures of what a model learns, for the writers that can show them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from aligndetr.data.loader import TestLoader
from aligndetr.distributed import on_main
from aligndetr.engine.hooks.base import Hook, is_due
from aligndetr.engine.random_state import undisturbed
from aligndetr.explanation.matching import first_images


class Pictures(Hook):
    """Records pictures of the same few images at every n-th evaluation and at the end.

    `predictions/<image id>` has what is there and what is found beside each other, and
    `matches/<image id>` the queries that each decoder layer matches with the objects, where the
    model's criterion matches any. The main process draws.

    Args:
        period: steps between evaluations; 0: only one at the end.
        every: evaluations from one drawing to the next.
        model: a detector, whose detections are drawn.
        loader: an evaluation loader with `instances` in its items, and its `dataset`.
        num_images: the first ones of the loader.
        threshold: detections with a lower score are left out.
    """

    def __init__(
        self,
        period: int,
        every: int,
        model: Any,
        loader: TestLoader,
        num_images: int = 4,
        threshold: float = 0.4,
    ) -> None:
        self.period = period * every
        self.model = model
        self.loader = loader
        self.num_images = num_images
        self.threshold = threshold
        self._examples: list[tuple[dict, dict, np.ndarray]] = []

    def after_step(self) -> None:
        """Draw when it is time."""
        last = self.trainer.iter + 1 >= self.trainer.max_iter
        if last or is_due(self.trainer.iter, self.period):
            with undisturbed():
                on_main(self._draw)

    @torch.no_grad()
    def _draw(self) -> None:
        from aligndetr.evaluation.inference import evaluation_mode
        from aligndetr.visualization.predictions import truth_beside

        names = self.loader.dataset.class_names
        put = self.trainer.storage.put_picture
        with evaluation_mode(self.model):
            for record, item, pixels in self._fixed():
                found = self.model([item])[0]["instances"].to("cpu")
                sheet = truth_beside(record, found, names, self.threshold)
                put(f"predictions/{record['image_id']}", np.asarray(sheet))
                if hasattr(getattr(self.model, "criterion", None), "comparisons"):
                    put(f"matches/{record['image_id']}", self._matches(item, pixels, names))

    def _matches(self, item: dict[str, Any], pixels: np.ndarray, names: list[str]) -> np.ndarray:
        from aligndetr.explanation import inspect_image
        from aligndetr.explanation.inspection_matches_picture import matches_picture

        return matches_picture(inspect_image(self.model, item, pixels, names))

    def _fixed(self) -> list[tuple[dict, dict, np.ndarray]]:
        """(record, item, pixels) of the images, read once."""
        from aligndetr.data.images import read_image

        if not self._examples:
            batches = first_images(self.loader, self.num_images)
            items = [item for batch in batches for item in batch][: self.num_images]
            ids = {item["image_id"] for item in items}
            records = {r["image_id"]: r for r in self.loader.dataset if r["image_id"] in ids}
            found = [records[item["image_id"]] for item in items]
            pixels = [read_image(record["file_name"]) for record in found]
            self._examples = list(zip(found, items, pixels, strict=True))
        return self._examples
