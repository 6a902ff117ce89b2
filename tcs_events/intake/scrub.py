"""Replaces e-mail addresses and long numbers in what visitors have typed, before it is stored.

It replaces too much rather than too little: every word with an @ in it goes as a whole, and a date
of eight digits is a number like any other. What is left has no address, and no seven digits in a
row, even if characters that group digits are between them.

Each pattern is one set of characters, repeated. It can match in one way only, so the time is
proportional to the length of any text.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

EMAIL, NUMBER = "[email]", "[number]"
MIN_DIGITS = 7
"""Shorter numbers are prices, years and postcodes."""

_AT = "@\N{FULLWIDTH COMMERCIAL AT}\N{SMALL COMMERCIAL AT}"
# The characters that end a word. The brackets are among them, so that an `[email]` that we have put
# in is never part of the next word.
_AROUND = r"\s\x00-\x20,;:<>()\[\]\\\u3001\u3002\uff0c\uff1a\uff1b\uff08\uff09\u300c\u300d"
_WORD = re.compile(f"[^{_AROUND}]+")
_QUOTES = "'\""
_SENTENCE_ENDS = ".!?" + _QUOTES
# Between the digits of one number: what people group digits with, and the other dashes, full-width
# forms and invisible marks that come with pasted numbers.
_GROUPING = (
    r"\s.\-/()+\u00ad\u2010-\u2015\u2212\ufe58\ufe63\uff0d\uff0e\uff0f\uff08\uff09\uff0b"
    r"\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff"
)
_DIGITS = re.compile(rf"[\d{_GROUPING}]+")
_DIGIT = re.compile(r"\d")  # of any script


def scrub_text(text: str) -> str:
    """Return the text with "[email]" for addresses, and "[number]" for seven digits or more.

    A text with neither is returned unchanged, and so is a text that was scrubbed before.
    """
    if any(at in text for at in _AT):
        text = _WORD.sub(_without_address, text)
    if len(text) >= MIN_DIGITS:
        text = _DIGITS.sub(_without_number, text)
    return text


def _without_address(match: re.Match[str]) -> str:
    word = match[0]
    after_quotes = len(word) - len(word.lstrip(_QUOTES))
    for start in (after_quotes, 0):  # 0 if the quotes are part of an odd address: ''@example.com
        if any(at in word[start + 1 :] for at in _AT):
            end = len(word.rstrip(_SENTENCE_ENDS))
            return word[:start] + EMAIL + word[end:]
    return word  # Only an @ at the beginning: @ada is a name, not an address.


def _without_number(match: re.Match[str]) -> str:
    run = match[0]
    digits = [digit.start() for digit in _DIGIT.finditer(run)]
    if len(digits) < MIN_DIGITS:
        return run
    start, end = digits[0], digits[-1] + 1
    openings = "+(" if ")" in run[start:end] else "+"
    start = len(run[:start].rstrip(openings))
    return run[:start] + NUMBER + run[end:]


class Scrubber:
    """Scrubs some fields of a payload.

    Args:
        fields: their names, at any depth. Everything inside such a field is scrubbed: texts, names
            of fields, and whole numbers, because one may be a telephone number.
    """

    def __init__(self, fields: Collection[str]) -> None:
        self._fields = frozenset(fields)

    def __call__(self, value: Any) -> Any:
        """Return a JSON value with these fields scrubbed. The parser has limited its depth."""
        if isinstance(value, dict):
            return {
                name: _scrubbed(item) if name in self._fields else self(item)
                for name, item in value.items()
            }
        if isinstance(value, list):
            return [self(item) for item in value]
        return value


def _scrubbed(value: Any) -> Any:
    if isinstance(value, str):
        return scrub_text(value)
    if isinstance(value, dict):
        return {scrub_text(name): _scrubbed(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_scrubbed(item) for item in value]
    is_whole = isinstance(value, float) and value.is_integer()
    if is_whole or (isinstance(value, int) and not isinstance(value, bool)):
        return NUMBER if abs(value) >= 10 ** (MIN_DIGITS - 1) else value
    return value
