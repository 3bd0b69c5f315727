"""A training may begin from a detector with another number of queries."""

import pytest
import torch
from omegaconf import OmegaConf

from aligndetr.engine.initial_weights import load_start
from aligndetr.errors import CheckpointError
from aligndetr.interop import load_checkpoint
from tests.interop.conftest import randomise

CONTENT = "query_source.content.weight"
HYBRID = "h_deformable_detr_r50_two_stage_12ep"


def values(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


@pytest.mark.parametrize(
    "count, end",
    [
        (50, "40 are taken over, the others begin anew"),
        (30, "30 are taken over, the others are left out"),
    ],
)
def test_the_first_queries_are_taken(tiny, detrex_file, make_tiny, count, end):
    """The file has 40: of 50 the last 10 stay as the model made them, of 30 none."""
    model = make_tiny(**{"model.num_queries": count})
    fresh, theirs = values(model)[CONTENT], values(tiny)
    report = load_checkpoint(model, detrex_file, other_queries=True)
    (note,) = (note for note in report.notes if "queries" in note)
    assert note.startswith(f"40 queries in the checkpoint, {count} in the model: the first ")
    assert note.endswith(end)
    ours = values(model)
    shared = min(count, 40)
    assert torch.equal(ours[CONTENT][:shared], theirs[CONTENT][:shared])
    assert torch.equal(ours[CONTENT][40:], fresh[40:])
    assert all(torch.equal(ours[name], theirs[name]) for name in ours if name != CONTENT)


def test_learned_places_have_rows_of_their_own(make_deformable, tmp_path):
    name = "deformable_detr_r50_50ep"
    giver, taker = (
        randomise(make_deformable(name)),
        make_deformable(name, **{"model.num_queries": 25}),
    )
    torch.save({"model": giver.state_dict()}, tmp_path / "a.pth")
    fresh = values(taker)
    load_checkpoint(taker, tmp_path / "a.pth", other_queries=True)
    row = "query_source.embedding.weight"
    assert torch.equal(values(taker)[row][:20], values(giver)[row])
    assert torch.equal(values(taker)[row][20:], fresh[row][20:])


def test_two_branches_of_queries_are_not_mixed_up(make_deformable, tmp_path):
    """Row 20 would be a one-to-many query of the file and a one-to-one query of the model."""
    giver = make_deformable(HYBRID)
    torch.save({"model": giver.state_dict()}, tmp_path / "a.pth")
    with pytest.raises(CheckpointError, match=r"queries: \d+ in the checkpoint, \d+ in the model"):
        load_checkpoint(
            make_deformable(HYBRID, **{"model.num_queries": 25}),
            tmp_path / "a.pth",
            other_queries=True,
        )


def test_a_training_starts_so(tiny, detrex_file, make_tiny):
    model = make_tiny(**{"model.num_queries": 50})
    load_start(OmegaConf.create({"train": {"init_checkpoint": str(detrex_file)}}), model)
    assert torch.equal(values(model)[CONTENT][:40], values(tiny)[CONTENT])
