import dataclasses
from collections import Counter

import pytest
from omegaconf import DictConfig, OmegaConf

from aligndetr.config import LazyCall, LazyConfig, instantiate, locate
from aligndetr.config.import_names import import_path
from aligndetr.config.moved import MOVED
from aligndetr.errors import ConfigError, DataError


class Part:
    """Remembers what it was built with."""

    def __init__(self, **arguments):
        self.arguments = arguments


def take_two(first, second=2):
    return first, second


def fail_with(kind):
    raise {"data": DataError, "value": ValueError}[kind]("no such folder")


@dataclasses.dataclass
class Shape:
    channels: int = 1
    stride: int = 2


def test_calls_nest_in_lists_and_dicts():
    node = LazyCall(Part)(
        layers=[LazyCall(Part)(index=0), LazyCall(Part)(index=1), 5],
        heads={"box": LazyCall(Part)(out=4), "sizes": [1, {"deep": LazyCall(take_two)(first=7)}]},
    )
    built = instantiate(node)
    assert [layer.arguments for layer in built.arguments["layers"][:2]] == [
        {"index": 0},
        {"index": 1},
    ]
    assert built.arguments["layers"][2] == 5
    assert built.arguments["heads"]["box"].arguments == {"out": 4}
    assert built.arguments["heads"]["sizes"] == [1, {"deep": (7, 2)}]


def test_callees_never_see_a_config():
    node = LazyCall(Part)(items=[1, [2]], table={"a": {"b": [3]}}, none=None)
    arguments = instantiate(node).arguments
    assert type(arguments["items"]) is list
    assert type(arguments["items"][1]) is list
    assert type(arguments["table"]) is dict
    assert type(arguments["table"]["a"]) is dict
    assert type(arguments["table"]["a"]["b"]) is list


def test_a_list_of_nodes_and_plain_dicts_with_a_target():
    plain = {"_target_": "collections.Counter", "a": 2}
    assert instantiate([plain, 3]) == [Counter(a=2), 3]
    assert instantiate(OmegaConf.create([plain])) == [Counter(a=2)]


def test_anything_else_is_returned_as_it_is():
    for other in (5, "text", None, {"a": 1}, Part(), DictConfig({"a": 1})):
        assert instantiate(other) is other


def test_instantiate_leaves_the_node_as_it_was():
    node = LazyCall(Part)(a=LazyCall(Part)(b=1), c="${.a.b}")
    before = OmegaConf.to_container(node)
    first, second = instantiate(node), instantiate(node)
    assert first.arguments["a"] is not second.arguments["a"]
    assert OmegaConf.to_container(node) == before


def test_not_recursive_hands_the_nodes_over():
    node = LazyCall(Part)(_recursive_=False, child=LazyCall(Part)(a=1))
    child = instantiate(node).arguments["child"]
    assert isinstance(child, DictConfig)
    assert instantiate(child).arguments == {"a": 1}
    assert "_recursive_" not in instantiate(node).arguments


def test_interpolation_to_a_node_builds_it_again():
    config = DictConfig(
        {"data": LazyCall(Part)(a=1), "user": LazyCall(Part)(data="${..data}")},
        flags={"allow_objects": True},
    )
    assert instantiate(config.user).arguments["data"].arguments == {"a": 1}


@pytest.mark.parametrize(
    "target, expected",
    [
        ("collections.Counter", Counter),
        ("os.path.join", __import__("os").path.join),
        ("datetime.datetime.fromtimestamp", None),  # a method of a class
        ("aligndetr.config.instantiate", instantiate),  # not the module of the same name
    ],
)
def test_targets_by_import_path(target, expected):
    found = locate(target)
    assert callable(found)
    assert expected is None or found is expected


def test_a_target_may_be_a_node_that_builds_one():
    node = LazyCall(LazyCall(take_two)(first=0))(x=1)
    node._target_ = LazyCall(locate)(name="collections.Counter")
    assert instantiate(node) == Counter(x=1)


