"""COCO's json, CSV, JSON lines and YOLO's labels, by hand; and what is left after a break."""

import json
from fractions import Fraction
from pathlib import Path

import pytest

from aligndetr.errors import UserError
from aligndetr.runtime.prediction.picture import Frame, upright_rgb
from aligndetr.runtime.prediction.writers import lines
from aligndetr.runtime.prediction.writers.outputs import FORMATS, Outputs
from tests.runtime.prediction.toy import grey, prediction

ONE = {"boxes": [[10.0, 5.0, 30.5, 15.0]], "scores": [0.75], "classes": [1]}


def write(folder, predictions, *formats):
    with Outputs(folder, formats, ["cat", "a/dog"], 2) as outputs:
        for each in predictions:
            outputs.add(each)
    return outputs


def test_coco_by_hand(tmp_path):
    given = prediction(**ONE)
    write(tmp_path, [prediction("e.png"), given], "coco")
    assert given.found.boxes.tolist() == [[10.0, 5.0, 30.5, 15.0]]  # left as it was
    assert json.loads((tmp_path / "predictions.json").read_text()) == {
        "images": [
            {"id": 1, "file_name": "e.png", "height": 50, "width": 60},
            {"id": 2, "file_name": "x.png", "height": 50, "width": 60},
        ],
        "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "a/dog"}],
        "annotations": [
            {
                "id": 1,
                "image_id": 2,
                "category_id": 2,
                "bbox": [10.0, 5.0, 20.5, 10.0],  # 30.5 - 10, 15 - 5
                "area": 205.0,
                "score": 0.75,
                "iscrowd": 0,
            }
        ],
    }


def test_csv_and_json_lines_by_hand(tmp_path):
    frame = Frame("clip.mp4", Path("clip"), 12, 0.48, Fraction(25))
    both = [prediction(**ONE), prediction("clip.mp4#12", frame=frame, **ONE), prediction("e.png")]
    write(tmp_path, both, "csv", "jsonl")
    assert (tmp_path / "predictions.csv").read_text().splitlines() == [
        "image,frame,seconds,class,name,score,x0,y0,x1,y1",
        "x.png,,,1,a/dog,0.75,10.0,5.0,30.5,15.0",
        "clip.mp4,12,0.48,1,a/dog,0.75,10.0,5.0,30.5,15.0",
    ]
    objects = [{"class": 1, "name": "a/dog", "score": 0.75, "box": [10.0, 5.0, 30.5, 15.0]}]
    size = {"height": 50, "width": 60}
    read = [json.loads(line) for line in (tmp_path / "predictions.jsonl").read_text().splitlines()]
    assert read == [
        {"image": "x.png", **size, "objects": objects},
        {"video": "clip.mp4", "frame": 12, "seconds": 0.48, **size, "objects": objects},
        {"image": "e.png", **size, "objects": []},
    ]


def test_yolo_by_hand(tmp_path):
    wide = {**ONE, "boxes": [[12.0, 5.0, 36.0, 15.0]]}
    write(tmp_path, [prediction("in/x.jpg", **wide), prediction("in/x.png")], "yolo")
    # x (12 + 36) / 2 / 60, y (5 + 15) / 2 / 50, width 24 / 60, height 10 / 50
    line = "1 0.400000 0.200000 0.400000 0.200000 0.750000\n"
    assert (tmp_path / "labels" / "in" / "x.txt").read_text() == line
    assert (tmp_path / "labels" / "in" / "x.png.txt").read_text() == ""
    assert (tmp_path / "classes.txt").read_text() == "cat\na/dog\n"


def test_crops_are_the_pixels_of_their_boxes(tmp_path):
    pixels = grey(9, 50, 60)
    pixels[5:15, 10:31] = 200  # 30.5 is widened to 31
    outside = [[-4.0, 48.2, 3.0, 70.0]]
    boxes, scores = ONE["boxes"] + outside, [0.75, 0.5]
    write(tmp_path, [prediction("in/x.png", boxes, scores, [1, 0], pixels)], "crops")
    dog = upright_rgb(tmp_path / "crops" / "a_dog" / "in" / "x_1.png")
    assert (dog.shape, dog.min(), dog.max()) == ((10, 21, 3), 200, 200)
    assert upright_rgb(tmp_path / "crops" / "cat" / "in" / "x_2.png").shape == (2, 3, 3)


def test_what_came_before_a_break_is_kept_whole(tmp_path):
    """The user, or an error: each table can be read, and nothing unfinished is left."""
    for error in (KeyboardInterrupt, ValueError):
        folder = tmp_path / error.__name__

        def broken(error=error):
            yield prediction(**ONE)
            raise error

        with pytest.raises(error):
            write(folder, broken(), *FORMATS)
        assert len(json.loads((folder / "predictions.json").read_text())["annotations"]) == 1
        assert len((folder / "predictions.csv").read_text().splitlines()) == 2
        assert len((folder / "predictions.jsonl").read_text().splitlines()) == 1
        assert (folder / "x.png").is_file()
        assert not list(folder.rglob("*.part"))


def test_a_disk_that_becomes_full_leaves_no_half_a_file(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(lines.json, "dumps", full)
    with pytest.raises(UserError, match=r"predictions.jsonl: No space left .*; free some space"):
        write(tmp_path, [prediction(**ONE)], "jsonl")
    assert [path.name for path in tmp_path.iterdir()] == ["predictions.jsonl"]
    assert (tmp_path / "predictions.jsonl").read_text() == ""


def test_nothing_predicted_writes_nothing(tmp_path):
    outputs = write(tmp_path, [], *FORMATS)
    assert list(tmp_path.iterdir()) == outputs.paths == []


def test_unknown_format(tmp_path):
    with pytest.raises(UserError, match=r"saved as 'cocoo'; did you mean coco\?"):
        Outputs(tmp_path, ["cocoo"], None, 2)
