"""From a checkpoint to boxes in pictures."""

import json
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from aligndetr import predictor as predictor_module
from aligndetr.config import LazyConfig
from aligndetr.config.find_file import resolve_config
from aligndetr.config.nodes import to_plain
from aligndetr.data.mapper import DetrMapper
from aligndetr.engine.operating_point import OperatingPoint, write_operating_point
from aligndetr.errors import CheckpointError, ConfigError, DataError, UserError
from aligndetr.predictor import Predictor, upright_rgb
from aligndetr.runtime.prediction.tiles import Tiles
from aligndetr.visualization import draw_instances

NAMES = ["disk", "square", "star"]


@pytest.fixture(scope="module")
def predictor(tiny_checkpoint):
    return Predictor("aligndetr_tiny", tiny_checkpoint)


def same(a, b):
    return (
        torch.equal(a.pred_boxes.tensor, b.pred_boxes.tensor)
        and torch.equal(a.scores, b.scores)
        and torch.equal(a.pred_classes, b.pred_classes)
    )


def test_path_pillow_and_array_give_the_same(predictor, photo, tmp_path):
    Image.fromarray(photo).save(tmp_path / "photo.png")
    found = predictor(photo)
    assert len(found) > 0
    assert found.image_size == (96, 128)
    assert same(found, predictor(tmp_path / "photo.png"))
    assert same(found, predictor(str(tmp_path / "photo.png")))
    assert same(found, predictor(Image.fromarray(photo)))
    assert predictor.class_names == NAMES


def test_a_plain_dict_is_a_config_too(predictor, tiny_checkpoint, photo):
    plain = to_plain(LazyConfig.load(resolve_config("aligndetr_tiny")))
    assert type(plain) is dict
    assert same(Predictor(plain, tiny_checkpoint)(photo), predictor(photo))


def test_boxes_are_in_the_pixels_of_the_given_image(tiny_checkpoint, photo):
    """With an augmentation that doubles the image, boxes must still refer to the original."""
    config = LazyConfig.load(resolve_config("aligndetr_tiny"))
    LazyConfig.apply_overrides(config, ["train.device=cpu"])
    config.dataloader.test.mapper.augmentation = [
        {"_target_": "aligndetr.data.augmentation.Resize", "shape": [192, 256]}
    ]
    found = Predictor(config, tiny_checkpoint)(photo)
    assert found.image_size == (96, 128)
    x1, y1 = found.pred_boxes.tensor[:, 2].max(), found.pred_boxes.tensor[:, 3].max()
    assert 64 < x1 <= 128
    assert 48 < y1 <= 96
    assert config.model.num_classes is None  # the caller's config is left alone


def test_same_as_the_evaluation_mapper_and_model(predictor, photo, tmp_path):
    Image.fromarray(photo).save(tmp_path / "photo.png")
    item = DetrMapper([], is_train=False)({"file_name": tmp_path / "photo.png", "annotations": []})
    with torch.inference_mode():
        expected = predictor.model([item])[0]["instances"]
    assert same(predictor(photo), expected)


def test_bgr_models_get_bgr(tiny_checkpoint, photo):
    config = LazyConfig.load(resolve_config("aligndetr_tiny"))
    rgb = Predictor(config, tiny_checkpoint)
    config.dataloader.test.mapper.image_format = "BGR"
    bgr = Predictor(config, tiny_checkpoint)
    assert same(bgr(np.ascontiguousarray(photo[:, :, ::-1])), rgb(photo))


def test_an_optimised_model_says_the_same(tiny_checkpoint, predictor, photo):
    """Folded float32 differs by rounding: 1e-4 of a pixel and 1e-5 of a score."""
    optimised = Predictor("aligndetr_tiny", tiny_checkpoint, optimise=True)
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in optimised.model.backbone.modules())
    expected, found = predictor(photo), optimised(photo)
    assert len(found) == len(expected) > 0
    assert torch.equal(found.pred_classes, expected.pred_classes)
    boxes = expected.pred_boxes.tensor
    torch.testing.assert_close(found.pred_boxes.tensor, boxes, rtol=0, atol=1e-4)
    torch.testing.assert_close(found.scores, expected.scores, rtol=0, atol=1e-5)


