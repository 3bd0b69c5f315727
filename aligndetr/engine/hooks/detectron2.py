"""Models of detectron2 log into detectron2's event storage; here that reaches ours."""

from __future__ import annotations

import sys
from typing import Any

from aligndetr.engine.hooks.base import Hook

EVENTS = "detectron2.utils.events"


class Detectron2Events(Hook):
    """Keeps a storage of detectron2 open while a training runs, and records its scalars.

    Its RetinaNet and R-CNN fail without one. Nothing happens where the model has not imported
    detectron2. Images and histograms are dropped, so that they do not pile up.
    """

    def __init__(self) -> None:
        self._storage: Any = None

    def before_train(self) -> None:
        """Open the storage."""
        events = sys.modules.get(EVENTS)
        if events is not None:
            self._storage = _forwarding(events.EventStorage, self)(self.trainer.start_iter)
            self._storage.__enter__()

    def before_step(self) -> None:
        """Tell it the iteration."""
        if self._storage is not None:
            self._storage.iter = self.trainer.iter
            self._storage.clear_images()
            self._storage.clear_histograms()

    def after_train(self) -> None:
        """Close it."""
        if self._storage is not None:
            storage, self._storage = self._storage, None
            storage.__exit__(None, None, None)


def _forwarding(kind: Any, hook: Hook) -> type:
    """A subclass of detectron2's storage whose scalars go to the hook's trainer as well."""

    class Forwarding(kind):
        def put_scalar(
            self, name: str, value: Any, smoothing_hint: bool = True, **options: Any
        ) -> None:
            super().put_scalar(name, value, smoothing_hint, **options)
            scope = getattr(self, "_current_prefix", "")  # of `with storage.name_scope("rpn")`
            hook.trainer.storage.put_scalar(f"{scope}{name}", value, smoothing_hint)

    return Forwarding
