"""What arrives in a model, what a report says, and what is refused."""

import pytest
import torch

from aligndetr.errors import CheckpointError
from aligndetr.interop import load_checkpoint
from aligndetr.interop.class_rows import COCO_CLASSES, COCO_NAMES
from aligndetr.interop.placement import Target
from aligndetr.interop.renaming import export_state
from aligndetr.interop.report import Report
from aligndetr.interop.sources import DETREX

CLASS_ROWS = ("decoder.class_heads", "query_source.class_head", "denoiser.label_embedding")


def save(state, path, **extra):
    torch.save({"model": state, **extra}, path)
    return path


def assert_same(left, right):
    left, right = left.state_dict(), right.state_dict()
    assert all(torch.equal(left[name], right[name]) for name in left)


def test_detrex_weights_arrive_exactly(tiny, detrex_file, make_tiny):
    model = make_tiny()
    report = load_checkpoint(model, detrex_file, strict=True)
    assert_same(model, tiny)
    assert report.is_complete
    assert sorted(report.loaded) == sorted(tiny.state_dict())


def test_our_own_file_and_its_averaged_weights(tiny, make_tiny, tmp_path):
    average = {name: value + 1 for name, value in tiny.state_dict().items()}
    path = save(tiny.state_dict(), tmp_path / "a.pth", ema=average, iteration=3)
    model = make_tiny()
    load_checkpoint(model, path, strict=True)
    assert_same(model, tiny)
    load_checkpoint(model, path, strict=True, weights="ema")
    torch.testing.assert_close(model.state_dict(), average)


def test_another_class_count_touches_the_class_rows_only(tiny, detrex_file, make_tiny):
    model = make_tiny(num_classes=4)
    fresh = {name: value.clone() for name, value in model.state_dict().items()}
    report = load_checkpoint(model, detrex_file)
    theirs = tiny.state_dict()
    for name, value in model.state_dict().items():
        expected = fresh if name.startswith(CLASS_ROWS) else theirs
        assert torch.equal(value, expected[name]), name
    # 2 layers x (weight, bias), the encoder's head x (weight, bias), the label embedding
    assert len(report.reinitialised) == 2 * 2 + 2 + 1
    assert not report.missing
    with pytest.raises(CheckpointError, match=r"does not fit.*exactly[\s\S]*re-initialised \(7\)"):
        load_checkpoint(make_tiny(num_classes=4), detrex_file, strict=True)


def test_rows_of_classes_that_both_sides_name_are_copied(tiny, make_tiny, tmp_path):
    names = ["ant", "bee", "cat", "dog", "elk", "fox"]
    path = save(tiny.state_dict(), tmp_path / "a.pth", class_names=names)
    model = make_tiny(num_classes=3)
    model.class_names = ["fox", "unicorn", "bee"]
    fresh = {name: value.clone() for name, value in model.state_dict().items()}
    report = load_checkpoint(model, path)
    assert report.copied_classes == ["fox", "bee"]
    for name in ("decoder.class_heads.1.weight", "denoiser.label_embedding.weight"):
        theirs, ours = tiny.state_dict()[name], model.state_dict()[name]
        assert torch.equal(ours[0], theirs[5])
        assert torch.equal(ours[1], fresh[name][1])
        assert torch.equal(ours[2], theirs[1])


def test_a_report_tells_new_classes_from_found_ones(tiny, make_tiny, tmp_path):
    names = ["ant", "bee", "cat", "dog", "elk", "fox"]
    path = save(tiny.state_dict(), tmp_path / "a.pth", class_names=names)
    model = make_tiny(num_classes=3)
    model.class_names = ["fox", "unicorn", "bee"]
    report = load_checkpoint(model, path)
    # 2 layers x (weight, bias), the encoder's head x (weight, bias), the label embedding
    assert len(report.reinitialised) == 2 * 2 + 2 + 1
    lines = " ".join(str(report).split())
    assert "class rows copied by name (2): fox, bee" in lines
    assert "class rows of new classes (1): unicorn" in lines
    assert "class rows left out (4): ant, cat, dog, elk" in lines
    assert "partly re-initialised (7)" in lines


def test_nothing_is_called_reinitialised_when_every_row_is_found(tiny, make_tiny, tmp_path):
    names = ["ant", "bee", "cat", "dog", "elk", "fox"]
    path = save(tiny.state_dict(), tmp_path / "a.pth", class_names=names)
    model = make_tiny(num_classes=2)
    model.class_names = ["fox", "bee"]
    report = load_checkpoint(model, path)
    assert "re-initialised" not in str(report)
    assert report.reinitialised == []
    assert "class rows left out (4): ant, cat, dog, elk" in " ".join(str(report).split())
    assert not report.is_complete  # four classes of the file went nowhere
    with pytest.raises(CheckpointError, match="does not fit"):
        load_checkpoint(model, path, strict=True)
    model = make_tiny()
    model.class_names = names[::-1]
    assert load_checkpoint(model, path, strict=True).is_complete


def test_equal_class_counts_with_other_names_are_not_mixed_up(tiny, make_tiny, tmp_path):
    names = ["ant", "bee", "cat", "dog", "elk", "fox"]
    path = save(tiny.state_dict(), tmp_path / "a.pth", class_names=names)
    model = make_tiny()
    model.class_names = names[::-1]
    load_checkpoint(model, path)
    name = "query_source.class_head.bias"
    assert torch.equal(model.state_dict()[name], tiny.state_dict()[name].flip(0))


