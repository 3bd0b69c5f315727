"""How often images come: repeat factors and class balance, by hand and by counting."""

from collections import Counter
from itertools import islice

import numpy as np
import pytest

from aligndetr.data import ClassBalanced, DetrMapper, RepeatFactor, build_train_loader, load_dataset
from aligndetr.data.samplers import training_samples
from aligndetr.errors import DataError

IMAGES = [(i, (30, 40)) for i in range(1, 9)]


def box(image, category, iscrowd=0):
    return {
        "image_id": image,
        "category_id": category,
        "bbox": [2, 2, 8, 9],
        "iscrowd": iscrowd,
    }


# persons (1) in images 1 to 6, two of them in image 1; a car (3) in 6 and 7; nothing in 8 but a
# crowd of cats (17), so that no cat counts
BOXES = [*(box(i, 1) for i in (1, 1, 2, 3, 4, 5, 6)), box(6, 3), box(7, 3), box(8, 17, iscrowd=1)]


@pytest.fixture
def dataset(coco_folder):
    return load_dataset("tiny", *coco_folder(IMAGES, BOXES))


def test_repeat_factors_by_hand(dataset):
    # persons are in 6 of 8 images, cars in 2: sqrt(0.5 / 0.25) = 1.4142; 0.5 / 0.75 is below 1
    expected = [1, 1, 1, 1, 1, 2**0.5, 2**0.5, 1]
    np.testing.assert_allclose(RepeatFactor(0.5).repeats(dataset), expected)
    np.testing.assert_array_equal(RepeatFactor(0.25).repeats(dataset), np.ones(8))


def test_class_balance_by_hand(dataset):
    # 7 images with objects, 2 classes: a person's image comes 7 / 2 / 6 times, a car's 7 / 2 / 2;
    # image 6 has both; image 8, which has no object, comes once
    person, car = 7 / 12, 7 / 4
    expected = [person] * 5 + [person + car, car, 1]
    np.testing.assert_allclose(ClassBalanced().repeats(dataset), expected)
    assert sum(expected) == pytest.approx(8)


def test_without_objects_each_image_comes_once(coco_folder):
    empty = load_dataset("tiny", *coco_folder(IMAGES, []))
    for balancing in (ClassBalanced(), RepeatFactor(1.0)):
        np.testing.assert_array_equal(balancing.repeats(empty), np.ones(8))


@pytest.mark.parametrize("threshold", [0, -1, 1.5, float("nan")])
def test_a_threshold_that_is_no_part_is_refused(threshold):
    with pytest.raises(DataError, match="threshold"):
        RepeatFactor(threshold)


def test_images_come_as_often_as_they_should():
    repeats = np.array([1.0, 2.25, 0.5, 3.0])
    epochs = 4000
    stream = training_samples(4, seed=1, repeats=repeats)
    samples = list(islice(iter(lambda: next(stream), None), int(epochs * repeats.sum() * 0.97)))
    whole = max(epoch for epoch, *_ in samples)  # the last epoch is not complete
    counts = Counter(sample[:2] for sample in samples)
    for index, expected in enumerate(repeats):
        times = [counts[epoch, index] for epoch in range(whole)]
        assert set(times) <= {int(np.floor(expected)), int(np.ceil(expected))}
        # the standard deviation of a mean of 3800 coins is below 0.0082
        assert abs(np.mean(times) - expected) < 0.04


def test_repeats_are_samples_of_their_own():
    samples = list(islice(training_samples(2, repeats=np.array([3.0, 1.0])), 8))
    assert sorted(samples) == [
        (0, 0), (0, 0, 2), (0, 0, 3), (0, 1), (1, 0), (1, 0, 2), (1, 0, 3), (1, 1),
    ]  # fmt: skip


def test_processes_share_one_stream_of_repeats():
    repeats = np.array([0.3, 2.6, 1.0, 1.5])
    joint = list(islice(training_samples(4, 3, repeats=repeats), 60))
    parts = [list(islice(training_samples(4, 3, rank, 3, repeats), 20)) for rank in range(3)]
    assert [sample for step in zip(*parts, strict=True) for sample in step] == joint


def test_equal_repeats_of_one_are_an_epoch_each():
    samples = list(islice(training_samples(5, 2, repeats=np.ones(5)), 20))
    for epoch in range(4):
        assert sorted(samples[5 * epoch : 5 * epoch + 5]) == [(epoch, i) for i in range(5)]


def test_an_image_that_comes_twice_is_augmented_twice(dataset):
    from aligndetr.data import augmentation as T

    mapper = DetrMapper([T.RandomCrop("absolute_range", (8, 30))])
    loader = build_train_loader(dataset, mapper, 1, 0, balancing=ClassBalanced())
    seen = [
        (batch[0]["image_id"], batch[0]["image"].numpy().tobytes()) for batch in islice(loader, 100)
    ]
    assert len(set(seen)) == 100


def test_a_balanced_loader_is_restored_exactly_and_says_when_it_is_not(dataset, caplog):
    def make(balancing, workers=0):
        return build_train_loader(dataset, DetrMapper([]), 2, workers, balancing=balancing)

    def identities(loader, count):
        return [[item["image_id"] for item in batch] for batch in islice(loader, count)]

    expected = identities(make(ClassBalanced()), 20)
    first = make(ClassBalanced())
    identities(first, 7)
    second = make(ClassBalanced(), workers=2)
    second.load_state_dict(first.state_dict())
    assert identities(second, 13) == expected[7:]
    assert not caplog.text
    make(None).load_state_dict(first.state_dict())
    assert "repeats_crc32" in caplog.text


def test_a_state_of_before_there_was_balancing_is_continued(dataset, caplog):
    loader = build_train_loader(dataset, DetrMapper([]), 2, 0)
    state = loader.state_dict()
    del state["repeats_crc32"]
    loader.load_state_dict({**state, "consumed": 3})
    assert loader.consumed == 3
    assert not caplog.text


def test_the_loader_follows_the_balance(dataset):
    class OnlyThird:
        def repeats(self, dataset):
            return np.array([0, 0, 2.0, 0, 0, 0, 0, 0])

    loader = build_train_loader(dataset, DetrMapper([]), 1, 0, balancing=OnlyThird())
    assert {batch[0]["image_id"] for batch in islice(loader, 10)} == {3}
