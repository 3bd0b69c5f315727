"""The rows of learned queries, for a model that has another number of them."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from aligndetr.interop.placement import copy_rows

# Of all sources of queries whose rows stand for one query each, in the order of their ranks if any.
QUERY_ROWS = tuple(
    f"query_source.{part}.weight" for part in ("content", "embedding", "position", "anchors")
)


def fit_queries(
    tensors: Mapping[str, Tensor], model: nn.Module, state: Mapping[str, Tensor]
) -> tuple[dict[str, Tensor], str | None]:
    """Take the first queries of a checkpoint for the first ones of a model.

    Proposals are ranked, so that the first rows belong to the likeliest objects; learned
    queries have no order. A source with a second branch of queries (H-DETR) is left as it is.

    Args:
        tensors: of the checkpoint, under our names.
        model: that takes them.
        state: its own values.

    Returns:
        The tensors with as many queries as the model has, where the checkpoint has fewer with the
        model's own values at the end; and what was done, None if the numbers agree.
    """
    source = getattr(model, "query_source", None)
    found = {name for name in QUERY_ROWS if name in tensors and name in state}
    fitted = {
        name: copy_rows(tensors[name], state[name], _first_rows(tensors[name], state[name]))
        for name in found
        if len(tensors[name]) != len(state[name]) and tensors[name][0].shape == state[name][0].shape
    }
    if not fitted or hasattr(source, "num_one_to_many"):
        return dict(tensors), None
    name = next(iter(fitted))
    theirs, ours = len(tensors[name]), len(state[name])
    rest = "the others begin anew" if ours > theirs else "the others are left out"
    return {**tensors, **fitted}, (
        f"{theirs} queries in the checkpoint, {ours} in the model: the first {min(theirs, ours)} "
        f"are taken over, {rest}"
    )


def _first_rows(theirs: Tensor, ours: Tensor) -> list[tuple[int, int]]:
    return [(row, row) for row in range(min(len(theirs), len(ours)))]
