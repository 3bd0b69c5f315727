"""The values of overrides: from text to Python values, and whether they fit where they go.

    value    = list | dict | quoted | plain
    list     = "[" [value {"," value}] "]"
    dict     = "{" [key ":" value {"," key ":" value}] "}"
    quoted   = '...' or "..." with \\' and \\" for the quote itself
    plain    = anything else; null/None, true/false (in any case) and numbers mean what they say

Outside brackets a plain value runs to the end of the text, so it may hold `=`, `:`, `?` and `,`.
Within brackets it ends at a comma or a closing bracket.
"""

from __future__ import annotations

import math
import re
from numbers import Integral, Real
from typing import Any, NoReturn

from aligndetr.config.import_names import locate
from aligndetr.config.nodes import MAX_DEPTH, is_interpolation, is_mapping, is_name, is_sequence
from aligndetr.errors import ConfigError, ConfigValueError

_INT = re.compile(r"[+-]?(0|[1-9][0-9]*(_[0-9]+)*)")
_DIGITS = r"[0-9]+(_[0-9]+)*"
_FLOAT = re.compile(
    rf"[+-]?(({_DIGITS}\.({_DIGITS})?|\.{_DIGITS})(e[+-]?[0-9]+)?|{_DIGITS}e[+-]?[0-9]+"
    r"|\.?(inf|nan))"
)
_ESCAPED = re.compile(r"\\([\\()\[\]{}:=, \t])")
_REMEDIES = {
    "true or false": "; write true or false",
    "a list": "; write [a,b]",
    "a section": "; write {key: value} or override its keys",
}
_WORDS = {"null": None, "none": None, "true": True, "false": False}


def parse_value(text: str) -> object:
    """Parse the right-hand side of an override.

    Args:
        text: what follows the first `=`.

    Returns:
        None, bool, int, float, str, or a list or dict of these.

    Raises:
        ConfigValueError: brackets or quotes do not match or are nested too deeply, a number has
            too many digits, or a tuple is given.
    """
    text = text.strip()
    if text[:1] not in ("[", "{", "'", '"'):
        if text.startswith("(") and text.endswith(")"):
            raise ConfigValueError(f"a list is written [...], not {text}; text goes in quotes")
        return _plain(text)
    parser = _Parser(text)
    value = parser.value("")
    parser.skip_spaces()
    if parser.position < len(text):
        rest = text[parser.position :]
        message = f"unexpected {rest!r} after the value in {text!r}; quote it all if text"
        raise ConfigValueError(message)
    return value


def _plain(text: str) -> object:
    word = text.lower()
    if word in _WORDS:
        return _WORDS[word]
    if _INT.fullmatch(text):
        return _integer(text)
    if _FLOAT.fullmatch(word):
        return float(word.replace(".inf", "inf").replace(".nan", "nan"))
    return _ESCAPED.sub(r"\1", text)


def _integer(text: str) -> int:
    try:
        return int(text)
    except ValueError:  # Python reads 4300 digits
        raise ConfigValueError(f"a number of {len(text)} digits is too long") from None


