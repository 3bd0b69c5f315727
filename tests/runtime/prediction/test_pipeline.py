"""Order, batches and memory of a stream of pictures."""

import weakref

import numpy as np
import pytest

from aligndetr.errors import DataError, UserError
from aligndetr.runtime.prediction.pipeline import WINDOW, Pipeline
from aligndetr.runtime.prediction.sources import Sources
from tests.runtime.prediction.toy import grey, see, source


def everything(found):
    return found


def test_order_is_that_of_the_pictures_and_batches_have_one_shape():
    shapes = [(4, 6), (5, 5), (4, 6), (4, 6), (5, 5), (4, 6), (9, 9)]
    images = [grey(20 * number, *shape) for number, shape in enumerate(shapes)]
    batches = []

    def watched(batch):
        batches.append([image.shape[:2] for image in batch])
        return see(batch)

    found = list(Pipeline(watched, everything, batch_size=2)(Sources(images)))
    scores = [each.found.scores[0] for each in found]
    np.testing.assert_allclose(scores, [20 * n / 255 for n in range(7)], rtol=1e-6)
    assert [each.found.size for each in found] == shapes
    assert batches == [[(4, 6)] * 2, [(5, 5)] * 2, [(4, 6)] * 2, [(9, 9)]]


def test_a_stream_without_end_needs_constant_memory():
    """Of 400 pictures, no more are alive at a time than wait, and the one that is looked at."""
    alive, most = weakref.WeakSet(), 0

    class Pixels(np.ndarray):
        __hash__ = object.__hash__

    def endless():
        number = 0
        while True:  # no two neighbours have the same shape, which is the worst case
            image = np.zeros((4 + number % 7, 5, 3), np.uint8).view(Pixels)
            alive.add(image)
            yield image
            number += 1

    stream = Pipeline(see, everything, batch_size=3)(Sources(endless()))
    for _ in range(400):
        next(stream)
        most = max(most, len(alive))
    assert most <= 3 * WINDOW + 2


def test_a_picture_that_cannot_be_read_is_named_and_the_rest_goes_on(tmp_path):
    (tmp_path / "a.png").write_bytes(b"no picture")
    failed = []
    pipeline = Pipeline(see, everything, batch_size=2)
    inputs = [grey(10), tmp_path / "a.png", grey(20), np.zeros((3, 8, 8)), grey(30)]
    found = list(pipeline(Sources(inputs), lambda name, error: failed.append((name, str(error)))))
    assert [round(float(each.found.scores[0] * 255)) for each in found] == [10, 20, 30]
    assert [name for name, _ in failed] == [str(tmp_path / "a.png"), "image_3"]
    assert "must be uint8" in failed[1][1]


def test_what_came_before_an_error_is_predicted_first():
    def broken():
        yield from source("video", grey(1), grey(2), grey(3)).pictures()
        raise DataError("it breaks off")

    whole = source("video")
    torn = type(whole)("video", broken)
    names = []
    stream = (names.append(p.picture.name) for p in Pipeline(see, everything, 2)([torn]))
    with pytest.raises(DataError, match="breaks off"):
        list(stream)
    assert names == ["video0", "video1", "video2"]


def test_no_batch():
    with pytest.raises(UserError, match="batch of 0"):
        Pipeline(see, everything, batch_size=0)
