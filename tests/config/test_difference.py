"""What two configs set differently."""

import pytest

from aligndetr.config.difference import ABSENT, Difference, differences
from aligndetr.config.nodes import to_node


def pairs(first, second):
    return [(d.key, d.first, d.second) for d in differences(to_node(first), to_node(second))]


def test_keys_come_in_the_order_of_the_second_then_what_only_the_first_has():
    first = {"a": {"x": 1, "gone": None}, "same": 3}
    second = {"new": {"deep": "text"}, "same": 3.0, "a": {"x": 2}}
    assert differences(to_node(first), to_node(second)) == [
        Difference("new.deep", ABSENT, "text"),
        Difference("a.x", 1, 2),
        Difference("a.gone", None, ABSENT),
    ]


def test_a_list_of_plain_values_is_one_value_and_others_are_entered():
    first = {"levels": [1, 2], "steps": [{"size": 1}, {"size": 2}], "empty": {}}
    second = {"levels": [1, 3], "steps": [{"size": 1}, {"size": 5}], "empty": []}
    assert pairs(first, second) == [
        ("levels", [1, 2], [1, 3]),
        ("steps.1.size", 2, 5),
        ("empty", {}, []),
    ]


@pytest.mark.parametrize("first, second", [(True, 1), (0, False), (1, "1"), (None, "")])
def test_values_of_other_kinds_differ(first, second):
    assert pairs({"key": first}, {"key": second}) == [("key", first, second)]


def test_interpolations_differ_where_they_lead_to():
    first, second = ({"k": k, "classes": "${k}"} for k in (3, 4))
    assert pairs(first, second) == [("k", 3, 4)]


def test_what_moved_between_versions_is_the_same():
    first = {"_target_": "aligndetr.modeling.detector.Detector", "a": "other.x.Name"}
    second = {"_target_": "aligndetr.modeling.Detector", "a": "other.y.Name"}
    assert pairs(first, second) == [("a", "other.x.Name", "other.y.Name")]