def test_an_optimised_model_keeps_freed_memory(tiny_checkpoint, monkeypatch):
    asked = []
    monkeypatch.setattr(predictor_module, "tune_allocator", lambda frugal: asked.append(frugal))
    Predictor("aligndetr_tiny", tiny_checkpoint)
    assert asked == []
    Predictor("aligndetr_tiny", tiny_checkpoint, optimise=True)
    assert asked == [False]


def test_moving_average_is_preferred(tiny_checkpoint, photo, tmp_path, predictor):
    content = torch.load(tiny_checkpoint, weights_only=True)
    content["ema"] = content["model"]
    content["model"] = {k: torch.zeros_like(v) for k, v in content["ema"].items()}
    torch.save(content, tmp_path / "ema.pth")
    assert same(Predictor("aligndetr_tiny", tmp_path / "ema.pth")(photo), predictor(photo))


def test_classes_without_names_in_the_file(tiny_checkpoint, photo, tmp_path, predictor):
    """Bare weights name no classes; the dataset of the config does if the number fits."""
    weights = torch.load(tiny_checkpoint, weights_only=True)["model"]
    torch.save(weights, tmp_path / "bare.pth")
    content = {
        "images": [{"id": 1, "file_name": "x.png", "height": 9, "width": 9}],
        "categories": [{"id": index, "name": name} for index, name in enumerate("abc")],
    }
    (tmp_path / "data.json").write_text(json.dumps(content))
    config = LazyConfig.load(resolve_config("aligndetr_tiny"))
    data = {"json_file": str(tmp_path / "data.json"), "image_root": str(tmp_path)}
    config.dataloader.test.dataset.update(data)
    named = Predictor(config, tmp_path / "bare.pth")
    assert named.class_names == ["a", "b", "c"]
    assert same(named(photo), predictor(photo))
    (tmp_path / "data.json").unlink()
    with pytest.raises(CheckpointError, match=r"model\.num_classes=N"):
        Predictor(config, tmp_path / "bare.pth")
    config.model.num_classes = 3
    unnamed = Predictor(config, tmp_path / "bare.pth")
    assert unnamed.class_names is None
    assert same(unnamed(photo), predictor(photo))


def test_rotated_photo_is_turned(tmp_path):
    pixels = np.zeros((30, 50, 3), np.uint8)
    pixels[:, :25] = 255  # the left half is white
    image = Image.fromarray(pixels)
    exif = image.getexif()
    exif[0x0112] = 6  # the camera was turned: rotate by 90 degrees clockwise to view
    image.save(tmp_path / "turned.png", exif=exif)
    for source in (tmp_path / "turned.png", Image.open(tmp_path / "turned.png")):
        upright = upright_rgb(source)
        assert upright.shape == (50, 30, 3)
        assert (upright[:25] == 255).all()  # left has become top
        assert (upright[25:] == 0).all()


def test_bad_input_is_named(predictor, tiny_checkpoint, tmp_path):
    for wrong in (
        np.zeros((3, 8, 8), np.uint8),
        np.zeros((8, 8, 3)),
        np.zeros((0, 8, 3), np.uint8),
    ):
        with pytest.raises(ValueError, match="must be"):
            predictor(wrong)
    with pytest.raises(DataError, match=r"nothing\.jpg"):
        predictor(tmp_path / "nothing.jpg")
    with pytest.raises(CheckpointError, match=r"missing\.pth"):
        Predictor("aligndetr_tiny", tmp_path / "missing.pth")
    with pytest.raises(ConfigError, match="no_such_config"):
        Predictor("no_such_config", tiny_checkpoint)
    config = LazyConfig.load(resolve_config("aligndetr_tiny"))
    LazyConfig.apply_overrides(config, ["model.num_queries=7"])
    with pytest.raises(CheckpointError, match="another architecture"):
        Predictor(config, tiny_checkpoint)


