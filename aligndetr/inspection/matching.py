"""The pairs that a criterion would make its losses from."""

from __future__ import annotations

from aligndetr.criterions import Comparison, SetCriterion
from aligndetr.inspection.content import Pair
from aligndetr.structures import Predictions, Targets


def match(
    criterion: SetCriterion,
    predictions: Predictions,
    targets: Targets,
    proposals: Predictions | None = None,
) -> list[list[Pair]]:
    """Pairs of the proposals, where there are any, and of every decoder layer, for one image.

    Args:
        criterion: what pairs and weighs them.
        predictions: of I layers (fewer than the criterion knows, where evaluation stops early).
        targets: ground truth of one image.
        proposals: of the encoder.
    """
    compared = criterion.comparisons(predictions, targets, proposals)
    return [pairs for comparison in compared for pairs in _pairs(comparison)]


def _pairs(comparison: Comparison) -> list[list[Pair]]:
    assignment = comparison.assignment
    # Weights fall with the rank, so that their order is the order of the ranks.
    ranks = assignment.ranks(comparison.weight)
    columns = (
        assignment.layer,
        assignment.query,
        assignment.target,
        comparison.score,
        comparison.iou,
        ranks,
        comparison.weight,
        comparison.goal,
    )
    layers: list[list[Pair]] = [[] for _ in comparison.suffixes]
    for layer, *values in zip(*(column.tolist() for column in columns), strict=True):
        layers[layer].append(Pair(*values))
    return [sorted(pairs, key=lambda pair: (pair.thing, pair.rank)) for pairs in layers]
