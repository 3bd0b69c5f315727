"""Shards that are missing or damaged: named, tried again, then stopped at or left out."""

import logging
from itertools import islice

import pytest

from aligndetr.data import DetrMapper, build_test_loader, build_train_loader
from aligndetr.data.formats import recognise
from aligndetr.data.shards import member, member_of, read_member
from aligndetr.data.shards.member import ShardError
from aligndetr.doctor import examine
from aligndetr.errors import DataError
from tests.data.shards.conftest import NUMBER


def missing(path):
    path.unlink()


def truncated(path):
    path.write_bytes(path.read_bytes()[:700])


def overwritten(path):
    path.write_bytes(b"\xff" * path.stat().st_size)


def of_other_data(path):
    """The header is right, but of another image."""
    content = path.read_bytes()
    name = content[: content.index(b"\0")]
    other = name.replace(b"_", b"-", 1)
    shift = ord("-") - ord("_")  # the header's checksum is the sum of its bytes, in octal digits
    total = int(content[148:154], 8) + shift
    path.write_bytes(other + content[len(name) : 148] + b"%06o" % total + content[154:])


DAMAGE = {
    missing: "it does not exist",
    truncated: "it is shorter than its index says",
    overwritten: "it is damaged, or another than its index describes",
    of_other_data: "where its index says",
}


def first_of(dataset, shard):
    """The image that lies first in a shard."""
    layout = dataset.layout
    index = min(layout.near(int((layout.shards == shard).argmax())), key=lambda i: layout.places[i])
    return dataset[int(index)]["file_name"]


@pytest.mark.parametrize("harm", DAMAGE)
def test_a_broken_shard_is_named_after_three_attempts(dataset, harm, caplog):
    path = dataset.layout.paths[1]
    harm(path)
    with pytest.raises(ShardError, match=rf"{path.name} cannot be read: .*{DAMAGE[harm]}.*3 times"):
        read_member(member_of(first_of(dataset, 1)))
    assert caplog.text.count("tried again") == 2
    with pytest.raises(ShardError):
        read_member(member_of(first_of(dataset, 1)))
    assert caplog.text.count("tried again") == 2  # given up for a while


def test_what_comes_back_is_read(dataset, monkeypatch):
    path = dataset.layout.paths[1]
    content = path.read_bytes()
    path.unlink()
    monkeypatch.setattr(member.time, "sleep", lambda seconds: path.write_bytes(content))
    assert len(read_member(member_of(first_of(dataset, 1)))) > 1000


def test_what_was_given_up_is_tried_again_later(dataset, monkeypatch):
    path, name = dataset.layout.paths[1], first_of(dataset, 1)
    content = path.read_bytes()
    path.unlink()
    with pytest.raises(ShardError):
        read_member(member_of(name))
    path.write_bytes(content)
    with pytest.raises(ShardError):
        read_member(member_of(name))
    monkeypatch.setattr(member, "GIVEN_UP_S", 0.0)
    assert read_member(member_of(name))


@pytest.mark.parametrize("workers", [0, 1])
def test_training_stops_or_leaves_the_shard_out(dataset, workers, caplog):
    missing(dataset.layout.paths[1])
    strict = build_train_loader(dataset, DetrMapper([]), 2, workers)
    with pytest.raises(DataError, match=r"all-00000\d\.tar cannot be read"):
        list(islice(strict, 10))
    lost = {dataset[i]["image_id"] for i in (dataset.layout.shards == 1).nonzero()[0].tolist()}
    mapper = DetrMapper([], skip_broken_images=True)
    loader = build_train_loader(dataset, mapper, 2, workers, shuffle_buffer=2)
    with caplog.at_level(logging.WARNING):
        seen = [item["image_id"] for batch in islice(loader, 20) for item in batch]
    assert len(seen) == 40
    assert set(seen) == set(range(1, NUMBER + 1)) - lost
    assert len(loader.skipped) == 1  # the shard, not each of its images
    assert caplog.text.count("(1 so far): shard ") == 1


def test_evaluation_leaves_the_shard_out_if_it_may(dataset):
    missing(dataset.layout.paths[0])
    lost = int((dataset.layout.shards == 0).sum())
    mapper = DetrMapper([], is_train=False, skip_broken_images=True)
    found = [item for batch in build_test_loader(dataset, mapper, 1, 0) for item in batch]
    assert len(found) == NUMBER - lost


def findings(folder, **options):
    report = examine("packed", recognise(folder), **options)
    return report, {(f.level, f.title): f for f in report.findings}


def test_the_doctor_counts_shards_and_what_is_wrong_with_them(shards, dataset):
    count = len(dataset.layout.paths)
    report, found = findings(shards)
    assert not report.count("error")
    assert dict(report.facts)["shards"] == f"{count}, {count} here with 0.0 GB"
    paths = sorted(shards.glob("*.tar"))
    paths[0].unlink()
    content = bytearray(paths[1].read_bytes())
    content[-5] ^= 1  # in the padding at the end: each image still is what it was
    paths[1].write_bytes(content)
    _, found = findings(shards)
    assert found["error", "shards are missing"].examples == [paths[0].name]
    assert found["error", "shards are damaged: they have another SHA-256"].examples == [
        paths[1].name
    ]
    lost = sum(dataset.layout.paths[s].name == paths[0].name for s in dataset.layout.shards)
    assert len(found["error", "images cannot be read"].examples) == lost
