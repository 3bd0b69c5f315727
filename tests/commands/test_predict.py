"""`aligndetr predict`: pictures and a json."""

import argparse
import json

import numpy as np
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
from aligndetr.runtime.predict import suppression
from aligndetr.runtime.prediction.suppression import SoftSuppression, Suppression


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


@pytest.fixture
def words(tiny_checkpoint, tmp_path):
    common = ["aligndetr_tiny", "--checkpoint", tiny_checkpoint, "--output", tmp_path / "out"]
    return [*common, "--threshold", "0.3", "train.device=cpu"]


def boxes(folder):
    return json.loads((folder / "predictions.json").read_text())["annotations"]


def test_what_is_saved_is_chosen(words, photo, tmp_path, capsys):
    Image.fromarray(photo).save(tmp_path / "a.png")
    assert run([*words, tmp_path / "a.png", "--save", "csv,yolo"]) == 0
    out = tmp_path / "out"
    names = sorted(path.relative_to(out).as_posix() for path in out.rglob("*.*"))
    assert names == ["classes.txt", "labels/a.txt", "predictions.csv"]
    assert f"{out / 'predictions.csv'}, {out / 'labels'}" in capsys.readouterr().out


def test_batches_of_a_pattern_give_the_same(words, photo, tmp_path):
    for number in range(5):
        Image.fromarray(np.roll(photo, 9 * number, axis=1)[: 64 + 32 * (number % 2)]).save(
            tmp_path / f"{number}.png"
        )
    assert run([*words, str(tmp_path / "*.png")]) == 0
    alone = boxes(tmp_path / "out")
    assert run([*words, str(tmp_path / "*.png"), "--batch-size", "3"]) == 0
    together = boxes(tmp_path / "out")
    assert len(alone) == len(together) > 0
    for a, b in zip(alone, together, strict=True):
        assert (a["image_id"], a["category_id"]) == (b["image_id"], b["category_id"])
        np.testing.assert_allclose(a["bbox"], b["bbox"], atol=0.02)


def test_options_reach_the_pipeline(words, photo, tmp_path):
    Image.fromarray(photo).save(tmp_path / "a.png")
    words = [*words, tmp_path / "a.png", "--save", "coco", "--threshold", "0"]
    assert run(words) == 0
    every = boxes(tmp_path / "out")
    counts = {}
    for name, options in {
        "classes": ["--classes", "star,0"],
        "tiles": ["--tile", "64", "--overlap", "0.5", "--batch-size", "2"],
        "looks": ["--flip", "--scales", "1,1.5"],
    }.items():
        assert run([*words, *options]) == 0
        counts[name] = boxes(tmp_path / "out")
    assert {entry["category_id"] for entry in counts["classes"]} <= {1, 3}
    assert len(counts["classes"]) == sum(entry["category_id"] != 2 for entry in every) > 0
    assert counts["tiles"] != every != counts["looks"]


def test_suppression_is_asked_for():
    parser = argparse.ArgumentParser()
    predict.add_arguments(parser)
    for words, expected in (
        ([], None),
        (["--nms", "0.2"], Suppression(0.2)),
        (["--soft-nms", "0.3"], SoftSuppression(0.3)),
    ):
        args = parser.parse_args(["--checkpoint", "a.pth", *words])
        assert suppression(args) == expected


@pytest.mark.parametrize(
    "options, message",
    [
        (["--classes", "sqare"], "no class 'sqare'; did you mean square"),
        (["--tile", "10"], "tiles of 10 pixels are too small"),
        (["--tile", "64", "--overlap", "64"], "overlap of 64 leaves no room"),
        (["--nms", "7"], r"overlap \(IoU\) of 7"),
        (["--soft-nms", "-1"], "sigma of -1"),
        (["--save", "yollo"], "saved as 'yollo'; did you mean yolo"),
        (["--batch-size", "0"], "a batch of 0"),
        (["--stride", "0"], "stride of 0"),
        (["--scales", "1,x"], "--scales 1,x: give numbers"),
        (["--scales", "0"], "scales 0: give some from 0.1"),
        (["--precision", "int8"], "no precision 'int8'; there are fp32"),
        (["gone.jpg"], r"gone\.jpg does not exist"),
        (["https://127.0.0.1:1/clip.mp4x"], None),
    ],
)
def test_wrong_options(words, photo, tmp_path, options, message, capsys):
    Image.fromarray(photo).save(tmp_path / "a.png")
    if message is None:  # one picture of two: named and counted
        assert run([*words, *options, tmp_path / "a.png"]) == 1
        text = capsys.readouterr()
        assert "cannot fetch https://127.0.0.1:1/clip.mp4x" in text.err
        assert "1 images, 1 unreadable" in text.out
        return
    with pytest.raises(UserError, match=message):
        run([*words, tmp_path / "a.png", *options])
    assert not (tmp_path / "out").exists()


def test_all_unreadable_writes_nothing(words, tmp_path, capsys):
    (tmp_path / "a.png").write_text("no image")
    assert run([*words, tmp_path / "a.png"]) == 1
    assert "0 images, 1 unreadable" in capsys.readouterr().out
    assert not (tmp_path / "out").exists()


def test_a_url_or_a_pattern_first_is_no_config(tiny_checkpoint, photo, tmp_path):
    Image.fromarray(photo).save(tmp_path / "a.png")
    content = torch.load(tiny_checkpoint, weights_only=True)
    content["config"] = yaml_text(to_plain(LazyConfig.load(resolve_config("aligndetr_tiny"))))
    torch.save(content, tmp_path / "described.pth")
    first = [
        str(tmp_path / "*.png"),
        "train.device=cpu",
        "--checkpoint",
        tmp_path / "described.pth",
    ]
    assert run([*first, "--output", tmp_path / "out"]) == 0


def test_a_video(words, tmp_path, capsys):
    av = pytest.importorskip("av")
    with av.open(str(tmp_path / "clip.mp4"), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.height, stream.width = 64, 96
        for number in range(8):
            pixels = np.random.default_rng(number).integers(0, 256, (64, 96, 3), dtype=np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())
    assert run([*words, tmp_path / "clip.mp4", "--stride", "3", "--batch-size", "2"]) == 0
    assert "3 images, 0 unreadable" in capsys.readouterr().out
    out = tmp_path / "out"
    names = sorted(path.name for path in out.iterdir())
    assert names == ["clip.mp4", "predictions.json", "predictions.jsonl"]
    lines = [json.loads(line) for line in (out / "predictions.jsonl").read_text().splitlines()]
    assert [(line["frame"], line["seconds"]) for line in lines] == [(0, 0.0), (3, 0.3), (6, 0.6)]
    with av.open(str(out / "clip.mp4")) as container:
        assert sum(1 for _ in container.decode(video=0)) == 3


def test_on_a_terminal_there_is_a_bar(words, photo, tmp_path, capsys, monkeypatch):
    Image.fromarray(photo).save(tmp_path / "a.png")
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    assert run([*words, tmp_path / "a.png"]) == 0
    assert "images/s" in (text := capsys.readouterr().out)
    assert "[1/1]" not in text
