import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aligndetr.config.override_values import parse_value
from aligndetr.errors import ConfigError


@pytest.mark.parametrize(
    "text, value",
    [
        ("5", 5),
        ("-3", -3),
        ("+3", 3),
        ("1_000", 1000),
        ("0", 0),
        ("1e-4", 0.0001),
        ("1E5", 100000.0),
        (".5", 0.5),
        ("5.", 5.0),
        ("-inf", -math.inf),
        (".inf", math.inf),
        ("null", None),
        ("None", None),
        ("True", True),
        ("false", False),
        ("", ""),
        ("  padded ", "padded"),
    ],
)
def test_words_and_numbers(text, value):
    assert parse_value(text) == value
    assert type(parse_value(text)) is type(value)


@pytest.mark.parametrize(
    "text",
    [
        "out/k=2/model.pth",
        "https://host/w.pth?a=1&b=c,d",
        "C:\\data\\x",
        "12:30",
        "yes",
        "off",
        "010",
        "0x10",
        "2024-01-01",
        "1.2.3",
        "two words",
        "it's",
        "${model.num_queries}",
        "e5",
        "file[1].png",
        "~/data",
        "#1",
        "*.jpg",
        "-",
    ],
)
def test_text_needs_no_quotes(text):
    assert parse_value(text) == text


@pytest.mark.parametrize(
    "text, value",
    [
        ("'5'", "5"),
        ('"a=b,c"', "a=b,c"),
        ("'a b'", "a b"),
        ("' padded '", " padded "),
        (r"'it\'s'", "it's"),
        (r'"say \"x\""', 'say "x"'),
        (r"'C:\new'", r"C:\new"),
        (r"'ends in \\'", "ends in \\"),
        ("''", ""),
        (r"a\,b", "a,b"),
    ],
)
def test_quotes_and_escapes(text, value):
    assert parse_value(text) == value


@pytest.mark.parametrize(
    "text, value",
    [
        ("[]", []),
        ("[0.9, 0.95]", [0.9, 0.95]),
        ("[a b, c=d, 'x, y', null, [1, [2]]]", ["a b", "c=d", "x, y", None, [1, [2]]]),
        ("[${a.b}, 1]", ["${a.b}", 1]),
        ("{}", {}),
        ("{a: 1,b:{c:[1,2]}}", {"a": 1, "b": {"c": [1, 2]}}),
        ("{0: x, 'k k': v, u: http://h:80/}", {0: "x", "k k": "v", "u": "http://h:80/"}),
    ],
)
def test_lists_and_dicts(text, value):
    assert parse_value(text) == value


@pytest.mark.parametrize(
    "text",
    ["[1,", "[1,]", "[1]]", "[1 2", "{a}", "{a:}", "{a: 1", "'open", "'a' b", "[,]", "{[1]: 2}"],
)
def test_broken_values_are_errors(text):
    with pytest.raises(ConfigError):
        parse_value(text)


def test_tuples_are_written_as_lists():
    with pytest.raises(ConfigError, match=r"a list is written \[...\]"):
        parse_value("(1,2)")


_scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False)


def _written(value):
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_written(k)}: {_written(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_written, value)) + "]"
    if isinstance(value, str):
        return "'" + value.replace("'", "\\'") + "'"
    return repr(value)


@settings(deadline=None)
@given(
    st.recursive(
        _scalars | st.text(st.characters(exclude_characters="\\")),
        lambda inner: st.lists(inner) | st.dictionaries(st.text("abc '", min_size=1), inner),
        max_leaves=8,
    )
)
def test_what_is_written_is_read_back(value):
    assert parse_value(_written(value)) == value
