"""Objects of several views, each once."""

import numpy as np
import pytest

from aligndetr.runtime.prediction.detections import Detections
from aligndetr.runtime.prediction.merging import View, merge

SIZE = (100, 180)  # one row of two views of 100 x 100, which share x from 80 to 100
WHOLE, LEFT, RIGHT = View((0, 0, 180, 100)), View((0, 0, 100, 100)), View((80, 0, 180, 100))


def found(*rows):
    """Rows of x0, y0, x1, y1, score, class."""
    table = np.array(rows, np.float64).reshape(-1, 6)
    return Detections.of(SIZE, table[:, :4], table[:, 4], table[:, 5].astype(int))


def rows(merged):
    columns = (merged.boxes, 3), (merged.scores, 4), (merged.classes, 0)
    plain = (column.astype(float).round(digits).tolist() for column, digits in columns)
    return [(*box, score, label) for box, score, label in zip(*plain, strict=True)]


def test_one_view_is_left_alone():
    """Two boxes of one view are two objects, however much they overlap: the model said so."""
    crowd = found((10, 10, 50, 50, 0.9, 0), (11, 10, 51, 50, 0.8, 0), (10, 10, 50, 50, 0.7, 1))
    assert rows(merge([crowd], [WHOLE], SIZE)) == rows(crowd)


def test_seen_whole_in_two_views():
    """Sides are means weighted by score: (0.6 * 20 + 0.2 * 24) / 0.8 = 21."""
    views = [found((20, 10, 60, 50, 0.6, 2)), found((24, 10, 60, 50, 0.2, 2))]
    assert rows(merge(views, [WHOLE, LEFT], SIZE)) == [(21, 10, 60, 50, 0.6, 2)]


def test_the_view_that_sees_more_pixels_weighs_more():
    """(0.5 * 0.25 * 20 + 0.5 * 1 * 25) / (0.5 * 1.25) = 24."""
    views = [found((20, 10, 60, 50, 0.5, 2)), found((25, 10, 60, 50, 0.5, 2))]
    seen = [View(WHOLE.box, 0.25), LEFT]
    assert rows(merge(views, seen, SIZE)) == [(24, 10, 60, 50, 0.5, 2)]


def test_an_object_on_the_seam_is_put_together():
    """It goes from x = 60 to 140: each view sees one end of it, and both what they share."""
    views = [found((60, 10, 100, 50, 0.9, 0)), found((80, 12, 140, 50, 0.3, 0))]
    # y0: (0.9 * 10 + 0.3 * 12) / 1.2 = 10.5
    assert rows(merge(views, [LEFT, RIGHT], SIZE)) == [(60, 10.5, 140, 50, 0.9, 0)]


def test_a_part_is_explained_by_the_whole():
    """A box that ends at the border of its tile, seen whole from further away."""
    views = [found((58, 10, 142, 52, 0.5, 0)), found((60, 10, 100, 50, 0.9, 0))]
    merged = rows(merge(views, [WHOLE, LEFT], SIZE))
    assert len(merged) == 1
    x0, y0, x1, y1, score, _ = merged[0]
    assert (x1, score) == (142, 0.9)  # only the whole knows where it ends
    # weights are 0.5 and 0.9: (0.5 * 58 + 0.9 * 60) / 1.4, and (0.5 * 52 + 0.9 * 50) / 1.4
    assert (x0, y0, y1) == pytest.approx((59.286, 10, 50.714))


def test_a_sliver_at_the_border_goes():
    """The right view sees 5 pixels of an object that the left one sees whole, and is off by 2."""
    views = [found((40, 10, 85, 50, 0.9, 0)), found((80, 11, 87, 49, 0.4, 0))]
    assert len(merge(views, [LEFT, RIGHT], SIZE)) == 1


