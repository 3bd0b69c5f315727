"""Parts of messages."""

import pytest

from aligndetr.errors import some


@pytest.mark.parametrize(
    "names, text",
    [
        ([], ""),
        (["a"], "a"),
        ("abcde", "a, b, c, d, e"),
        ("abcdef", "a, b, c, d, e and 1 more"),
        (range(7), "0, 1, 2, 3, 4 and 2 more"),
        ({"a": 1, 2: 3}, "a, 2"),
    ],
)
def test_the_first_names(names, text):
    assert some(names) == text


def test_fewer_names():
    assert some("abc", 2) == "a, b and 1 more"
