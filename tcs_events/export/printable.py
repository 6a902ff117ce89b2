"""Makes text of visitors safe to print: a terminal obeys escape sequences."""

from __future__ import annotations

import unicodedata


def visible(text: str) -> str:
    r"""Return the text with unprintable characters written as escapes.

    An escape character becomes `\x1b`, a line break `\n`, a change of direction `\u202e`.
    """
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )


def columns_of(text: str) -> int:
    """Return the width of a printable text in columns of a terminal."""
    if text.isascii():
        return len(text)
    return sum(_width(char) for char in text)


def cut(text: str, columns: int) -> str:
    """Return the text cut to at most `columns`; a cut text ends with "…"."""
    if columns_of(text) <= columns:
        return text
    kept, room = [], columns - 1
    for char in text:
        room -= _width(char)
        if room < 0:
            break
        kept.append(char)
    return "".join(kept) + "…" if columns > 0 else ""


def cut_middle(text: str, columns: int) -> str:
    """Return the text cut to at most `columns`, with its middle replaced by "…".

    Labels often begin alike, such as the steps of a funnel, so their ends tell them apart.
    """
    if columns_of(text) <= columns or columns < 3:
        return cut(text, columns)
    ends = (columns - 1) // 2
    end = cut(text[::-1], ends + 1)[:-1][::-1]
    # A letter and the marks on it stay together.
    while end and unicodedata.combining(end[0]):
        end = end[1:]
    return cut(text, columns - columns_of(end)) + end


def _width(char: str) -> int:
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1
