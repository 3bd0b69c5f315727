"""Parts of a training with another augmentation: when they hold, and that resuming hits them."""

from itertools import islice

import numpy as np
import pytest

from aligndetr.data import DetrMapper, Stage, build_train_loader, load_dataset
from aligndetr.data import augmentation as T
from aligndetr.errors import DataError

IMAGES = [(i, (30, 40)) for i in range(1, 8)]
BOXES = [{"image_id": i, "category_id": 1, "bbox": [i, 2, 8, 9]} for i in range(1, 7)]
DENSE = [
    T.Mosaic(24, prob=0.7), T.Mixup(augmentation=[T.Mosaic(24)]), T.CopyPaste(), T.RandomFlip()
]  # fmt: skip


@pytest.fixture
def dataset(coco_folder):
    return load_dataset("tiny", *coco_folder(IMAGES, BOXES))


def make(dataset, workers=0, batch=2, num_batches=20, stages=None):
    if stages is None:
        stages = [
            Stage(0.1, 0.6, DetrMapper(DENSE), T.BatchResize([16, 20])),
            Stage(0.5, 0.8, DetrMapper([T.Resize(12)])),
        ]
    usual = DetrMapper([T.RandomFlip(), T.Resize(10)])
    return build_train_loader(
        dataset, usual, batch, workers, seed=3, stages=stages, num_batches=num_batches
    )


def content(batch):
    return [
        (item["image_id"], item["image"].numpy().tobytes(),
         item["instances"].gt_boxes.tensor.numpy().tobytes(), item["instances"].gt_classes.tolist())
        for item in batch
    ]  # fmt: skip


def take(loader, count):
    return [content(batch) for batch in islice(loader, count)]


def test_stages_hold_from_their_start_up_to_their_end(dataset):
    edges = [batch[0]["image"].shape[1] for batch in islice(make(dataset), 20)]
    # of 20 batches: 0.1 is number 2, 0.6 number 12, 0.8 number 16; where two hold, the first does
    assert edges[:2] == [10, 10]
    assert set(edges[2:12]) == {16, 20}
    assert edges[12:16] == [12] * 4
    assert edges[16:] == [10] * 4


def test_outside_of_them_nothing_changes(dataset):
    plain = take(make(dataset, stages=[]), 20)
    staged = take(make(dataset), 20)
    assert staged[:2] + staged[16:] == plain[:2] + plain[16:]
    assert not any(a == b for a, b in zip(staged[2:16], plain[2:16], strict=True))


@pytest.mark.parametrize("stop", [1, 5, 11, 12, 17])  # before, within, and after the window
@pytest.mark.parametrize(("before", "after"), [(0, 0), (2, 0), (0, 2)])
def test_a_loader_is_restored_within_a_stage(dataset, stop, before, after):
    expected = take(make(dataset), 20)
    first = make(dataset, before)
    assert take(first, stop) == expected[:stop]
    second = make(dataset, after)
    second.load_state_dict(first.state_dict())
    assert take(second, 20 - stop) == expected[stop:]


def test_mixed_images_are_functions_of_seed_epoch_and_index(dataset):
    """The batch that an image shares, and what was read before, play no part."""
    stages = [Stage(0, 1, DetrMapper(DENSE))]
    singles = [b[0] for b in take(make(dataset, 0, 1, 40, stages), 28)]
    pairs = [item for b in take(make(dataset, 0, 2, 40, stages), 14) for item in b]
    assert pairs == singles


@pytest.mark.parametrize(("start", "end"), [(0.5, 0.5), (-0.1, 0.5), (0.5, 1.5), (0.9, 0.1)])
def test_a_stage_without_length_is_refused(start, end):
    with pytest.raises(DataError, match="no part of a training"):
        Stage(start, end, DetrMapper([]))


def test_stages_need_the_length_of_the_training(dataset):
    with pytest.raises(DataError, match="num_batches"):
        make(dataset, num_batches=None)


def test_a_broken_image_is_named_whichever_image_it_was_mixed_into(dataset, tmp_path):
    broken = tmp_path / "images" / "4.png"
    broken.write_bytes(broken.read_bytes()[:60])
    mosaics = DetrMapper([T.Mosaic(24)])
    with pytest.raises(DataError, match=r"4\.png"):
        take(make(dataset, stages=[Stage(0, 1, mosaics)]), 20)
    skipping = DetrMapper([T.Mosaic(24)], skip_broken_images=True)
    loader = make(dataset, stages=[Stage(0, 1, skipping)])
    assert np.array([len(batch) for batch in take(loader, 10)]).tolist() == [2] * 10
    assert any("4.png" in reason for reason in loader.skipped)


def test_a_mapper_of_two_arguments_stays_one(dataset):
    def mapper(record, rng):
        return {"drawn": rng.random(), "image_id": record["image_id"]}

    loader = build_train_loader(dataset, mapper, 2, 0)
    assert len(next(iter(loader))) == 2
