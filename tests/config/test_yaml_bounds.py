"""A small yaml file cannot stand for a large config, nor for one that nothing can walk through."""

import pytest

from aligndetr.config import LazyConfig, instantiate
from aligndetr.config.nodes import MAX_DEPTH, to_plain
from aligndetr.config.yaml_file import MAX_REPEATED
from aligndetr.errors import ConfigError


def bomb(start, step):
    """Eight levels, each made of eight times the one before: 8^8 = 16 million values."""
    lines = [f"a0: &a0 {start}"]
    lines += [step.format(i + 1, ", ".join([f"*a{i}"] * 8)) for i in range(8)]
    return "\n".join(lines)


@pytest.mark.parametrize(
    "text",
    [
        bomb("[x]", "a{0}: &a{0} [{1}]"),
        bomb("{k: x}", "a{0}: &a{0} {{k: [{1}]}}"),
        bomb("{k: x}", "a{0}: &a{0} {{<<: [{1}]}}"),
    ],
    ids=["lists", "dicts", "merged"],
)
def test_an_alias_bomb_is_refused_before_it_is_built(write, text):
    path = write("c.yaml", text)
    with pytest.raises(ConfigError, match=r"c\.yaml:1: its aliases stand for more than 10000"):
        LazyConfig.load(path)


def test_aliases_within_reason_are_written_out(write):
    assert (
        LazyConfig.load(write("c.yaml", bomb("[x]", "a{0}: [{1}]").partition("a2")[0])).a1
        == [["x"]] * 8
    )
    # what is repeated counts: a list and its items, once less than it stands there
    items = MAX_REPEATED // 2 - 1
    text = "a: &a [" + "1," * items + "]\n"
    assert len(LazyConfig.load(write("c.yaml", text + "b: *a\nc: *a")).c) == items
    with pytest.raises(ConfigError, match="aliases"):
        LazyConfig.load(write("c.yaml", text + "b: *a\nc: *a\nd: *a"))


@pytest.mark.parametrize("opened, closed", [("[", "]"), ("{b: ", "}")])
def test_nesting_has_a_limit(write, opened, closed):
    # the file, `a` and the innermost value count as well
    levels = MAX_DEPTH - 2
    config = LazyConfig.load(write("c.yaml", "a: " + opened * levels + "1" + closed * levels))
    instantiate(config)
    assert to_plain(config)
    for deeper in (levels + 1, 60, 70, 200, 100_000):
        with pytest.raises(ConfigError, match=r"c\.yaml: nested too deeply"):
            LazyConfig.load(write("c.yaml", "a: " + opened * deeper + "1" + closed * deeper))


def test_aliases_may_not_add_up_to_a_deep_value(write):
    chain = "\n".join(f"a{i + 1}: &a{i + 1} [*a{i}]" for i in range(MAX_DEPTH))
    with pytest.raises(ConfigError, match=r"c\.yaml: nested too deeply"):
        LazyConfig.load(write("c.yaml", f"a0: &a0 [1]\n{chain}"))


@pytest.mark.parametrize(
    "pair, shown", [("~: 2", "~"), ("null: 2", "null"), ("? \n  : 2", "empty")]
)
def test_a_key_that_is_nothing_has_its_line(write, pair, shown):
    with pytest.raises(ConfigError, match=r"c\.yaml:[34]: a key is " + shown + "; if it is text"):
        LazyConfig.load(write("c.yaml", f"a:\n  b: 1\n  {pair}\n"))
    assert LazyConfig.load(write("c.yaml", "a: {'~': 2}")).a == {"~": 2}
