"""Shards at a URL: fetched when they are needed, whole or not at all."""

import threading
from itertools import islice

import pytest

from aligndetr import cli
from aligndetr.data import DetrMapper, build_test_loader, build_train_loader, load_dataset
from aligndetr.data import augmentation as T
from aligndetr.data.conversion import convert
from aligndetr.data.shards import mirroring, read_member
from aligndetr.data.shards.mirroring import fetch_shard, mirror
from aligndetr.errors import DataError
from tests.data.shards.conftest import NUMBER


def here(folder):
    return sorted(path.name for path in folder.glob("*.tar"))


def ids(loader, number):
    return [item["image_id"] for batch in islice(loader, number) for item in batch]


def test_a_url_is_one_more_path(url, dataset):
    remote = load_dataset(None, path=url)
    assert not here(remote.layout.paths[0].parent)  # an index is all that is fetched
    strip = [{k: v for k, v in record.items() if k != "file_name"} for record in remote]
    assert strip == [{k: v for k, v in r.items() if k != "file_name"} for r in dataset]
    mapper = DetrMapper([T.RandomFlip()])
    options = dict(aspect_ratio_grouping=False, shuffle_buffer=3, seed=5)
    expected = ids(build_train_loader(dataset, mapper, 2, 0, **options), 12)
    assert ids(build_train_loader(remote, mapper, 2, 0, **options), 12) == expected
    assert ids(build_train_loader(remote, mapper, 2, 2, **options), 12) == expected
    assert here(remote.layout.paths[0].parent) == here(dataset.layout.paths[0].parent)


def test_only_what_is_needed_soon_is_fetched(url):
    remote = load_dataset(None, path=url)
    folder = remote.layout.paths[0].parent
    mapper = DetrMapper([])
    loader = iter(build_train_loader(remote, mapper, 1, 0, False, seed=5, shuffle_buffer=1))
    next(loader)
    loader.close()
    assert 1 <= len(here(folder)) < len(remote.layout.paths)


def test_other_images_come_from_the_shard_at_hand(url, monkeypatch):
    """A mosaic of images from everywhere would fetch everything."""
    remote = load_dataset(None, path=url)
    read = []
    monkeypatch.setattr(
        "aligndetr.data.images.read_member", lambda m: read.append(m.shard) or read_member(m)
    )
    loader = build_train_loader(remote, DetrMapper([T.Mosaic(32)]), 1, 0, seed=5)
    next(iter(loader))
    assert len(read) == 4
    assert len(set(read)) == 1


def test_evaluation_reads_shard_after_shard(url):
    remote = load_dataset(None, path=url)
    mapper = DetrMapper([], is_train=False)
    loader = build_test_loader(remote, mapper, 1, 0, group_by_size=False)
    order = [item["image_id"] - 1 for batch in loader for item in batch]
    assert sorted(order) == list(range(NUMBER))
    shards = remote.layout.shards[order].tolist()
    assert shards == sorted(shards)


def test_a_damaged_transfer_is_refused(url, shards):
    remote = load_dataset(None, path=url)
    original = next(shards.glob("*.tar"))
    content = bytearray(original.read_bytes())
    content[600] ^= 1
    original.write_bytes(content)
    path = remote.layout.paths[0].parent / original.name
    with pytest.raises(DataError, match=rf"{original.name} gives does not have its SHA-256"):
        fetch_shard(path)
    assert not here(path.parent)
    assert not list(path.parent.glob(".*.part"))


def test_changed_shards_are_fetched_anew(url, shards, files, tmp_path):
    remote = load_dataset(None, path=url)
    folder = remote.layout.paths[0].parent
    for path in remote.layout.paths:
        fetch_shard(path)
    assert len(here(folder)) == len(remote.layout.paths)
    same = load_dataset(None, path=url)
    assert len(here(folder)) == len(same.layout.paths)  # nothing has changed
    for path in shards.iterdir():
        path.unlink()
    shards.rmdir()
    convert(files[0], shards, "shards", shard_bytes=30_000)
    load_dataset(None, path=url)
    assert not here(folder)


def test_what_is_here_is_used_when_nobody_answers(url, shards, caplog):
    remote = load_dataset(None, path=url)
    for path in remote.layout.paths:
        fetch_shard(path)
    shards.rename(shards.with_name("away"))
    again = load_dataset(None, path=url)
    assert "what was fetched earlier is used" in caplog.text
    assert ids(build_test_loader(again, DetrMapper([], is_train=False), 1, 0), 99)


def test_what_is_no_shards_is_said(tmp_path, monkeypatch):
    monkeypatch.setenv("ALIGNDETR_SHARD_CACHE", str(tmp_path / "cache"))
    with pytest.raises(DataError, match="SHA256SUMS does not exist: no shards"):
        mirror(f"file://{tmp_path}/nothing")
    with pytest.raises(DataError, match="nosuch"):
        mirror("nosuch://bucket/data")
    (tmp_path / "SHA256SUMS").write_text(f"{'0' * 64}  ../../escaped\n")
    with pytest.raises(DataError, match="not a list of SHA-256 and file names"):
        mirror(f"file://{tmp_path}")


def test_the_cache_keeps_its_limit(url, monkeypatch):
    remote = load_dataset(None, path=url)
    folder = remote.layout.paths[0].parent
    largest = 0
    for path in remote.layout.paths:
        fetch_shard(path)
        largest = max(largest, path.stat().st_size)
        monkeypatch.setenv("ALIGNDETR_SHARD_CACHE_GB", str(1.1 * largest / 1e9))
        assert path.name in here(folder)
        assert len(here(folder)) <= 2
    mapper = DetrMapper([], is_train=False)
    assert len(ids(build_test_loader(remote, mapper, 1, 0), 99)) == NUMBER


def test_of_several_that_need_a_shard_one_fetches_it(url, monkeypatch):
    remote = load_dataset(None, path=url)
    transfer, calls = mirroring._transfer, []
    monkeypatch.setattr(mirroring, "_transfer", lambda *args: calls.append(args) or transfer(*args))
    threads = [
        threading.Thread(target=fetch_shard, args=(remote.layout.paths[0],)) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(calls) == 1


def test_the_doctor_takes_a_url(url, capsys):
    assert cli.main(["doctor", url]) == 0
    assert "0 here with 0.0 GB" in capsys.readouterr().out


def test_a_lost_shard_is_replaced_by_the_next_one_alone(url, shards, monkeypatch):
    """Each of its images by one from anywhere would fetch a shard an image."""
    monkeypatch.setattr("aligndetr.data.shards.member._given_up", {})
    remote = load_dataset(None, path=url)
    layout = remote.layout
    (shards / layout.paths[1].name).unlink()
    lost = {int(index) + 1 for index in layout.near(int((layout.shards == 1).argmax()))}
    following = {int(index) + 1 for index in (layout.shards == 2).nonzero()[0]}
    mapper = DetrMapper([], skip_broken_images=True)
    loader = build_train_loader(remote, mapper, 1, 0, False, seed=5, shuffle_buffer=1)
    items = [item for batch in islice(loader, 3 * NUMBER) for item in batch]
    for item in items:
        wanted, found = item["sample"][1] + 1, item["image_id"]
        assert found in (following if wanted in lost else {wanted})
    assert {item["sample"][1] + 1 for item in items} == set(range(1, NUMBER + 1))
    assert len(loader.skipped) == 1
