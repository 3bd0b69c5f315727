"""From a checkpoint to boxes in pictures."""

import argparse
import json

import numpy as np
import pytest
import torch
from PIL import Image

from aligndetr.commands import predict
from aligndetr.commands.predict import CocoPredictions, find_images
from aligndetr.config import LazyConfig, instantiate
from aligndetr.config.resolve import resolve_config
from aligndetr.data.mapper import DetrMapper
from aligndetr.engine.checkpoint import Checkpointer
from aligndetr.errors import CheckpointError, ConfigError, DataError, UserError
from aligndetr.predictor import Predictor, upright_rgb
from aligndetr.structures import Boxes, Instances

NAMES = ["disk", "square", "star"]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """Random weights whose classification bias lets some scores be high."""
    folder = tmp_path_factory.mktemp("checkpoint")
    config = LazyConfig.load(resolve_config("aligndetr_tiny"))
    config.model.num_classes = len(NAMES)
    torch.manual_seed(0)
    model = instantiate(config.model)
    torch.nn.init.normal_(model.decoder.class_heads[-1].weight, std=0.5)
    Checkpointer(model, folder, extra={"class_names": NAMES}).save("model_final", iteration=0)
    return folder / "model_final.pth"


@pytest.fixture(scope="module")
def predictor(checkpoint):
    return Predictor("aligndetr_tiny", checkpoint)


@pytest.fixture
def photo():
    return np.random.default_rng(0).integers(0, 256, (96, 128, 3), dtype=np.uint8)


def same(a, b):
    return (
        torch.equal(a.pred_boxes.tensor, b.pred_boxes.tensor)
        and torch.equal(a.scores, b.scores)
        and torch.equal(a.pred_classes, b.pred_classes)
    )


def run(words):
    parser = argparse.ArgumentParser()
    predict.add_arguments(parser)
    return predict.run(parser.parse_intermixed_args([str(word) for word in words]))


def test_path_pillow_and_array_give_the_same(predictor, photo, tmp_path):
    Image.fromarray(photo).save(tmp_path / "photo.png")
    found = predictor(photo)
    assert len(found) > 0
    assert found.image_size == (96, 128)
    assert same(found, predictor(tmp_path / "photo.png"))
    assert same(found, predictor(str(tmp_path / "photo.png")))
    assert same(found, predictor(Image.fromarray(photo)))
    assert predictor.class_names == NAMES


def test_boxes_are_in_the_pixels_of_the_given_image(checkpoint, photo):
    """With an augmentation that doubles the image, boxes must still refer to the original."""
    config = LazyConfig.load(resolve_config("aligndetr_tiny"))
    LazyConfig.apply_overrides(config, ["train.device=cpu"])
    config.dataloader.test.mapper.augmentation = [
        {"_target_": "aligndetr.data.augmentation.Resize", "shape": [192, 256]}
    ]
    found = Predictor(config, checkpoint)(photo)
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


def test_bgr_models_get_bgr(checkpoint, photo):
    config = LazyConfig.load(resolve_config("aligndetr_tiny"))
    rgb = Predictor(config, checkpoint)
    config.dataloader.test.mapper.image_format = "BGR"
    bgr = Predictor(config, checkpoint)
    assert same(bgr(np.ascontiguousarray(photo[:, :, ::-1])), rgb(photo))


def test_moving_average_is_preferred(checkpoint, photo, tmp_path, predictor):
    content = torch.load(checkpoint, weights_only=True)
    content["ema"] = content["model"]
    content["model"] = {k: torch.zeros_like(v) for k, v in content["ema"].items()}
    torch.save(content, tmp_path / "ema.pth")
    assert same(Predictor("aligndetr_tiny", tmp_path / "ema.pth")(photo), predictor(photo))


def test_classes_without_names_in_the_file(checkpoint, photo, tmp_path, predictor):
    """Bare weights name no classes; the dataset of the config does if the number fits."""
    weights = torch.load(checkpoint, weights_only=True)["model"]
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


