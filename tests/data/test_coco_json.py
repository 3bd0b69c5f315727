import json

import pytest

from aligndetr.data.coco_json import read_coco_json
from aligndetr.errors import DataError


def test_broken_json_says_where(tmp_path):
    path = tmp_path / "broken.json"
    path.write_text('{"images": [],\n "annotations": [{"id": 1,')
    # The second line has 26 characters; a name is expected after them.
    with pytest.raises(DataError, match=r"broken\.json is not valid JSON: .* line 2, column 27"):
        read_coco_json(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "holds a list"),
        ({"images": []}, "no list 'categories'"),
        ({"images": [{"id": 4, "file_name": "a", "width": 3}]}, r"images\[0\] \(id 4\) lacks heig"),
        (
            {"images": [{"id": 4, "file_name": "a", "width": 3, "height": None}], "categories": []},
            r"images\[0\] \(id 4\) has height None; it must be a whole number",
        ),
        (
            {"images": [], "categories": [], "annotations": [{"id": 8, "image_id": 1}]},
            r"annotations\[0\] \(id 8\) lacks category_id, bbox",
        ),
    ],
)
def test_what_is_not_coco_is_refused(tmp_path, content, message):
    path = tmp_path / "file.json"
    path.write_text(json.dumps(content))
    with pytest.raises(DataError, match=message):
        read_coco_json(path)