def test_a_part_that_looks_like_something_else_goes():
    """The tip of a star is a triangle to a tile that ends there; one that ends before it stays."""
    star = found((60, 10, 140, 90, 0.8, 3))
    tip = found((72, 20, 100, 60, 0.7, 1))
    assert [row[5] for row in rows(merge([star, tip], [WHOLE, LEFT], SIZE))] == [3]
    for stays in (
        found((72, 20, 97, 60, 0.7, 1)),  # it ends before the border: a triangle before the star
        found((72, 20, 100, 60, 0.9, 1)),  # the better one
        found((40, 20, 100, 60, 0.7, 1)),  # not inside of the star: 40 of 60 pixels
    ):
        assert len(merge([star, stays], [WHOLE, LEFT], SIZE)) == 2
    ends_there = found((60, 10, 99, 90, 0.8, 3))
    assert len(merge([ends_there, tip], [WHOLE, LEFT], SIZE)) == 2


def test_neighbours_on_either_side_of_the_seam_stay_two():
    views = [found((50, 10, 90, 50, 0.9, 0)), found((92, 10, 140, 50, 0.8, 0))]
    assert len(merge(views, [LEFT, RIGHT], SIZE)) == 2
    # both cut at their border, but of different height
    views = [found((50, 10, 100, 40, 0.9, 0)), found((80, 60, 140, 90, 0.8, 0))]
    assert len(merge(views, [LEFT, RIGHT], SIZE)) == 2


def test_what_both_views_see_has_to_agree():
    """With the sides of the other, they would overlap by 48 / 90; in x from 80 to 100 by 8 / 20."""
    views = [found((40, 10, 88, 50, 0.9, 0)), found((80, 10, 130, 50, 0.8, 0))]
    assert len(merge(views, [LEFT, RIGHT], SIZE)) == 2


def test_what_only_one_view_sees_has_to_agree_where_the_other_knows_it():
    """From x = 80 to 100 they overlap by 11 / 15, but the right view knows that it begins at 84."""
    views = [found((20, 10, 95, 50, 0.9, 0)), found((84, 10, 95, 50, 0.8, 0))]
    assert len(merge(views, [LEFT, RIGHT], SIZE)) == 2


def test_the_border_of_the_image_cuts_nothing():
    """That an object begins with the image is known, so that sides of 0 and 4 make one of 2."""
    views = [found((0, 10, 40, 50, 0.9, 0)), found((4, 10, 40, 50, 0.9, 0))]
    assert rows(merge(views, [WHOLE, LEFT], SIZE)) == [(2, 10, 40, 50, 0.9, 0)]


def test_other_classes_are_other_objects():
    views = [found((20, 10, 60, 50, 0.6, 2)), found((20, 10, 60, 50, 0.9, 1))]
    assert [row[4:] for row in rows(merge(views, [WHOLE, LEFT], SIZE))] == [(0.9, 1), (0.6, 2)]


def test_an_object_takes_one_box_of_each_view():
    """The second box of a view is another object, with what the other view says of it."""
    two = found((20, 10, 60, 50, 0.9, 0), (26, 10, 66, 50, 0.8, 0))
    assert len(merge([two, two], [WHOLE, WHOLE], SIZE)) == 2


def test_a_long_object_over_three_views():
    views = [View((x, 0, x + 100, 100)) for x in (0, 80, 160)]
    size = (100, 260)
    parts = [
        Detections.of(size, [box], [score], [0])
        for box, score in (
            ((30, 20, 100, 40), 0.9),
            ((80, 20, 180, 40), 0.7),
            ((160, 20, 230, 40), 0.8),
        )
    ]
    assert rows(merge(parts, views, size)) == [(30, 20, 230, 40, 0.9, 0)]


def test_scores_of_all_looks_count():
    """Found in two of three looks, with 0.9 and 0.6: (0.9 + 0.6 + 0) / 3."""
    views = [found((20, 10, 60, 50, 0.9, 0)), found((20, 10, 60, 50, 0.6, 0)), found()]
    merged = merge(views, [WHOLE] * 3, SIZE, lambda scores: scores.sum() / 3)
    assert rows(merged) == [(20, 10, 60, 50, pytest.approx(0.5), 0)]


def test_nothing_at_all():
    assert len(merge([found(), found()], [LEFT, RIGHT], SIZE)) == 0