def test_builtin_and_dataclass_targets():
    assert instantiate(LazyCall(dict)(a=[1])) == {"a": [1]}
    assert instantiate(LazyCall(Shape)(stride=4)) == Shape(1, 4)


def test_given_objects_take_the_place_of_entries_that_are_not_built():
    model = object()
    node = LazyCall(Part)(params=LazyCall(fail_with)(kind="value"), lr=0.1)
    built = instantiate(node, params=model, extra=2)
    assert built.arguments == {"params": model, "lr": 0.1, "extra": 2}
    assert "extra" not in node
    assert set(node.params) == {"_target_", "kind"}


def test_moved_names_stand_for_what_they_are_called_now(monkeypatch):
    monkeypatch.setitem(MOVED, "aligndetr.old_room.Tally", "collections.Counter")
    assert locate("aligndetr.old_room.Tally") is Counter


@pytest.mark.parametrize("name", MOVED)
def test_moved_names_lead_to_what_a_config_saved_today_would_say(name):
    assert import_path(locate(name)) == MOVED[name]


def test_a_dataclass_value_arrives_as_one():
    node = LazyCall(Part)(shape=Shape(channels=3))
    node.shape.stride = 8
    assert instantiate(node).arguments["shape"] == Shape(3, 8)


def test_error_names_path_target_and_cause():
    config = DictConfig(
        {"model": LazyCall(Part)(heads=[LazyCall(fail_with)(kind="value")])},
        flags={"allow_objects": True},
    )
    with pytest.raises(ConfigError) as caught:
        instantiate(config.model)
    message = str(caught.value)
    assert message.startswith("model.heads.0: ")
    assert "fail_with failed: ValueError: no such folder" in message
    assert "test_instantiate.py:" in message
    assert isinstance(caught.value.__cause__, ValueError)


def test_wrong_argument_names_the_right_one():
    node = LazyCall("collections.OrderedDict")
    node = LazyCall(take_two)(first=1, secnd=3)
    with pytest.raises(ConfigError, match="did you mean second instead of secnd"):
        instantiate(node)


@pytest.mark.parametrize(
    "target, reason",
    [
        ("not_installed_xyz.Model", "no module named 'not_installed_xyz' is installed"),
        ("collections.Contour", "collections has no 'Contour'"),
        ("collections.Counter.nope", "collections.Counter has no 'nope'"),
        ("a b", "not a dotted Python name"),
    ],
)
def test_target_that_cannot_be_imported(target, reason):
    config = OmegaConf.create({"model": {"part": {"_target_": target}}})
    with pytest.raises(ConfigError, match=rf"model\.part\._target_: cannot import .*{reason}"):
        instantiate(config.model.part)


def test_a_module_that_fails_to_import_says_why(tmp_path, monkeypatch):
    (tmp_path / "half_broken.py").write_text("import not_there_at_all\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigError, match="No module named 'not_there_at_all'"):
        locate("half_broken.Model")


def test_unresolvable_and_missing_values_name_their_path():
    config = OmegaConf.create(
        {"model": {"_target_": "builtins.dict", "a": "${..nowhere}", "b": "???"}}
    )
    with pytest.raises(ConfigError, match=r"model\.a: .*nowhere"):
        instantiate(config.model)
    config.model.a = 1
    with pytest.raises(ConfigError, match=r"model\.b: "):
        instantiate(config.model)


def test_errors_for_users_pass_unchanged():
    with pytest.raises(DataError, match=r"^no such folder$"):
        instantiate(LazyCall(Part)(data=LazyCall(fail_with)(kind="data")))


def test_loaded_nodes_know_their_full_path(write):
    path = write("run.py", "model = L(dict)(inner=L(int)(x='y'))")
    with pytest.raises(ConfigError, match=r"^model\.inner: "):
        instantiate(LazyConfig.load(path).model.inner)
