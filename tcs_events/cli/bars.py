"""Progress bars on stderr. They are drawn only if stderr is a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any

import click

from tcs_events.counts.refresh import Progress

AS_WIDE_AS_THE_TERMINAL = 0
"""A `width` of click: the bar has what the texts beside it leave. A longer line would wrap, and
leave a piece of itself behind each time that it is drawn."""


@contextmanager
def counting_bar(label: str = "Counting days") -> Iterator[Progress]:
    """Give a callback that draws a bar of days, from its first call on.

    Beside the bar are the time left, the events so far, and how many are counted in a second.
    """
    bars: list[Any] = []
    started = monotonic()

    def so_far(events: int | None) -> str:
        if events is None:
            return ""
        rate = events / max(monotonic() - started, 0.001)
        return f"{events:,} events, {rate:,.0f}/s"

    def progress(done: int, days: int, events: int | None) -> None:
        if not bars:
            bar: Any = click.progressbar(
                length=days,
                label=label,
                show_pos=True,
                item_show_func=so_far,
                file=sys.stderr,
                width=AS_WIDE_AS_THE_TERMINAL,
            )
            bars.append(bar)
            bar.__enter__()
        bars[0].update(done - bars[0].pos, events)

    try:
        yield progress if sys.stderr.isatty() else lambda done, days, events: None
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
        length=size,
        label=label,
        file=sys.stderr,
        item_show_func=rate,
        width=AS_WIDE_AS_THE_TERMINAL,
    ) as bar:
        yield lambda rows: bar.update(done() - bar.pos, rows)