@pytest.fixture
def operated(predictor, photo, tiny_checkpoint, tmp_path):
    """A checkpoint whose thresholds keep the best three of the first class only."""

    def write(classes=3, calibrator=None):
        found = predictor(photo)
        first = found.scores[found.pred_classes == 0].sort(descending=True).values
        thresholds = [float(first[2]), *[1.0] * (classes - 1)]
        point = OperatingPoint(tuple(thresholds), calibrator, {"dataset": "kitchen_val"})
        which = "ema" if "ema" in torch.load(tiny_checkpoint, weights_only=True) else "model"
        path = tmp_path / f"operated_{classes}.pth"
        write_operating_point(tiny_checkpoint, path, which, point)
        return path, first

    return write


def test_thresholds_of_the_checkpoint_are_used(operated, predictor, photo):
    path, first = operated()
    own = Predictor("aligndetr_tiny", path)
    kept = own.confident(own(photo))
    assert kept.scores.tolist() == first[:3].tolist()
    assert kept.pred_classes.tolist() == [0, 0, 0]
    # a given threshold counts instead, and 0.5 without an operating point
    found = predictor(photo)
    lowest = float(found.scores.median())
    assert len(own.confident(found, lowest)) == (found.scores >= lowest).sum()
    assert len(predictor.confident(found)) == (found.scores >= 0.5).sum()


def test_calibrated_scores_are_asked_for(operated, photo, tiny_checkpoint):
    half = {"kind": "piecewise linear", "knots": [[[0.0, 1.0], [0.0, 0.5]]] * 3}
    path, first = operated(calibrator=half)
    plain, calibrated = (Predictor("aligndetr_tiny", path, calibrated=c) for c in (False, True))
    found = plain(photo)
    assert plain.confident(found).scores.tolist() == first[:3].tolist()
    torch.testing.assert_close(calibrated.confident(found).scores, first[:3] / 2)
    with pytest.raises(CheckpointError, match="holds no calibrator"):
        Predictor("aligndetr_tiny", tiny_checkpoint, calibrated=True)


def test_thresholds_of_other_classes_are_refused(operated):
    with pytest.raises(CheckpointError, match="thresholds of 2 classes, but the model has 3"):
        Predictor("aligndetr_tiny", operated(classes=2)[0])


def test_many_images_give_a_list(predictor, photo, tmp_path):
    """Lists, folders, patterns, batches; each as it would be alone."""
    mirrored = photo[:, ::-1]
    for name, image in (("a", photo), ("b", mirrored)):
        Image.fromarray(image).save(tmp_path / f"{name}.png")
    alone = [predictor(photo), predictor(mirrored)]
    for many in (
        [photo, Image.fromarray(mirrored)],
        tmp_path,
        str(tmp_path / "*.png"),
        np.stack([photo, mirrored]),
    ):
        found = predictor(many)
        assert [same(a, b) for a, b in zip(found, alone, strict=True)] == [True, True]


def test_grey_and_transparent_arrays(predictor, photo):
    grey = photo[:, :, 0]
    alpha = np.dstack([photo, grey])
    assert same(predictor(grey), predictor(np.dstack([grey, grey, grey])))
    assert same(predictor(alpha), predictor(photo))


def test_a_batch_does_not_change_what_is_found(predictor, photo):
    """Pictures of three shapes in batches of two, and one by one; rounding may differ."""
    images = [photo, photo[:64], photo[:, ::-1], photo[:64, ::-1], photo[:, :64], photo[::-1]]
    sizes = []
    handle = predictor.model.register_forward_pre_hook(
        lambda _, inputs: sizes.append([item["image"].shape for item in inputs[0]])
    )
    together = list(predictor.stream(images, batch_size=2, threshold=0.3))
    handle.remove()
    assert sorted(map(len, sizes)) == [1, 1, 2, 2]
    assert all(len(set(batch)) == 1 for batch in sizes)  # nothing is padded
    for one, many in zip(predictor.stream(images, threshold=0.3), together, strict=True):
        assert one.found.classes.tolist() == many.found.classes.tolist() != []
        np.testing.assert_allclose(one.found.boxes, many.found.boxes, atol=1e-3)
        np.testing.assert_allclose(one.found.scores, many.found.scores, atol=1e-5)


