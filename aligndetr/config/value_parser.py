"""The values of overrides: text on the command line to Python values.

    value    = list | dict | quoted | plain
    list     = "[" [value {"," value}] "]"
    dict     = "{" [key ":" value {"," key ":" value}] "}"
    quoted   = '...' or "..." with \\' and \\" for the quote itself
    plain    = anything else; null/None, true/false (in any case) and numbers mean what they say

Outside brackets a plain value runs to the end of the text, so it may hold `=`, `:`, `?` and `,`.
Within brackets it ends at a comma or a closing bracket.
"""

from __future__ import annotations

import re

from aligndetr.errors import ConfigError

_INT = re.compile(r"[+-]?(0|[1-9]\d*(_\d+)*)")
_DIGITS = r"\d+(_\d+)*"
_FLOAT = re.compile(
    rf"[+-]?(({_DIGITS}\.({_DIGITS})?|\.{_DIGITS})(e[+-]?\d+)?|{_DIGITS}e[+-]?\d+|\.?(inf|nan))"
)
_ESCAPED = re.compile(r"\\([\\()\[\]{}:=, \t])")
_WORDS = {"null": None, "none": None, "true": True, "false": False}


def parse_value(text: str) -> object:
    """Parse the right-hand side of an override.

    Args:
        text: what follows the first `=`.

    Returns:
        None, bool, int, float, str, or a list or dict of these.

    Raises:
        ConfigError: brackets or quotes do not match, or a tuple is given.
    """
    text = text.strip()
    if text[:1] not in ("[", "{", "'", '"'):
        if text.startswith("(") and text.endswith(")"):
            raise ConfigError(f"a list is written [...], not {text}; text goes in quotes")
        return _plain(text)
    parser = _Parser(text)
    value = parser.value("")
    parser.skip_spaces()
    if parser.position < len(text):
        rest = text[parser.position :]
        raise ConfigError(f"unexpected {rest!r} after the value in {text!r}; quote it all if text")
    return value


def _plain(text: str) -> object:
    word = text.lower()
    if word in _WORDS:
        return _WORDS[word]
    if _INT.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(word):
        return float(word.replace(".inf", "inf").replace(".nan", "nan"))
    return _ESCAPED.sub(r"\1", text)


class _Parser:
    def __init__(self, text: str) -> None:
        self.text, self.position = text, 0

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
        items: list = []
        self.skip_spaces()
        if self._next() == end:
            self.position += 1
            return items
        while True:
            items.append(item())
            self.skip_spaces()
            found = self._next()
            if found not in (",", end) or not found:
                raise self._error(f"expected ',' or {end!r}")
            self.position += 1
            if found == end:
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
        return ConfigError(f"{reason} at position {self.position + 1} of {self.text!r}")
