"""How stable matching becomes while a model learns."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch

from aligndetr.distributed import all_gather_object, unwrap, world_size
from aligndetr.engine.hooks.base import Hook, is_due
from aligndetr.engine.random_state import undisturbed
from aligndetr.errors import CheckpointError
from aligndetr.evaluation.cut import cut
from aligndetr.explanation.matching import Matching, check_matches, first_images, match_objects


class MatchingStability(Hook):
    """Records how many objects change their query, in percent, at each evaluation.

    `matching/layer_2` compares decoder layer 2 with layer 1, and so on, layer 1 with the proposals
    where they are matched with the same queries; `matching/since_last` compares the last layer
    with that of the evaluation before. See `aligndetr.explanation.matching`. The weights are those
    of the model itself, not of its moving average.

    Args:
        period: steps between two evaluations; also after the last step.
        loader: yields batches with `image_id` and `instances`, and ends.
        num_images: of the loader, the first ones, the same each time.
    """

    def __init__(self, period: int, loader: Iterable[list[dict]], num_images: int = 500) -> None:
        self.period = period
        self.loader = loader
        self.num_images = num_images
        self.last = Matching.cat([])

    def before_train(self) -> None:
        """Refuse a model that matches nothing before it is trained.

        Raises:
            UserError: it is one.
        """
        check_matches(unwrap(self.trainer.model))

    def after_step(self) -> None:
        """Match when it is time."""
        last = self.trainer.iter + 1 >= self.trainer.max_iter
        if last or is_due(self.trainer.iter, self.period):
            found = self.match()
            figures = {
                name.replace(" ", "_"): value for name, value in found.layer_changes().items()
            }
            since = found.changes_since(self.last)
            self.last = found
            figures |= {} if math.isnan(since) else {"since_last": since}
            values = {f"matching/{name}": value for name, value in figures.items()}
            self.trainer.storage.put_scalars(values, smoothing=False)

    def match(self) -> Matching:
        """Of the images of all processes."""
        count = -(-self.num_images // world_size())
        with undisturbed():
            batches = cut.until_asked(first_images(self.loader, count))
            found = match_objects(unwrap(self.trainer.model), batches)
        return Matching.cat(all_gather_object(found))

    def state_dict(self) -> dict[str, Any]:
        """The objects, and the queries of their last layer."""
        if not self.last.pairs:
            return {}
        columns = {"objects": self.last.objects, "pairs": self.last.pairs[-1]}
        return {name: torch.from_numpy(values) for name, values in columns.items()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore them.

        Raises:
            CheckpointError: they are no such tables.
        """
        tables: list[Any] = [state_dict.get(name) for name in ("objects", "pairs")]
        for table in tables:
            if not isinstance(table, torch.Tensor) or table.shape[1:] != (2,):
                raise CheckpointError("what MatchingStability remembers is no table of two columns")
        objects, pairs = (table.long().cpu().numpy() for table in tables)
        self.last = Matching(objects, ["last layer"], [pairs])