def test_bad_input_is_named(predictor, checkpoint, tmp_path):
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
        Predictor("no_such_config", checkpoint)
    config = LazyConfig.load(resolve_config("aligndetr_tiny"))
    LazyConfig.apply_overrides(config, ["model.num_queries=7"])
    with pytest.raises(CheckpointError, match="another architecture"):
        Predictor(config, checkpoint)


def test_command(checkpoint, photo, tmp_path, capsys):
    folder = tmp_path / "images"
    (folder / "trip").mkdir(parents=True)
    Image.fromarray(photo).save(folder / "a.png")
    Image.fromarray(photo[:, ::-1]).save(folder / "trip" / "b.jpg")
    (folder / "broken.png").write_bytes((folder / "a.png").read_bytes()[:300])
    (folder / "notes.txt").write_text("no image")
    output = folder / "out"  # inside the searched folder
    words = ["--config-file", "aligndetr_tiny", "--checkpoint", checkpoint, folder]
    words += ["--output", output, "--threshold", "0.3", "train.device=cpu"]
    assert run(words) == 1
    text = capsys.readouterr()
    assert "skipped 1 files that are no images: notes.txt" in text.out
    assert "broken.png" in text.err
    assert "2 images, 1 unreadable" in text.out
    written = sorted(path.relative_to(output).as_posix() for path in output.rglob("*.*"))
    assert written == ["a.png", "predictions.json", "trip/b.jpg"]
    content = json.loads((output / "predictions.json").read_text())
    assert [image["file_name"] for image in content["images"]] == [
        str(folder / "a.png"),
        str(folder / "trip" / "b.jpg"),
    ]
    expected = Predictor("aligndetr_tiny", checkpoint)(photo)
    expected = expected[expected.scores >= 0.3]
    mine = [entry for entry in content["annotations"] if entry["image_id"] == 1]
    assert len(mine) == len(expected) > 0
    assert [entry["category_id"] - 1 for entry in mine] == expected.pred_classes.tolist()
    (folder / "broken.png").unlink()
    assert run(words) == 0  # its own pictures are not read again
    assert "2 images, 0 unreadable" in capsys.readouterr().out


def test_command_errors(checkpoint, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="no images in"):
        run(["aligndetr_tiny", "--checkpoint", checkpoint, tmp_path / "empty"])
    with pytest.raises(UserError, match="does not exist"):
        run(["aligndetr_tiny", "--checkpoint", checkpoint, tmp_path / "nowhere"])


def test_names_of_pictures(tmp_path):
    for name in ("x/a.jpg", "x/a.bmp", "x/a.png", "x/sub/a.JPG", "x/.hidden/a.png", "y/a.jpg"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    jobs, skipped = find_images([tmp_path / "x", tmp_path / "y" / "a.jpg"], tmp_path / "out")
    assert skipped == []
    assert [(s.relative_to(tmp_path).as_posix(), t.as_posix()) for s, t in jobs] == [
        ("x/a.bmp", "a.png"),
        ("x/a.jpg", "a.jpg"),
        ("x/a.png", "a_2.png"),
        ("x/sub/a.JPG", "sub/a.JPG"),
        ("y/a.jpg", "a_2.jpg"),
    ]


def test_json_by_hand(tmp_path):
    content = CocoPredictions(["cat", "dog"], 2)
    found = Instances(
        (50, 60),
        pred_boxes=Boxes([[10.0, 5.0, 30.5, 15.0]]),
        scores=torch.tensor([0.75]),
        pred_classes=torch.tensor([1]),
    )
    content.add("x.png", found)
    content.write(tmp_path / "p.json")
    assert found.pred_boxes.tensor.tolist() == [[10.0, 5.0, 30.5, 15.0]]  # left as it was
    assert json.loads((tmp_path / "p.json").read_text()) == {
        "images": [{"id": 1, "file_name": "x.png", "height": 50, "width": 60}],
        "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
        "annotations": [
            {
                "id": 1,
                "image_id": 1,
                "category_id": 2,
                "bbox": [10.0, 5.0, 20.5, 10.0],  # 30.5 - 10, 15 - 5
                "area": 205.0,
                "score": 0.75,
                "iscrowd": 0,
            }
        ],
    }
