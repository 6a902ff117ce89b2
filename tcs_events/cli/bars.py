"""Progress bars on stderr. They are drawn only if stderr is a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any

import click

from tcs_events.counts.refresh import Progress


@contextmanager
def counting_bar(label: str = "Counting days") -> Iterator[Progress]:
    """Give a callback that draws a bar of days, from its first call on."""
    bars: list[Any] = []

    def progress(done: int, days: int) -> None:
        if not bars:
            bars.append(click.progressbar(length=days, label=label, file=sys.stderr))
            bars[0].__enter__()
        bars[0].update(done - bars[0].pos)

    try:
        yield progress if sys.stderr.isatty() else lambda done, days: None
    finally:
        for bar in bars:
            bar.__exit__(None, None, None)


@contextmanager
def progress_bar(label: str, length: Callable[[], int]) -> Iterator[Callable[[int], None]]:
    """Give a callback that is told of finished rows; `length` is called only if a bar is drawn."""
    if not sys.stderr.isatty():
        yield lambda rows: None
        return
    with click.progressbar(length=length(), label=label, file=sys.stderr) as bar:
        yield bar.update


@contextmanager
def file_bar(label: str, size: int, done: Callable[[], int]) -> Iterator[Callable[[int], None]]:
    """Give a callback that draws a bar of a file that is read, with its rows and their rate.

    Args:
        label: what is done.
        size: how much there is to read, in any unit.
        done: returns how much of it is read.
    """
    if not sys.stderr.isatty():
        yield lambda rows: None
        return
    began = monotonic()

    def rate(rows: int | None) -> str:
        return f"{rows or 0:,} rows, {(rows or 0) / max(monotonic() - began, 0.001):,.0f}/s"

    with click.progressbar(
        length=size, label=label, file=sys.stderr, item_show_func=rate, width=20
    ) as bar:
        yield lambda rows: bar.update(done() - bar.pos, rows)