def test_a_stream_gives_what_counts(operated, predictor, photo):
    path, first = operated(
        calibrator={"kind": "piecewise linear", "knots": [[[0, 1], [0, 0.5]]] * 3}
    )
    own = Predictor("aligndetr_tiny", path, calibrated=True)
    found = next(own.stream(photo)).found
    np.testing.assert_allclose(found.scores, first[:3] / 2, rtol=1e-6)
    chosen = next(predictor.stream(photo, threshold=0.0, classes=["star", "1"])).found
    assert sorted(set(chosen.classes.tolist())) == [1, 2]
    assert len(chosen) == (predictor(photo).pred_classes > 0).sum()
    with pytest.raises(UserError, match=r"no class 'stra'; did you mean star\?"):
        predictor.stream(photo, classes=["stra"])


def test_results_show_themselves(predictor, photo):
    found = predictor(photo)
    assert "of them count" in repr(found)
    assert "3 classes (disk, square, star)" in repr(predictor)
    counted = predictor.confident(found, 0.4)
    drawn = counted.plot()
    assert drawn == draw_instances(photo, counted, NAMES) != draw_instances(photo, found[:0])
    assert found.plot(0.4) == drawn
    assert counted._repr_png_()[:4] == b"\x89PNG"
    assert counted.names == [NAMES[index] for index in counted.pred_classes.tolist()]
    assert counted[:2].names == counted.names[:2]
    streamed = next(predictor.stream(photo, threshold=0.4))
    assert streamed.plot() == drawn
    assert repr(streamed).startswith("Prediction(image, 96x128: ")


def test_tables(predictor, photo):
    pytest.importorskip("pandas")
    found = predictor(photo)[:5]
    table = found.to_dataframe()
    assert table["name"].tolist() == found.names
    assert table[["x0", "y0", "x1", "y1"]].to_numpy().tolist() == found.pred_boxes.tensor.tolist()


def test_tables_without_pandas(predictor, photo, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(UserError, match="needs pandas"):
        predictor(photo).to_dataframe()


def test_precision(predictor, tiny_checkpoint, photo):
    half = Predictor("aligndetr_tiny", tiny_checkpoint, device="cpu", precision="bf16")
    seen = []
    for each in (half, predictor):
        handle = each.model.backbone.register_forward_hook(
            lambda module, inputs, maps: seen.extend({m.dtype for m in maps.values()})
        )
        assert each(photo).scores.dtype == torch.float32
        handle.remove()
    assert seen == [torch.bfloat16, torch.float32]
    with pytest.raises(UserError, match="fp16 needs a GPU"):
        Predictor("aligndetr_tiny", tiny_checkpoint, device="cpu", precision="fp16")
    with pytest.raises(UserError, match="no precision 'fp8'"):
        Predictor("aligndetr_tiny", tiny_checkpoint, device="cpu", precision="fp8")


def test_tiles_are_batched_and_large_pictures_do_not_wait(predictor, photo):
    batches, read = [], []
    handle = predictor.model.register_forward_pre_hook(
        lambda _, inputs: batches.append([tuple(item["image"].shape[1:]) for item in inputs[0]])
    )

    def pictures():
        for number in range(3):
            read.append(number)
            yield photo

    found = predictor.stream(pictures(), batch_size=2, tiles=Tiles(64, 0.0), threshold=0.3)
    assert len(next(found)) > 0
    handle.remove()
    assert read == [0]
    # the whole, 128 x 96 reduced to 64 x 48, and 2 x 2 tiles
    assert batches == [[(48, 64)], [(64, 64)] * 2, [(64, 64)] * 2]
    with pytest.raises(UserError, match="a batch of 0"):
        predictor.pipeline(batch_size=0, tiles=Tiles(64))
