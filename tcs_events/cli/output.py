"""What commands print: tables for people, JSON for programs."""

from __future__ import annotations

import errno
import math
import os
import shutil
import textwrap
from collections.abc import Collection, Iterable, Sequence
from datetime import date, datetime

import click

from tcs_events.cli.stdout import stdout
from tcs_events.cli.text_table import TextTable
from tcs_events.cli.visible import visible, visible_json
from tcs_events.cli.worded import host_words
from tcs_events.export.json_text import RENAMED, json_text
from tcs_events.reports.explore import number_text

NOTHING = "–"  # noqa: RUF001 - a dash, not a minus
_EIGHTHS = " ▏▎▍▌▋▊▉█"
_LEVELS = "▁▂▃▄▅▆▇█"


class Share(float):
    """A share of a whole, from 0 to 1."""

    def __str__(self) -> str:
        return f"{self * 100:.1f} %"


class Measured(float):
    """A number that is whole, or has two decimals."""

    def __str__(self) -> str:
        return number_text(self)


class SoFar(float):
    """A number that may still grow. It is printed with a star before it."""

    def __init__(self, number: float) -> None:
        self.number = number


def share(number: float | None) -> Share | None:
    """Return the number as a share, None for None."""
    return None if number is None else Share(number)


def print_table(
    titles: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    optional: Sequence[str] = (),
    keep: Collection[str] = (),
) -> None:
    """Print a table that fits the terminal, with numbers aligned to the right.

    Args:
        titles: the titles of the columns. The first column is never left out.
        rows: the cells of each row.
        optional: titles of columns that a narrow terminal can do without, the least important
            first. They are left out one by one until the table fits.
        keep: titles of other columns that are never left out.
    """
    rows = [list(row) for row in rows]
    texts = [[_cell(value) for value in row] for row in rows]
    # A column of numbers may have gaps: a rate that is not known yet is None.
    is_number = [
        any(_is_number(row[place]) for row in rows)
        and all(row[place] in (None, "") or _is_number(row[place]) for row in rows)
        for place in range(len(titles))
    ]
    times = [
        place
        for place in range(len(titles))
        if rows and all(isinstance(row[place], date) for row in rows)
    ]
    table = TextTable(titles, texts, is_number, whole=times, optional=optional, keep=keep)
    heads, lines = table.lines(_terminal_columns())
    for head in heads:
        print_line(head, bold=True)
    for line in lines:
        print_line(line)
    if table.left_out:
        print_paragraph(
            f"No room for: {', '.join(table.left_out)}. Use a wider terminal or --json to see all."
        )


def print_paragraph(text: str) -> None:
    """Print an empty line, then a text wrapped to the terminal's width."""
    print_line()
    print_wrapped(text)


def print_wrapped(text: str) -> None:
    """Print a text wrapped to the terminal's width."""
    room = _terminal_columns()
    for line in textwrap.wrap(text, max(room, 1)) if room else [text]:
        print_line(line)


def print_line(line: str = "", *, bold: bool = False) -> None:
    """Print a line. Characters that the terminal's encoding lacks become "?"."""
    encoding = getattr(stdout(), "encoding", None) or "utf-8"
    _print(line.encode(encoding, "replace").decode(encoding), bold=bold or None)


def print_json(value: object, *, is_line: bool = False) -> None:
    """Print JSON in ASCII: no control character that a visitor has sent reaches the terminal."""
    renamed = {**RENAMED, **host_words().renamed}
    _print(json_text(value, is_ascii=True, indent=None if is_line else 2, renamed=renamed))


def _print(text: str, bold: bool | None = None) -> None:
    try:
        click.secho(text, stdout(), bold=bold)
    except OSError as error:
        if error.errno == errno.EPIPE:
            raise  # the reader of the pipe has closed it, such as `head`; click exits quietly
        raise click.ClickException(f"Stdout could not be written: {error.strerror}.") from None


def bar(value: float, largest: float, columns: int = 20) -> str:
    """Return a bar for a value; that of the largest value is `columns` long."""
    eighths = round(value / largest * columns * 8) if largest else 0
    # Few is not none, so that even a tiny value shows.
    if value and not eighths:
        eighths = 1
    return _EIGHTHS[8] * (eighths // 8) + _EIGHTHS[eighths % 8].strip()


def sparkline(values: Sequence[float]) -> str:
    """Return one character per value, higher for larger values, and a dot for 0."""
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
    if isinstance(value, Share | Measured):
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
    """Return the width to fit; None if the output goes into a file or a pipe."""
    # A file gets whole texts, because another program may read it. COLUMNS overrules that.
    if stdout().isatty() or os.environ.get("COLUMNS"):
        return shutil.get_terminal_size().columns
    return None
