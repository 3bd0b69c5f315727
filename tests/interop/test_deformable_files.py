"""Files of the Deformable-DETR family, from and to detrex and its authors' repository."""

import pytest
import torch

from aligndetr.errors import CheckpointError
from aligndetr.interop import convert_checkpoint, load_checkpoint
from aligndetr.interop.renaming import export_state
from aligndetr.interop.sources import DETREX
from aligndetr.interop.sources.fundamentalvision_deformable_detr import SOURCE as AUTHORS

CLASSES, BOXES = "transformer.decoder.class_embed.", "transformer.decoder.bbox_embed."
VARIANTS = {  # config -> heads that detrex stores again below its decoder
    "deformable_detr_r50_50ep": (),
    "deformable_detr_r50_with_box_refinement_50ep": (BOXES,),
    "deformable_detr_r50_two_stage_50ep": (BOXES, CLASSES),
    "h_deformable_detr_r50_two_stage_12ep": (BOXES, CLASSES),
}


def same(left, right):
    torch.testing.assert_close(left.state_dict(), right.state_dict(), rtol=0, atol=0)


@pytest.mark.parametrize(("variant", "again"), VARIANTS.items())
def test_to_detrex_and_back(variant, again, make_deformable, tmp_path):
    model, fresh = make_deformable(variant), make_deformable(variant)
    torch.save({"model": model.state_dict()}, tmp_path / "ours.pth")
    convert_checkpoint(tmp_path / "ours.pth", tmp_path / "theirs.pth", "detrex", strict=True)
    names = set(torch.load(tmp_path / "theirs.pth")["model"])
    found = {prefix for prefix in (CLASSES, BOXES) if any(n.startswith(prefix) for n in names)}
    assert found == set(again)
    report = load_checkpoint(fresh, tmp_path / "theirs.pth", strict=True)
    assert report.source == DETREX.name
    same(fresh, model)


def authors_file(model, path):
    """Save a model under the names of fundamentalvision/Deformable-DETR."""
    state = export_state(model.state_dict(), AUTHORS)
    state = {name.replace("appended_proj.0", "input_proj.3"): v for name, v in state.items()}
    torch.save({"model": state, "epoch": 49}, path)
    return set(state)


@pytest.mark.parametrize(
    ("variant", "expected"),
    [
        (
            "deformable_detr_r50_50ep",
            {"query_embed.weight", "transformer.reference_points.bias", "class_embed.2.weight"},
        ),
        (
            "deformable_detr_r50_two_stage_50ep",
            {"transformer.pos_trans.weight", "transformer.pos_trans_norm.bias"}
            | {"class_embed.3.bias", "transformer.enc_output_norm.weight"},
        ),
    ],
)
def test_files_of_the_authors(variant, expected, make_deformable, tmp_path):
    model = make_deformable(variant)
    assert expected <= authors_file(model, tmp_path / "theirs.pth")
    with pytest.raises(CheckpointError, match=r"inverse_sigmoid_eps: .* 1e-05, .* 0\.001"):
        load_checkpoint(make_deformable(variant), tmp_path / "theirs.pth")
    fresh = make_deformable(variant, **{"model.decoder.refinement.eps": 1e-5})
    report = load_checkpoint(fresh, tmp_path / "theirs.pth", strict=True)
    assert report.source == AUTHORS.name
    same(fresh, model)


def test_the_row_that_rates_proposals_stays_the_first(make_deformable, tmp_path):
    """With other classes, too: row 0 of that head tells objects from none, whatever they are."""
    variant = "deformable_detr_r50_two_stage_50ep"
    theirs, ours = make_deformable(variant), make_deformable(variant, **{"model.num_classes": 3})
    theirs.class_names, ours.class_names = list("abcdef"), list("fcx")
    theirs.query_source.class_head.bias.data = torch.arange(6.0)
    theirs.decoder.class_heads[1].bias.data = torch.arange(6.0)
    state = {"model": theirs.state_dict(), "class_names": theirs.class_names}
    torch.save(state, tmp_path / "theirs.pth")
    load_checkpoint(ours, tmp_path / "theirs.pth")
    assert ours.query_source.class_head.bias[0] == 0
    assert ours.decoder.class_heads[1].bias[:2].tolist() == [5, 2]  # by name: f, c


def test_another_number_of_learned_queries_is_named(make_deformable, tmp_path):
    variant = "deformable_detr_r50_50ep"
    torch.save({"model": make_deformable(variant).state_dict()}, tmp_path / "ours.pth")
    other = make_deformable(variant, **{"model.num_queries": 30})
    message = "queries with learned positions: 20 in the checkpoint, 30 in the model"
    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(other, tmp_path / "ours.pth")
