"""`aligndetr predict`: pictures and a json."""

import argparse
import json

import pytest
import torch
from PIL import Image

from aligndetr.commands import predict
from aligndetr.commands.predict import CocoPredictions, find_images
from aligndetr.config import LazyConfig
from aligndetr.config.find_file import resolve_config
from aligndetr.config.nodes import to_plain
from aligndetr.config.yaml_file import yaml_text
from aligndetr.errors import CheckpointError, UserError
from aligndetr.predictor import Predictor
from aligndetr.structures import Boxes, Instances


def run(words):
    parser = argparse.ArgumentParser()
    predict.add_arguments(parser)
    return predict.run(parser.parse_intermixed_args([str(word) for word in words]))


def test_command(tiny_checkpoint, photo, tmp_path, capsys):
    folder = tmp_path / "images"
    (folder / "trip").mkdir(parents=True)
    Image.fromarray(photo).save(folder / "a.png")
    Image.fromarray(photo[:, ::-1]).save(folder / "trip" / "b.jpg")
    (folder / "broken.png").write_bytes((folder / "a.png").read_bytes()[:300])
    (folder / "notes.txt").write_text("no image")
    output = folder / "out"  # inside the searched folder
    words = ["--config-file", "aligndetr_tiny", "--checkpoint", tiny_checkpoint, folder]
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
    expected = Predictor("aligndetr_tiny", tiny_checkpoint)(photo)
    expected = expected[expected.scores >= 0.3]
    mine = [entry for entry in content["annotations"] if entry["image_id"] == 1]
    assert len(mine) == len(expected) > 0
    assert [entry["category_id"] - 1 for entry in mine] == expected.pred_classes.tolist()
    (folder / "broken.png").unlink()
    assert run(words) == 0  # its own pictures are not read again
    assert "2 images, 0 unreadable" in capsys.readouterr().out


def test_a_checkpoint_alone_will_do(tiny_checkpoint, photo, tmp_path, capsys):
    content = torch.load(tiny_checkpoint, weights_only=True)
    config = LazyConfig.load(resolve_config("aligndetr_tiny"))
    content["config"] = yaml_text(to_plain(config))
    torch.save(content, tmp_path / "described.pth")
    Image.fromarray(photo).save(tmp_path / "a.png")
    found = []
    for words in (["aligndetr_tiny", tmp_path / "a.png"], [tmp_path / "a.png"]):
        output = tmp_path / f"{len(found)}"
        common = ["--output", output, "--threshold", "0.3", "train.device=cpu"]
        assert run([*words, "--checkpoint", tmp_path / "described.pth", *common]) == 0
        found.append(json.loads((output / "predictions.json").read_text())["annotations"])
    assert found[0] == found[1] != []
    with pytest.raises(CheckpointError, match="holds no config"):
        run([tmp_path / "a.png", "--checkpoint", tiny_checkpoint])


def test_which_weights(tiny_checkpoint, photo, tmp_path):
    """All zero beside a moving average: then no score differs from another."""
    content = torch.load(tiny_checkpoint, weights_only=True)
    content["ema"] = content["model"]
    content["model"] = {name: torch.zeros_like(value) for name, value in content["ema"].items()}
    torch.save(content, tmp_path / "both.pth")
    Image.fromarray(photo).save(tmp_path / "a.png")
    words = ["aligndetr_tiny", tmp_path / "a.png", "--checkpoint", tmp_path / "both.pth"]
    scores = []
    for weights in ("model", "ema"):
        output = tmp_path / weights
        assert run([*words, "--weights", weights, "--output", output, "--threshold", 0]) == 0
        found = json.loads((output / "predictions.json").read_text())["annotations"]
        scores.append({entry["score"] for entry in found})
    assert scores[0] == {0.5}  # the sigmoid of 0
    assert len(scores[1]) > 1


def test_command_errors(tiny_checkpoint, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="no images in"):
        run(["aligndetr_tiny", "--checkpoint", tiny_checkpoint, tmp_path / "empty"])
    with pytest.raises(UserError, match="does not exist"):
        run(["aligndetr_tiny", "--checkpoint", tiny_checkpoint, tmp_path / "nowhere"])


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