class _Parser:
    def __init__(self, text: str) -> None:
        self.text, self.position, self.depth = text, 0, 0

    def skip_spaces(self) -> None:
        while self._next() in (" ", "\t", "\n"):
            self.position += 1

    def value(self, stops: str) -> object:
        self.skip_spaces()
        start = self._next()
        if start == "[":
            return self._items("]", lambda: self.value(",]"))
        if start == "{":
            return dict(self._items("}", self._pair))
        if start in ("'", '"'):
            return self._quoted(start)
        return _plain(self._until(stops))

    def _items(self, end: str, item) -> list:
        self.position += 1
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise ConfigValueError(f"brackets are nested more than {MAX_DEPTH} deep")
        items: list = []
        self.skip_spaces()
        found = "," if self._next() != end else end
        if found == end:
            self.position += 1
        while found != end:
            items.append(item())
            self.skip_spaces()
            found = self._next()
            if found not in (",", end) or not found:
                raise self._error(f"expected ',' or {end!r}")
            self.position += 1
        self.depth -= 1
        return items

    def _pair(self) -> tuple:
        key = self.value(":,}")
        self.skip_spaces()
        if self._next() != ":" or isinstance(key, (list, dict)):
            raise self._error("expected 'key: value'")
        self.position += 1
        return key, self.value(",}")

    def _quoted(self, quote: str) -> str:
        match = re.compile(rf"{quote}((?:[^{quote}\\]|\\.)*){quote}", re.DOTALL)
        found = match.match(self.text, self.position)
        if found is None:
            raise self._error(f"the quote {quote} is not closed")
        self.position = found.end()
        # a backslash escapes a quote, or a backslash in front of one; any other stays (C:\new)
        escapes = re.compile(rf"\\+(?={quote}|$)")
        return escapes.sub(lambda run: "\\" * (len(run[0]) // 2), found[1])

    def _until(self, stops: str) -> str:
        start, depth = self.position, 0
        while self.position < len(self.text):
            char = self._next()
            if char == "\\":
                self.position += 1
            elif self.text.startswith("${", self.position):
                depth, self.position = depth + 1, self.position + 1
            elif depth and char == "}":
                depth -= 1
            elif not depth and (char in stops or char in "[]{}"):
                break
            self.position += 1
        text = self.text[start : self.position].strip()
        if not text:
            raise self._error("a value is missing")
        return text

    def _next(self) -> str:
        return self.text[self.position : self.position + 1]

    def _error(self, reason: str) -> ConfigError:
        return ConfigValueError(f"{reason} at position {self.position + 1} of {self.text!r}")


def fitted(old: Any, new: Any, path: str) -> Any:
    """Check a new value against the old one and give it the old one's type.

    None fits anywhere and anything fits where None was. An integral float fits an integer, an
    integer fits a float; a number of epochs may have a fraction. The items of a list must fit those
    it had. Where a function or class was, an import path fits.

    Args:
        old: the value in the config, resolved.
        new: the value of the override.
        path: the key, for the message.

    Returns:
        the new value; 1e5 has become 100000 where an integer was.

    Raises:
        ConfigError: the types differ.
    """
    if new is None or old is None:
        return new
    expected = _kind(old)
    if expected == "an import path" and isinstance(new, str):
        return _located(new, path)
    if expected == "an integer" and isinstance(new, float) and _integral(new):
        return int(new)
    if expected == "a number" and type(new) is int and abs(new) < 2**1023:
        return float(new)
    if expected == "an integer" and type(new) is float and _counts_epochs(path):
        return new
    if _kind(new) != expected:
        _refuse(path, old, new)
    return _fitted_items(list(old), list(new), path) if expected == "a list" else new


def _located(name: str, path: str) -> object:
    try:
        return locate(name)
    except ConfigError as error:
        raise type(error)(f"{path}: {error}") from None


def _integral(value: float) -> bool:
    return math.isfinite(value) and value == int(value)


def _counts_epochs(path: str) -> bool:
    """Whether a key is a length in epochs, whatever number of them the config has."""
    return path.rpartition(".")[2].endswith("epochs")


def _kind(value: object) -> str:
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, Integral):
        return "an integer"
    if isinstance(value, Real):
        return "a number"
    if isinstance(value, (str, bytes)):
        return "text"
    if is_mapping(value) and not is_name(value):
        return "a section"
    return "a list" if is_sequence(value) else "an import path"


def _fitted_items(old: list, new: list, path: str) -> list:
    """A list whose items are all of one kind stays so: each new item must fit the first one."""
    known = [item for item in old if item is not None]
    kinds = {_kind(item) for item in known}
    if kinds == {"an integer", "a number"}:
        known = [item for item in known if isinstance(item, float)]
    elif len(kinds) != 1:
        return new
    return [
        item if is_interpolation(item) else fitted(known[0], item, f"{path}.{index}")
        for index, item in enumerate(new)
    ]


def _refuse(path: str, old: object, new: object) -> NoReturn:
    expected, example = _kind(old), _short(old)
    if expected == "an integer" and _counts_epochs(path):
        expected, example = "a number", f"{example} or {old}.5"
    remedy = _REMEDIES.get(expected, "")
    if expected == "text" and not (is_mapping(new) or is_sequence(new)):
        remedy = f"; quote it: {path}='\"{new}\"'"
    raise ConfigError(f"{path}: needs {expected} like {example}, got {_short(new)}{remedy}")


def _short(value: object) -> str:
    text = str(value["name"]) if is_name(value) else repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
