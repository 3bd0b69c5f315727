"""What `aligndetr shard` writes, read by the standard library."""

import io
import json
import subprocess
import tarfile

import numpy as np
import pytest
from PIL import Image

from aligndetr import cli
from aligndetr.data import load_dataset, read_image
from aligndetr.data.conversion import convert
from aligndetr.errors import DataError
from tests.data.shards.conftest import IMAGES, NUMBER


def comparable(record):
    return {key: value for key, value in record.items() if key != "file_name"}


def test_records_and_pixels_are_those_of_the_files(files, dataset):
    expected = load_dataset("files", *files)
    assert dataset.class_names == expected.class_names
    assert dataset.category_ids == expected.category_ids
    assert list(map(comparable, dataset)) == list(map(comparable, expected))
    for packed, loose in zip(dataset, expected, strict=True):
        np.testing.assert_array_equal(
            read_image(packed["file_name"]), read_image(loose["file_name"])
        )


def test_the_layout_is_webdatasets(shards, files):
    """Neighbours in a tar with one key, which ends at the first dot, are a sample."""
    content = json.loads(files[0].read_text())
    boxes = {a["image_id"]: a["bbox"] for a in content["annotations"]}
    keys, seen = [], {}
    tars = sorted(shards.glob("*.tar"))
    assert [tar.name for tar in tars] == [f"all-{n:06d}.tar" for n in range(len(tars))]
    assert len(tars) >= 3
    for path in tars:
        with tarfile.open(path) as tar:
            members = tar.getmembers()
            for image, text in zip(members[::2], members[1::2], strict=True):
                key, _, suffix = image.name.partition(".")
                assert text.name == f"{key}.json"
                assert suffix == "png"
                sample = json.loads(tar.extractfile(text).read())
                pixels = Image.open(io.BytesIO(tar.extractfile(image).read()))
                assert pixels.size == (sample["width"], sample["height"])
                assert sample["file_name"] == f"{sample['id']}.png"
                seen[sample["id"]] = [a["bbox"] for a in sample["annotations"]]
                keys.append(key)
    assert len(set(keys)) == NUMBER
    assert seen == {i: [boxes[i]] if i in boxes else [] for i, _ in IMAGES}
    assert list(seen) != sorted(seen)  # neighbours of the data are no neighbours here


def test_the_same_data_gives_the_same_shards(files, shards, tmp_path):
    subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=shards, check=True)
    convert(files[0], tmp_path / "again", "shards", shard_bytes=12_000)
    assert (tmp_path / "again" / "SHA256SUMS").read_text() == (shards / "SHA256SUMS").read_text()


def test_shards_become_files_again(files, shards, tmp_path):
    convert(shards, tmp_path / "loose", "coco")
    again, first = load_dataset(None, path=tmp_path / "loose"), load_dataset("files", *files)
    assert list(map(comparable, again)) == list(map(comparable, first))
    for one, other in zip(again, first, strict=True):
        with open(one["file_name"], "rb") as a, open(other["file_name"], "rb") as b:
            assert a.read() == b.read()


def test_the_command(write_form, tmp_path, capsys):
    out = tmp_path / "packed"
    assert cli.main(["shard", str(write_form("voc")), str(out), "--shard-mb", "0.005"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("train: 12 images, ")
    assert "val: 4 images, " in text
    assert len(load_dataset(None, path=out, split="val")) == 4
    assert len(load_dataset(None, path=out, split="train").layout.paths) > 1
    assert cli.main(["shard", str(out), str(out)]) == 2
    assert "exists: choose another" in capsys.readouterr().err
    assert cli.main(["shard", str(out), str(out) + "2", "--shard-mb", "-1"]) == 2


def test_a_missing_image_leaves_nothing_behind(files, tmp_path):
    (files[1] / "3.png").unlink()
    with pytest.raises(DataError, match=r"3\.png does not exist"):
        convert(files[0], tmp_path / "packed", "shards")
    assert not (tmp_path / "packed").exists()


def test_a_damaged_index_is_named(shards):
    path = shards / "all.shards.json.gz"
    for content in (path.read_bytes()[:-30], b"no gzip"):
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"all\.shards\.json\.gz"):
            load_dataset(None, path=shards)
