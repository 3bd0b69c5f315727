"""What evaluates: the interface, and several evaluators as one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

Results = dict[str, dict[str, float]]


class DatasetEvaluator(ABC):
    """Collects the outputs of a model over a dataset and turns them into numbers.

    `reset`, `process` and `evaluate` are those of detectron2, whose evaluators therefore work in
    our loop.
    """

    def check_data(self) -> None:  # noqa: B027 - may be left out
        """Raise `DataError` for data that it cannot judge; called before anything is computed."""

    @abstractmethod
    def reset(self) -> None:
        """Forget everything that was processed."""

    @abstractmethod
    def process(self, inputs: Sequence[dict], outputs: Sequence[dict[str, Any]]) -> None:
        """Take one batch.

        Args:
            inputs: B items of the loader, each with at least `image_id`.
            outputs: B dicts of the model, each with `instances`.
        """

    @abstractmethod
    def evaluate(self) -> Results:
        """Results by task, then metric; empty in every process but the main one.

        Every process must call it, as it gathers what the others have seen.
        """


class DatasetEvaluators(DatasetEvaluator):
    """Several evaluators fed by one pass over the data.

    Args:
        evaluators: their results are merged, so no two may report the same task.
    """

    def __init__(self, evaluators: Sequence[DatasetEvaluator]) -> None:
        self.evaluators = list(evaluators)

    def check_data(self) -> None:
        """Ask all but those of other packages."""
        for evaluator in self.evaluators:
            if isinstance(evaluator, DatasetEvaluator):
                evaluator.check_data()

    def reset(self) -> None:
        """Reset all."""
        for evaluator in self.evaluators:
            evaluator.reset()

    def process(self, inputs: Sequence[dict], outputs: Sequence[dict[str, Any]]) -> None:
        """Give the batch to all."""
        for evaluator in self.evaluators:
            evaluator.process(inputs, outputs)

    def evaluate(self) -> Results:
        """Merged results.

        Raises:
            ValueError: two evaluators report the same task.
        """
        merged: Results = {}
        for evaluator in self.evaluators:
            results = evaluator.evaluate() or {}
            twice = merged.keys() & results.keys()
            if twice:
                raise ValueError(f"two evaluators report the task {sorted(twice)}")
            merged.update(results)
        return merged
