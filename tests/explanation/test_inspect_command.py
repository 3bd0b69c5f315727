"""`aligndetr inspect` from the command line."""

import json

import numpy as np
import pytest
from PIL import Image

from aligndetr import cli
from aligndetr.engine.checkpoint import Checkpointer
from aligndetr.runtime.guarded import USER_ERROR

NAMES = ["disk", "square", "star"]


@pytest.fixture(scope="module")
def checkpoint(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkpoint")
    Checkpointer(model, folder, extra={"class_names": NAMES}).save("model_final", iteration=0)
    return folder / "model_final.pth"


@pytest.fixture
def files(tmp_path, image):
    """Two images, of which the second has an object, and their annotations."""
    for name in ("a.png", "b.png"):
        Image.fromarray(np.ascontiguousarray(image)).save(tmp_path / name)
    box = {"bbox": [8, 12, 32, 48], "area": 1536, "iscrowd": 0}
    content = {
        "images": [
            {"id": index, "file_name": name, "height": 96, "width": 128}
            for index, name in ((5, "a.png"), (7, "b.png"))
        ],
        "categories": [{"id": i, "name": name} for i, name in enumerate(NAMES, start=1)],
        "annotations": [{"id": 1, "image_id": 7, "category_id": 3, **box}],
    }
    (tmp_path / "truth.json").write_text(json.dumps(content))
    return tmp_path


def inspect(files, *words):
    return cli.main(["inspect", "aligndetr_tiny", *map(str, words), "--output", str(files / "out")])


def dataset(files):
    keys = {"names": "mine", "json_file": files / "truth.json", "image_root": files}
    return [f"dataloader.test.dataset.{key}={value}" for key, value in keys.items()]


def test_an_image_of_the_dataset(files, checkpoint, capsys):
    words = ["--checkpoint", checkpoint, "--image-id", 7, *dataset(files)]
    assert inspect(files, *words) == 0
    out = capsys.readouterr().out
    assert "layer 1: 2 queries for 1 objects" in out
    assert "layer 3: 1 queries for 1 objects" in out
    written = {path.name for path in (files / "out").iterdir()}
    assert written == {"matches.png", "sampling.png", "inspect.html"}
    assert "aligndetr_tiny on b.png (id 7)" in (files / "out" / "inspect.html").read_text()


def test_a_file_with_annotations(files, checkpoint, capsys):
    words = ["--image", files / "b.png", "--json-file", files / "truth.json"]
    assert inspect(files, "--checkpoint", checkpoint, *words, "--layer", 3, "--query", 2) == 0
    out = capsys.readouterr().out
    assert "1 objects" in out
    assert "layer 1" not in out


def test_a_file_alone_shows_detections(files, checkpoint, capsys):
    words = ["--image", files / "b.png", "--threshold", 0]
    assert inspect(files, "--checkpoint", checkpoint, *words) == 0
    assert "layer 3: 12 detections, IoU with the last layer" in capsys.readouterr().out


def test_random_weights_are_named(files, capsys):
    assert inspect(files, *dataset(files)) == 0
    out = capsys.readouterr().out
    assert "the weights are random" in out
    assert "0 queries for 0 objects" in out  # the first image has none


@pytest.mark.parametrize(
    "words, message",
    [
        (["--image-id", 3], "mine has no image with id 3; its first ids are 5, 7"),
        (["--json-file", "x.json"], "--json-file describes --image: give both"),
        (["--image", "x.png", "--image-id", 3], "leave out --image-id and --dataset"),
        (["--image", "x.png"], "give --checkpoint"),
        (["--dataset", "nowhere"], "unknown dataset 'nowhere'"),
        (["--layer", 4], "there is no layer 4; layers are 0, 1, 2, 3"),
        (["--query", 40], "there is no query 40; queries are 0 to 39"),
        (["--checkpoint", "nothing.pth"], "nothing.pth"),
    ],
)
def test_wrong_requests_end_in_a_sentence(files, words, message, capsys):
    assert inspect(files, *dataset(files), *words) == USER_ERROR
    assert message in capsys.readouterr().err
    assert not (files / "out").exists()


def test_an_image_that_the_annotations_do_not_know(files, checkpoint, capsys):
    Image.new("RGB", (128, 96)).save(files / "c.png")
    words = ["--image", files / "c.png", "--json-file", files / "truth.json"]
    assert inspect(files, "--checkpoint", checkpoint, *words) == USER_ERROR
    assert "truth.json has no image c.png" in capsys.readouterr().err


def test_sampling_points_of_dense_attention_are_refused(files, capsys):
    words = ["inspect", "detr_tiny", *dataset(files), "--output", str(files / "out")]
    assert cli.main([*words, "--query", "0"]) == USER_ERROR
    assert "attends to all tokens" in capsys.readouterr().err
    assert cli.main(words) == 0
    assert not (files / "out" / "sampling.png").exists()
