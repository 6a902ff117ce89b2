"""What commands print: tables for people, JSON for programs."""

from __future__ import annotations

import errno
import json
import math
import os
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import fields, is_dataclass
from datetime import date, datetime
from typing import Any

import click

from tcs_events.cli.stdout import stdout
from tcs_events.cli.visible import columns_of, cut, visible, visible_json
from tcs_events.reports import Step

NOTHING = "–"  # noqa: RUF001 - a dash, not a minus
GAP = "  "
MIN_COLUMNS = 8
"""A text is not cut any shorter."""
_EIGHTHS = " ▏▎▍▌▋▊▉█"
_LEVELS = "▁▂▃▄▅▆▇█"


class Share(float):
    """A part of a whole, 0 to 1."""

    def __str__(self) -> str:
        return f"{self * 100:.1f} %"


class SoFar(float):
    """A number that may become larger; there is a star before it."""

    def __init__(self, number: float) -> None:
        self.number = number


def share(of: float | None) -> Share | None:
    """Return the number as a share, None for None."""
    return None if of is None else Share(of)


def print_table(titles: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print aligned rows, numbers to the right, cut to the width of the terminal."""
    rows = [list(row) for row in rows]
    texts = [list(titles), *([_cell(value) for value in row] for row in rows)]
    is_number = [
        any(_is_number(row[place]) for row in rows)
        and all(row[place] in (None, "") or _is_number(row[place]) for row in rows)
        for place in range(len(titles))
    ]
    widths = [max(columns_of(row[place]) for row in texts) for place in range(len(titles))]
    room = _terminal_columns()
    if room is not None:
        _shrink(widths, is_number, room)
    for number, row in enumerate(texts):
        cells = [
            _aligned(text, width, to_the_right)
            for text, width, to_the_right in zip(row, widths, is_number, strict=True)
        ]
        line = GAP.join(cells).rstrip()
        print_line(line if room is None else cut(line, room), bold=number == 0)


def print_line(line: str = "", *, bold: bool = False) -> None:
    """Print a line of visible text, on a terminal of any encoding."""
    encoding = getattr(stdout(), "encoding", None) or "utf-8"
    _print(line.encode(encoding, "replace").decode(encoding), bold=bold or None)


def print_json(value: object, *, is_line: bool = False) -> None:
    """Print strict JSON in ASCII: neither NaN nor a control character of a visitor is in it."""
    indent = None if is_line else 2
    _print(json.dumps(plain(value), indent=indent, allow_nan=False))


def _print(text: str, bold: bool | None = None) -> None:
    try:
        click.secho(text, stdout(), bold=bold)
    except OSError as error:
        if error.errno == errno.EPIPE:
            raise  # whoever read it has read enough: click knows what to do
        raise click.ClickException(f"Stdout could not be written: {error.strerror}.") from None


def plain(value: Any) -> Any:
    """Return the value as JSON has it: dataclasses as objects, times in ISO 8601, NaN as null."""
    if is_dataclass(value) and not isinstance(value, type | Step):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, date | datetime):
        return value.isoformat()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return str(value)


def bar(value: float, of: float, columns: int = 20) -> str:
    """Return a bar for a value, as long as `columns` where it is `of`."""
    eighths = round(value / of * columns * 8) if of else 0
    if value and not eighths:
        eighths = 1
    return _EIGHTHS[8] * (eighths // 8) + _EIGHTHS[eighths % 8].strip()


def sparkline(values: Sequence[float]) -> str:
    """Return one character per value, the higher the larger; a dot where there is nothing."""
    highest = max(values, default=0)
    return "".join(
        _LEVELS[math.ceil(value / highest * len(_LEVELS)) - 1] if value else "·" for value in values
    )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _cell(value: object) -> str:
    if value is None:
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, SoFar):
        return f"*{_cell(value.number)}"
    if isinstance(value, Share):
        return str(value)
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.1f}"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    if isinstance(value, dict | list):
        return visible_json(value)
    return visible(str(value))


def _terminal_columns() -> int | None:
    """Return the width to keep to; None where the output goes into a file or another program."""
    if stdout().isatty() or os.environ.get("COLUMNS"):
        return shutil.get_terminal_size().columns
    return None


def _shrink(widths: list[int], is_number: list[bool], room: int) -> None:
    """Take columns from the widest text until the table fits, or no text can be any shorter."""
    texts = [place for place, number in enumerate(is_number) if not number]
    while texts and sum(widths) + len(GAP) * (len(widths) - 1) > room:
        widest = max(texts, key=lambda place: widths[place])
        if widths[widest] <= MIN_COLUMNS:
            return
        widths[widest] -= 1


def _aligned(text: str, width: int, to_the_right: bool) -> str:
    text = cut(text, width)
    padding = " " * (width - columns_of(text))
    return padding + text if to_the_right else text + padding
