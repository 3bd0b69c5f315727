"""`aligndetr predict`: pictures and a json."""

import argparse
import json

import pytest
import torch
from PIL import Image

from aligndetr.commands import predict
from aligndetr.config import LazyConfig
from aligndetr.config.find_file import resolve_config
from aligndetr.config.nodes import to_plain
from aligndetr.config.yaml_file import yaml_text
from aligndetr.errors import CheckpointError, UserError
from aligndetr.predictor import Predictor


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
