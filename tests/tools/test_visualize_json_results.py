"""`tools/visualize_json_results.py` from the command line."""

import json
import runpy
from pathlib import Path

import pytest
from PIL import Image

TOOL = Path(__file__).parents[2] / "tools" / "visualize_json_results.py"


@pytest.fixture
def words(tmp_path):
    """Two grey images of 640 x 480, and one detection with a score of 0.4 in the first."""
    images = []
    for number in (1, 2):
        Image.new("RGB", (640, 480), (90, 90, 90)).save(tmp_path / f"{number}.png")
        entry = {"id": number, "file_name": f"{number}.png", "height": 480, "width": 640}
        images.append(entry)
    content = {"images": images, "categories": [{"id": 7, "name": "dog"}], "annotations": []}
    (tmp_path / "truth.json").write_text(json.dumps(content))
    found = {"image_id": 1, "category_id": 7, "bbox": [100, 200, 60, 80], "score": 0.4}
    (tmp_path / "results.json").write_text(json.dumps([found]))
    words = {"input": "results.json", "json-file": "truth.json", "image-root": "", "output": "out"}
    return [word for key, name in words.items() for word in (f"--{key}", str(tmp_path / name))]


def is_drawn(path):
    """Whether the predictions' half, on the right, has anything but grey below its caption."""
    with Image.open(path) as picture:
        right = picture.crop((picture.width - 640, picture.height - 480, *picture.size))
        return len(right.convert("RGB").getcolors(10**6)) > 1


@pytest.mark.parametrize("flag", ["--threshold", "--conf-threshold"])
def test_a_threshold_under_both_names(words, tmp_path, flag):
    main = runpy.run_path(str(TOOL))["main"]
    assert main([*words, "--dataset", "mine", flag, "0.3", "--num-images", "1"]) == 0
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["1.png"]
    assert is_drawn(tmp_path / "out" / "1.png")
    assert main([*words, "--dataset", "mine", flag, "0.5"]) == 0
    assert not is_drawn(tmp_path / "out" / "1.png")
    assert (tmp_path / "out" / "2.png").exists()


def test_a_missing_file_is_named(words, capsys):
    main = runpy.run_path(str(TOOL))["main"]
    assert main([*words, "--dataset", "mine", "--input", "nothing.json"]) == 2
    assert "nothing.json" in capsys.readouterr().err
