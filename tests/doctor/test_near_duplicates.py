import json

import numpy as np
import pytest
from PIL import Image

from aligndetr.data import near_duplicates
from aligndetr.data.formats import Source
from aligndetr.doctor import examine, find_leaks
from aligndetr.errors import DataError

pytest.importorskip("imagehash")


def picture(seed):
    coarse = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((160, 120), Image.Resampling.BICUBIC)


@pytest.fixture
def dataset(tmp_path):
    """Writes pictures, a dict from file name to picture, as a dataset without boxes."""

    def write(name, pictures):
        folder = tmp_path / name
        folder.mkdir()
        images = []
        for number, (file_name, image) in enumerate(pictures.items()):
            image.save(folder / file_name)
            size = {"width": image.width, "height": image.height}
            images.append({"id": number, "file_name": file_name, **size})
        content = {"images": images, "categories": [{"id": 1, "name": "a"}]}
        (folder / "boxes.json").write_text(json.dumps(content))
        return Source(folder / "boxes.json", folder)

    return write


def alike(report):
    found = {f.title: f.examples for f in report.findings}
    return found.get("images look alike (keep them in one split)", [])


def test_saved_again_smaller_or_darker_is_alike_and_others_are_not(dataset):
    pictures = {f"{n}.png": picture(n) for n in range(12)}
    pictures["again.jpg"] = picture(1)
    pictures["smaller.png"] = picture(2).resize((100, 75))
    pictures["darker.png"] = picture(3).point(lambda value: int(value * 0.8))
    pictures["equal.png"] = picture(4)
    report = examine("a", dataset("a", pictures))
    assert set(alike(report)) == {"1.png ~ again.jpg", "2.png ~ smaller.png", "3.png ~ darker.png"}
    same = {f.title: f.examples for f in report.findings}["images have the same pixels"]
    assert same == ["4.png = equal.png"]


def test_a_split_that_leaks(dataset):
    train = examine("train", dataset("train", {f"{n}.png": picture(n) for n in range(4)}))
    val = examine(
        "val", dataset("val", {"v.jpg": picture(2), "w.png": picture(3), "x.png": picture(9)})
    )
    same, near = find_leaks([train, val])
    assert same.examples == ["3.png = w.png"]
    title = "images of train look like images of val (the split leaks); leave those of train out"
    assert near.title == title
    assert near.examples == ["2.png ~ v.jpg"]


def test_groups_are_connected(monkeypatch):
    hashes = np.zeros((5, 64), dtype=bool)
    hashes[1, :8] = True  # 8 bits from 0
    hashes[2, :16] = True  # 8 from 1, 16 from 0
    hashes[3, :25] = True  # 9 from 2
    hashes[4] = True
    assert list(near_duplicates.close_pairs(hashes[:1], hashes)) == [(0, 0), (0, 1)]
    groups = near_duplicates.group(hashes)
    assert groups[0] == groups[1] == groups[2]
    assert len(set(groups.tolist())) == 3
    monkeypatch.setattr(near_duplicates, "_AT_ONCE", 5)  # a row at a time
    np.testing.assert_array_equal(near_duplicates.group(hashes), groups)


def test_without_the_library_the_doctor_says_what_it_leaves_out(dataset, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "imagehash", None)
    report = examine("a", dataset("a", {"1.png": picture(1), "2.jpg": picture(1)}))
    assert not alike(report)
    assert "pip install 'aligndetr[data]'" in dict(report.facts)["not done"]
    with pytest.raises(DataError, match="pip install"):
        near_duplicates.hash_files([])
