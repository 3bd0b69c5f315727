import re

import pytest

from aligndetr.matchers import lost_copies


def test_who_loses_copies_and_what_would_keep_them():
    # Q = 40: k_i = min(3, floor(20 / G)) is 3 up to G = 6, 2 up to 10, 1 above.
    counts = [0, *[1] * 13, 6, 6, 7, 10, 11, 28]
    lost = lost_copies(counts, [3, 2, 1], 40)
    assert (lost.k, lost.num_queries, lost.num_images) == (3, 40, 19)
    assert lost.copies == {1: 2, 2: 2}
    assert lost.num_lost == 4
    assert lost.enough == 168  # 2 * 3 * 28
    assert lost.enough_for_most == 168  # 95 % of 19 images are 18.05: all of them


@pytest.mark.parametrize("most", [1, 5])
def test_enough_is_the_smallest_number(most):
    counts = [most] * 19 + [14]
    lost = lost_copies(counts, [2, 2, 1], 4 * most - 1)
    assert (lost.enough, lost.enough_for_most) == (56, 4 * most)
    assert lost_copies(counts, [2, 2, 1], 56) is None
    assert lost_copies(counts, [2, 2, 1], 55).num_lost == 1
    # 19 of 20 images are 95 %
    assert lost_copies(counts, [2, 2, 1], 4 * most).num_lost == 1


@pytest.mark.parametrize("match_num", [None, [1, 1, 1]])
def test_one_to_one_matching_loses_nothing(match_num):
    assert lost_copies([100, 20], match_num, 10) is None


def test_the_sentence_holds_the_override_to_type():
    text = str(lost_copies([15, 2], [2, 1], 40))
    assert re.search(r"k = 2 is lowered to 1 in 1 of 2 images", text)
    assert "model.num_queries=60 " in text