def test_published_80_class_files_know_the_coco_names(make_tiny, tmp_path):
    published = make_tiny(num_classes=80)
    path = save(export_state(published.state_dict(), DETREX), tmp_path / "a.pth")
    model = make_tiny(num_classes=2)
    model.class_names = ["zebra", "my thing"]
    assert load_checkpoint(model, path).copied_classes == ["zebra"]
    zebra = COCO_NAMES.index("zebra")
    name = "decoder.class_heads.0.weight"
    assert torch.equal(model.state_dict()[name][0], published.state_dict()[name][zebra])


def test_the_coco_classes():
    # Facts of the dataset: 80 classes in 1..90, these ten ids unused.
    assert set(range(1, 91)) - set(COCO_CLASSES) == {12, 26, 29, 30, 45, 66, 68, 69, 71, 83}
    assert len(COCO_CLASSES) == len(set(COCO_NAMES)) == 80
    assert list(COCO_CLASSES) == sorted(COCO_CLASSES)
    samples = {1: "person", 18: "dog", 44: "bottle", 62: "chair", 73: "laptop", 90: "toothbrush"}
    assert samples.items() <= COCO_CLASSES.items()


@pytest.mark.parametrize(
    "change, message",
    [
        ({"model.num_queries": 30}, "queries: 40 in the checkpoint, 30 in the model"),
        ({"model.decoder.num_layers": 3}, "decoder layers: 2 in the checkpoint, 3 in the model"),
        ({"model.encoder.num_layers": 2}, "encoder layers: 1 in the checkpoint, 2 in the model"),
        ({"model.neck.num_outs": 4}, "feature levels: 3 in the checkpoint, 4 in the model"),
        (
            {"model.encoder.layer.ffn.feedforward_dim": 64},
            "feed-forward dimension: 128 in the checkpoint, 64 in the model",
        ),
        ({"depth": 34}, "blocks in res4: 2 in the checkpoint, 6 in the model"),
        ({"depth": 50}, "convolutions a residual block: 2 in the checkpoint, 3 in the model"),
    ],
)
def test_contradicting_sizes_are_named(detrex_file, make_tiny, change, message):
    model = make_tiny(**change)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(CheckpointError, match=rf"another architecture[\s\S]*{message}"):
        load_checkpoint(model, detrex_file)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_another_width_is_a_contradiction(detrex_file, make_tiny):
    widths = "{res3: 32, res4: 64, res5: 128}"
    model = make_tiny(**{"model.backbone.width": 16, "model.neck.in_channels": widths})
    with pytest.raises(CheckpointError, match="backbone width: 8 in the checkpoint, 16"):
        load_checkpoint(model, detrex_file)


def test_missing_unexpected_and_mismatched_are_counted(tiny, make_tiny, tmp_path):
    state = dict(tiny.state_dict())
    del state["decoder.norm.bias"]
    state["neck.convs.0.norm.weight"] = torch.ones(5)
    state["extra.weight"] = torch.ones(1)
    path = save(state, tmp_path / "a.pth")
    report = load_checkpoint(make_tiny(), path)
    assert report.missing == ["decoder.norm.bias"]
    assert report.unexpected == ["extra.weight"]
    shapes = {"neck.convs.0.norm.weight": "(5,) in the checkpoint, (64,) in the model"}
    assert report.mismatched == shapes
    assert len(report.loaded) == len(tiny.state_dict()) - 2
    with pytest.raises(CheckpointError, match=r"does not fit the model exactly"):
        load_checkpoint(make_tiny(), path, strict=True)


def test_nothing_fits(make_tiny, tmp_path):
    state = {
        "encoder.layers.0.self_attention.x": torch.ones(1),
        "decoder.layers.0.y": torch.ones(1),
    }
    with pytest.raises(CheckpointError, match=r"nothing in .* fits the model"):
        load_checkpoint(make_tiny(), save(state, tmp_path / "a.pth"))


def test_shared_heads_cannot_take_separate_ones(tiny, detrex_file, make_tiny):
    model = make_tiny()
    model.decoder.class_heads[1] = model.decoder.class_heads[0]
    with pytest.raises(CheckpointError, match=r"shares decoder\.class_heads\.0.*separate heads"):
        load_checkpoint(model, detrex_file)
    tiny.decoder.class_heads[1] = tiny.decoder.class_heads[0]
    torch.save({"model": export_state(tiny.state_dict(), DETREX)}, detrex_file)
    load_checkpoint(model, detrex_file, strict=True)
    assert_same(model, tiny)


def test_a_bare_backbone_takes_the_backbone_of_a_detector(tiny, detrex_file, make_tiny):
    backbone = make_tiny().backbone
    report = load_checkpoint(backbone, detrex_file, strict=True)
    assert_same(backbone, tiny.backbone)
    assert "only the backbone" in report.notes[0]


def test_the_report_fits_80_columns():
    many = [f"decoder.layers.{i}.cross_attention.sampling_offsets.weight" for i in range(40)]
    report = Report("some/long/path.pth", "detrex", many, many, ["cat"], many, many)
    report.mismatched = {"a.b": "(1, 2, 3) in the checkpoint, (3, 4, 5) in the model"}
    report.notes = ["word " * 60]
    lines = str(report).splitlines()
    assert max(map(len, lines)) <= 80
    assert (
        "decoder                       40          40          40          40           0" in lines
    )
    assert (
        "a                              0           0           0           0           1" in lines
    )
    assert (
        "total                         40          40          40          40           1" in lines
    )
    assert any(line.startswith("missing (40): decoder.layers.0") for line in lines)


def test_target_of_a_backbone_has_detector_names(make_tiny):
    names = Target(make_tiny().backbone).state
    assert all(name.startswith("backbone.") for name in names)
    assert set(names) <= set(make_tiny().state_dict())
