import json
import multiprocessing
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from aligndetr.data import load_dataset
from aligndetr.data.catalog import registered_names
from aligndetr.data.demo_shapes import HARD, PLAIN, draw_scene, splits
from aligndetr.data.demo_shapes.drawing import OUTLINES, outline, soft_mask
from aligndetr.data.demo_shapes.scene import run_lengths
from aligndetr.doctor import examine
from aligndetr.errors import DataError

SMALL = splits.Split(PLAIN, 60, seed=9)


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("DETECTRON2_DATASETS", str(tmp_path / "root"))
    monkeypatch.setitem(splits.SPLITS, "shapes_val", SMALL)
    return tmp_path / "root"


def files(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_the_same_files_every_time(root, tmp_path):
    folder = splits.ensure_shapes("shapes_val", root)
    again = splits.ensure_shapes("shapes_val", tmp_path / "elsewhere")
    assert files(folder) == files(again)
    assert len(list((folder / "images").iterdir())) == 60


def test_splits_share_no_picture():
    first = draw_scene(PLAIN, np.random.default_rng([splits.SPLITS["shapes_train"].seed, 0]))
    second = draw_scene(PLAIN, np.random.default_rng([splits.SPLITS["shapes_val"].seed, 0]))
    assert first.pixels.shape != second.pixels.shape or (first.pixels != second.pixels).any()
    assert len({split.seed for split in splits.SPLITS.values()}) == len(splits.SPLITS)


def test_every_split_has_a_name_that_configs_can_use():
    assert splits.SPLITS.keys() <= set(registered_names())


def test_it_loads_as_a_dataset_and_the_doctor_finds_no_error(root):
    dataset = load_dataset("shapes_val")
    assert len(dataset) == 60
    assert dataset.class_names == ["circle", "square", "triangle", "star", "ring", "cross"]
    assert dataset.category_ids == [1, 2, 4, 7, 11, 16]  # not contiguous
    report = examine("shapes", dataset.source)
    assert [finding.title for finding in report.findings if finding.level == "error"] == []


def test_it_has_what_a_detector_must_cope_with(root):
    records = list(load_dataset("shapes_val"))
    boxes = [a for record in records for a in record["annotations"]]
    objects = [a for a in boxes if not a["iscrowd"]]
    assert len(Counter(a["category_id"] for a in objects)) == 6
    assert any(a["iscrowd"] for a in boxes)
    assert any(not record["annotations"] for record in records)
    shapes_seen = {record["height"] > record["width"] for record in records}
    assert shapes_seen == {True, False}
    sides = np.array([a["bbox"][2:] for a in objects])
    assert sides.max() > 96
    assert np.median(sides) < 40
    assert 3 < len(objects) / len(records) < 6


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # pycocotools
def test_pycocotools_reads_it(root):
    from pycocotools.coco import COCO

    folder = splits.ensure_shapes("shapes_val", root)
    coco = COCO(str(folder / "instances.json"))
    crowds = coco.loadAnns(coco.getAnnIds(iscrowd=True))
    for crowd in crowds:
        ys, xs = np.nonzero(coco.annToMask(crowd))
        x, y, width, height = crowd["bbox"]
        assert (xs.min(), ys.min()) == (x, y)
        assert (xs.max() + 1, ys.max() + 1) == (x + width, y + height)
        assert len(xs) == crowd["area"]


def test_boxes_are_tight():
    # One object on its own: the pixels that it changes are those inside its box, but for its
    # soft shadow, which reaches at most 5 pixels down and right.
    style = replace(PLAIN, objects=(1, 1), clutter=(0, 0), crowd=0, empty=0)
    bare = replace(style, empty=1)
    for seed in range(8):
        scene = draw_scene(style, np.random.default_rng(seed))
        ground = draw_scene(bare, np.random.default_rng(seed)).pixels
        (annotation,) = scene.annotations
        x, y, width, height = annotation["bbox"]
        strong = np.abs(scene.pixels.astype(int) - ground).sum(axis=2) > 60
        ys, xs = np.nonzero(strong)
        assert abs(xs.min() - x) < 2.5
        assert abs(ys.min() - y) < 2.5
        assert -2.5 < xs.max() + 1 - (x + width) < 5
        assert -2.5 < ys.max() + 1 - (y + height) < 5


@pytest.mark.parametrize("style", [PLAIN, HARD])
def test_boxes_are_inside_the_picture_and_stay_visible(style):
    for seed in range(20):
        scene = draw_scene(style, np.random.default_rng(seed))
        height, width = scene.pixels.shape[:2]
        for annotation in scene.annotations:
            x, y, w, h = annotation["bbox"]
            assert 0 <= x < x + w <= width + 0.01
            assert 0 <= y < y + h <= height + 0.01


def test_the_hard_set_is_harder():
    def average(style):
        scenes = [draw_scene(style, np.random.default_rng(seed)) for seed in range(30)]
        boxes = [a["bbox"] for scene in scenes for a in scene.annotations if not a["iscrowd"]]
        return len(boxes) / 30, np.median([box[2] for box in boxes])

    (plain_count, plain_side), (hard_count, hard_side) = average(PLAIN), average(HARD)
    assert hard_count > 1.4 * plain_count
    assert hard_side < plain_side
    assert {"open_ring", "ring"} <= set(HARD.categories)


@pytest.mark.parametrize("name", list(OUTLINES))
def test_outlines_fit_the_unit_circle(name):
    for polygon in outline(name, np.random.default_rng(0)):
        assert np.linalg.norm(polygon, axis=1).max() <= 1.06  # a cross reaches sqrt(1 + 0.33^2)


def test_soft_masks_measure_coverage():
    # A rectangle from (1, 1) to (30.5, 21): 29.5 * 20 pixels. Pillow counts border pixels in, an
    # eighth of a pixel on each side on average.
    corners = np.array([[1.0, 1], [30.5, 1], [30.5, 21], [1, 21]])
    mask = soft_mask([corners], (24, 36)) / 255
    assert mask.sum() == pytest.approx(29.5 * 20, rel=0.03)
    assert mask[1, 1] == mask[20, 29] == 1
    assert 0.4 < mask[10, 30] < 0.8
    assert mask[0].max() == mask[:, 0].max() == 0
    hole = soft_mask([corners, corners], (24, 36))
    assert hole.max() == 0


def test_run_lengths_go_down_columns():
    # Columns: (0, 1), (1, 0) -> 0 1 1 0 -> one zero, two ones, one zero.
    assert run_lengths(np.array([[0, 1], [1, 0]], dtype=bool)) == [1, 2, 1]
    assert run_lengths(np.array([[1, 1]], dtype=bool)) == [0, 2]
    assert run_lengths(np.zeros((2, 2), dtype=bool)) == [4]


def test_another_version_is_drawn_anew(root):
    folder = splits.ensure_shapes("shapes_val", root)
    expected = files(folder)
    (folder / "finished.txt").write_text("0")
    (folder / "images" / "000001.png").write_bytes(b"old")
    (folder / "images" / "left_over.png").write_bytes(b"old")
    assert files(splits.ensure_shapes("shapes_val", root)) == expected


def test_a_finished_set_is_not_touched(root):
    folder = splits.ensure_shapes("shapes_val", root)
    (folder / "images" / "000001.png").write_bytes(b"mine")
    splits.ensure_shapes("shapes_val", root)
    assert (folder / "images" / "000001.png").read_bytes() == b"mine"


def test_an_interrupted_drawing_leaves_nothing_that_would_be_used(root, monkeypatch):
    def fail_late(*_args, **_kwargs):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(json, "dump", fail_late)  # all pictures are written by then
        with pytest.raises(KeyboardInterrupt):
            splits.ensure_shapes("shapes_val", root)
    assert [path.name for path in root.iterdir() if not path.name.endswith(".lock")] == []
    assert len(load_dataset("shapes_val")) == 60


def draw_in_process(root, queue):
    count = []
    original = splits.write_split
    splits.write_split = lambda *args: (count.append(1), original(*args))
    folder = splits.ensure_shapes("shapes_val", root)
    queue.put((len(count), len(list((folder / "images").iterdir()))))


def test_two_processes_at_once_draw_it_once(root):
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    processes = [context.Process(target=draw_in_process, args=(root, queue)) for _ in range(2)]
    for process in processes:
        process.start()
    results = [queue.get(timeout=60) for _ in processes]
    for process in processes:
        process.join()
    assert sorted(count for count, _ in results) == [0, 1]
    assert [images for _, images in results] == [60, 60]


def test_a_root_that_cannot_be_written_is_named(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    with pytest.raises(DataError, match="set \\$DETECTRON2_DATASETS"):
        splits.ensure_shapes("shapes_val", blocked)


def test_pictures_are_plain_rgb(root):
    folder = splits.ensure_shapes("shapes_val", root)
    with Image.open(folder / "images" / "000001.png") as image:
        assert image.mode == "RGB"


def test_a_few_images_to_try_a_large_model_with(tmp_path, monkeypatch):
    monkeypatch.setenv("DETECTRON2_DATASETS", str(tmp_path))
    train, val = load_dataset("shapes_mini_train"), load_dataset("shapes_mini_val")
    assert (len(train), len(val)) == (16, 8)
    assert train.class_names == val.class_names
    assert len(train.class_names) == 6
