import json
import os
import pickle

import pytest

from aligndetr.data.coco_json import read_coco_json
from aligndetr.data.entries import EntriesError
from aligndetr.errors import DataError


def test_broken_json_says_where(tmp_path):
    path = tmp_path / "broken.json"
    path.write_text('{"images": [],\n "annotations": [{"id": 1,')
    # The second line has 26 characters; a name is expected after them.
    with pytest.raises(DataError, match=r"broken\.json is not valid JSON: .* line 2, column 27"):
        read_coco_json(path)


IMAGE = {"id": 4, "file_name": "a", "height": 2, "width": 3}
CAT = {"id": 1, "name": "cat"}


def changed(**values):
    """A file with one entry in each list, one of which has other values."""
    entries = {
        "images": dict(IMAGE),
        "annotations": {"id": 8, "image_id": 4, "category_id": 1, "bbox": [0, 0, 2, 2]},
        "categories": dict(CAT),
    }
    for part, entry in values.items():
        entries[part].update(entry)
    return {part: [entry] for part, entry in entries.items()}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "holds a list"),
        ({"images": [IMAGE]}, "no list 'categories'"),
        ({"images": []}, "has no images: the list is empty"),
        ({"images": [{"id": 4, "file_name": "a", "width": 3}]}, r"images\[0\] \(id 4\) lacks heig"),
        ({"images": [[]]}, r"images\[0\] lacks id, file_name, height, width"),
        (
            {"images": [IMAGE], "categories": [CAT], "annotations": [{"id": 8, "image_id": 1}]},
            r"annotations\[0\] \(id 8\) lacks category_id, bbox",
        ),
        (changed(images={"height": None}), r"\(id 4\) has height None; it must be a whole number"),
        (
            changed(images={"id": float("nan")}),
            r"images\[0\] \(id nan\) has id nan; .* whole",
        ),
        (changed(images={"id": True}), "has id True; it must be a whole number"),
        (changed(images={"width": 0}), "has width 0; it must be a whole number .* from 1"),
        (changed(images={"id": 2**63}), "has id 9223372036854775808; .* at most 64 bits"),
        (changed(images={"file_name": 5}), "has file_name 5; it must be a text"),
        (changed(images={"file_name": "\ud800"}), r"has file_name '\\ud800'; it must be a text"),
        (changed(categories={"name": ["cat"]}), r"categories\[0\] \(id 1\) has name \['cat'\]"),
        (changed(categories={"name": ""}), "has name ''; it must be a text of 1 to"),
        (changed(annotations={"bbox": ["0", "0", "2", "2"]}), "has bbox .*; .* four numbers"),
        (changed(annotations={"bbox": [0, 0, 2, 10**400]}), r"has bbox .*0\.\.\.0.*; .* to 1e9"),
        (changed(annotations={"iscrowd": 2}), "has iscrowd 2; it must be 0 or 1"),
        (changed(annotations={"area": "4"}), "has area '4'; it must be a number"),
        (changed(annotations={"id": "x"}), r"annotations\[0\] \(id 'x'\) has id 'x'"),
    ],
)
def test_what_is_not_coco_is_refused(tmp_path, content, message):
    path = tmp_path / "file.json"
    path.write_text(json.dumps(content))
    with pytest.raises(DataError, match=message):
        read_coco_json(path)


def test_whole_numbers_become_int(tmp_path):
    path = tmp_path / "file.json"
    annotation = {"image_id": 4.0, "iscrowd": True, "area": 4}
    path.write_text(json.dumps(changed(images={"width": 3.0}, annotations=annotation)))
    content = read_coco_json(path)
    numbers = [content["images"][0]["width"]]
    numbers += [content["annotations"][0][key] for key in ("image_id", "iscrowd", "area")]
    assert [(type(number), number) for number in numbers] == [
        (int, 3), (int, 4), (int, 1), (float, 4.0)
    ]  # fmt: skip


def test_all_defects_are_kept_also_through_pickle(tmp_path):
    path = tmp_path / "file.json"
    path.write_text(json.dumps(changed(images={"id": None, "width": -1}, annotations={"id": None})))
    with pytest.raises(EntriesError, match=r"has id None; .* \(and 1 more\)$") as caught:
        read_coco_json(path)
    again = pickle.loads(pickle.dumps(caught.value))
    assert str(again) == str(caught.value)
    assert again.defects[1].startswith("images[0] (id None) has width -1; it must be")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (100_000 * "[", "nests too deeply"),
        (f'{{"images": [{9 * "9" * 1000}]}}', "thousands of digits"),
        (b"\xff\xfe", "is not a text file"),
    ],
)
def test_what_python_cannot_parse_is_named(tmp_path, text, message):
    path = tmp_path / "file.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(DataError, match=rf"file\.json .*{message}"):
        read_coco_json(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.json")
    with pytest.raises(DataError, match=r"cannot read .*pipe\.json: not a regular file"):
        read_coco_json(tmp_path / "pipe.json")
