import json
import logging

import pytest

from aligndetr.data.formats import Source
from aligndetr.data.records import read_records
from aligndetr.errors import DataError

IMAGES = [(7, (40, 60)), (5, (50, 30))]


def test_records_use_contiguous_classes_in_order_of_their_ids(coco_folder):
    paths = coco_folder(
        IMAGES,
        [
            {"image_id": 7, "category_id": 17, "bbox": [1, 2, 3, 4]},
            {"image_id": 7, "category_id": 1, "bbox": [5, 6, 7.5, 8], "area": 11, "iscrowd": 1},
            {"image_id": 5, "category_id": 3, "bbox": [0, 0, 2, 2]},
        ],
    )
    content = read_records(Source(*paths))
    assert content.category_ids == [1, 3, 17]
    assert content.class_names == ["person", "car", "cat"]
    assert [record["image_id"] for record in content.records] == [5, 7]
    first, second = content.records[1]["annotations"]
    # Without an area in the file: 3 * 4 = 12.
    assert first == {"bbox": [1, 2, 3, 4], "category_id": 2, "iscrowd": 0, "area": 12, "id": 1}
    assert (second["category_id"], second["iscrowd"], second["area"]) == (0, 1, 11)
    assert content.records[0]["annotations"][0]["category_id"] == 1
    assert (content.records[1]["height"], content.records[1]["width"]) == (40, 60)


def test_boxes_without_size_are_left_out_and_counted(coco_folder, caplog):
    boxes = [
        [1, 1, 0, 5],
        [1, 1, 5, 0],
        [1, 1, 5, -2],
        [1, 1, 5, 5],
    ]
    paths = coco_folder(IMAGES, [{"image_id": 7, "category_id": 1, "bbox": box} for box in boxes])
    with caplog.at_level(logging.WARNING):
        content = read_records(Source(*paths))
    assert [a["id"] for a in content.records[1]["annotations"]] == [4]
    assert "left out 3 boxes" in caplog.text
    assert "1, 2, 3" in caplog.text


def test_file_without_annotations_has_images_only(coco_folder):
    path, folder = coco_folder(IMAGES, [])
    content = json.loads(path.read_text())
    del content["annotations"]
    path.write_text(json.dumps(content))
    assert [record["annotations"] for record in read_records(Source(path, folder)).records] == [
        [],
        [],
    ]


def test_references_to_nothing_are_named(coco_folder):
    good = {"image_id": 7, "category_id": 1, "bbox": [1, 1, 5, 5]}
    paths = coco_folder(IMAGES, [good, {**good, "image_id": 99}])
    with pytest.raises(DataError, match=r"\[1\] \(id 2\) has image_id 99, .* images are 5, 7$"):
        read_records(Source(*paths))
    paths = coco_folder(IMAGES, [good, {**good, "category_id": 2}])
    with pytest.raises(DataError, match=r"\(id 2\) has category_id 2, .* categories are 1, 3, 17$"):
        read_records(Source(*paths))


def test_repeated_ids_are_named(coco_folder):
    with pytest.raises(DataError, match=r"images must have unique ids; repeated: 7$"):
        read_records(Source(*coco_folder([*IMAGES, (7, (40, 60))], [])))
    with pytest.raises(DataError, match=r"categories must have unique ids; repeated: 3$"):
        read_records(Source(*coco_folder(IMAGES, [], categories=[(3, "car"), (3, "cat")])))


def test_missing_file_and_folder(coco_folder, tmp_path):
    path, _ = coco_folder(IMAGES, [])
    with pytest.raises(DataError, match=r"nothing\.json does not exist; check json_file"):
        read_records(Source(tmp_path / "nothing.json", tmp_path))
    with pytest.raises(DataError, match=r"image folder .*nowhere does not exist; check image_root"):
        read_records(Source(path, tmp_path / "nowhere"))
