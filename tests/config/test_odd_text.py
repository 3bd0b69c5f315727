"""Whatever is typed as an override or a config's name: it works, or one sentence says why."""

import argparse
import copy

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from aligndetr.commands.arguments import add_config_arguments, split_words
from aligndetr.config import LazyCall, apply_overrides
from aligndetr.config.find_file import resolve_config
from aligndetr.config.nodes import to_node
from aligndetr.config.overrides import parse_override
from aligndetr.errors import ConfigError

BASE = {
    "a": {"b": 1, "c": [0.5, 2.0], "text": "x", "flag": True, "sub": {"n": None}},
    "items": [{"n": 1}, {"n": 2}],
    "call": LazyCall(complex)(real=1.5, act=len),
    "ref": "${a.b}",
    "section": "${a}",
}
PATHS = """\
a,a.b,a.c,a.c.0,a.c.²,a.c.-1,a.text,a.flag,a.sub.n,items,items.1.n,items.2,items.01,a..b,,a.,.a,a[0]
call,call._target_,call.real,call.act,call.imag,ref,section,section.b,new,_content,__class__,ключ
""".replace("\n", ",").split(",")
PATHS += ["a.\x00", "a.\ud800", "a." + "9" * 5000, "x" * 10_000, ".".join("d" * 2000)]
VALUES = r"""
=|==|1|-1|1e5|1e999|nan|.|٣|1٣|null|true|text|'|"|'x'|[|]|{|}|{}|[]|(1, 2)|math.sqrt|???|[???]|🦊
{a: 1}|{a: {a: 1}}|{null: 1}|{true: 1}|{1.5: 1}|{nan: 1}|{'': 1}|{_content: 1}|{_target_: x}
{_target_: 3}|{_target_: null}|{_target_: builtins.dict}|{_source_: x}|{_source_: {}}|{_target_: {}}
{_target_: {_source_: x}}|{_target_: aligndetr.config.locate, name: 3}|!!python/name:os.system|&a *a
${|${}|${a}|${a.b}|${..b}|${.b}|${new}|${a:b}|${oc.env:NO_SUCH}|\${a}|${${a}}|${a}${a.b}|${ref}
${section}|{n: ${x}}|{name: x}|{_recursive_: x}
""".replace("\n", "|").split("|")
VALUES += ["9" * 400, "-" + "9" * 400, "9" * 5000, "1" + "_1" * 5000, "${" * 500, "\x00", "\ud800"]
VALUES += ["[" * 20 + "]" * 20, "[" * 5000, "[" * 5000 + "]" * 5000, "{a: " * 500 + "1" + "}" * 500]
VALUES += ["[" * 99, "\n", "a\nb: c", "x" * 100_000]
OVERRIDES = (
    st.builds(
        "{}{}{}{}".format,
        st.sampled_from(["", "+", "++", "+++", "~"]),
        st.sampled_from(PATHS),
        st.sampled_from(["=", "+=", "", "=="]),
        st.sampled_from(VALUES),
    )
    | st.text()
    | st.text(alphabet=st.sampled_from("ab.c=+~[]{}:,'\"\\$ _0159e-"), max_size=20)
    | st.builds("{}={}".format, st.sampled_from(PATHS), st.text(max_size=12))
)


def config():
    return to_node(copy.deepcopy(BASE))


def is_refused(action, *arguments):
    """Anything but a ConfigError passes through."""
    try:
        action(*arguments)
    except ConfigError as error:
        return str(error) != ""
    return False


def apply_or_refuse(texts):
    changed = config()
    if not is_refused(apply_overrides, changed, texts):
        OmegaConf.to_container(changed, resolve=True)  # what is accepted can be read


@settings(deadline=None, max_examples=400)
@given(st.lists(OVERRIDES, min_size=1, max_size=3))
@example(["a.c=[" + "9" * 400 + "]"])
def test_overrides_apply_or_are_refused(texts):
    for text in texts:
        is_refused(parse_override, text)
    apply_or_refuse(texts)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("action", ["", "+"])
def test_every_odd_value_everywhere(path, action):
    for value in VALUES:
        apply_or_refuse([f"{action}{path}={value}"])


@pytest.mark.parametrize("path", PATHS)
def test_every_odd_path_is_deleted_or_refused(path):
    apply_or_refuse([f"~{path}"])


@pytest.mark.parametrize("text", ["a.b=" + "9" * 5000, "a.b=1" + "_1" * 5000])
def test_numbers_that_python_does_not_read(text):
    with pytest.raises(ConfigError, match=r"a\.b: .*digits"):
        parse_override(text)


def test_numbers_that_do_not_fit_a_float():
    with pytest.raises(ConfigError, match=r"a\.c\.0: needs a number"):
        apply_overrides(config(), ["a.c.0=" + "9" * 400])


@pytest.mark.parametrize("opened", ["[", "{a: ", "{a: ["])
def test_nesting_has_a_limit(opened):
    with pytest.raises(ConfigError, match=r"a\.b: .*nested"):
        parse_override("a.b=" + opened * 5000)


def test_an_argument_is_checked_on_the_way_down_too():
    with pytest.raises(ConfigError, match=r"call\.imga: .*did you mean call\.imag"):
        apply_overrides(config(), ["+call.imga.x=1"])


@pytest.mark.parametrize("value", ["x" * 300, "\x00", "\ud800", "[" + "0.1," * 200 + "1]"])
def test_overrides_that_are_no_file_names_are_overrides(value):
    parser = argparse.ArgumentParser()
    add_config_arguments(parser)
    for words in (["aligndetr_tiny", f"a.b={value}"], [f"a.b={value}"]):
        assert split_words(parser.parse_args(words)).overrides == [f"a.b={value}"]


NAMES = [
    "",
    " ",
    ".",
    "..",
    "/",
    "~",
    "~no_such_user_x/a.py",
    "*",
    "[",
    "-",
    "--help",
    "=",
    "{}",
    "%s",
    "aligndetr_tiny/",
    "💥.yaml",
]
NAMES += ["a\x00b", "a\x00.py", "\ud800", "\ud800.py", "aligndetr_tiny\x00", "a\nb", "x" * 300]
NAMES += ["x" * 100_000, "x/" * 3000 + "y.py", "../" * 2000, "/dev/null", "/dev/null/x.py"]


@settings(deadline=None, max_examples=200)
@given(st.text() | st.builds("{}{}".format, st.text(), st.sampled_from([".py", ".yaml", "/", ""])))
def test_any_name_is_a_file_or_refused(name):
    check_name(name)


@pytest.mark.parametrize("name", NAMES)
def test_every_odd_name_is_a_file_or_refused(name):
    check_name(name)


def check_name(name):
    assert is_refused(resolve_config, name) or resolve_config(name).is_file()
