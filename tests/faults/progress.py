"""What a long run says while it runs, and the table that it ends with."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


class Progress:
    """Counts rounds and tells how long the rest will take."""

    def __init__(self, rounds: int) -> None:
        self._rounds = rounds
        self._done = 0
        self._started = time.monotonic()

    def round_done(self, **columns: object) -> None:
        self._done += 1
        left = (time.monotonic() - self._started) / self._done * (self._rounds - self._done)
        said = "  ".join(f"{name} {value}" for name, value in columns.items())
        say(f"round {self._done}/{self._rounds}  {said}  {left / 60:.1f} min left")


def table(rows: Sequence[dict[str, object]]) -> str:
    """Return a Markdown table of rows that have the same columns."""
    lines = [list(rows[0]), *([str(value) for value in row.values()] for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    texts = [
        "| "
        + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        + " |"
        for line in lines
    ]
    texts.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(texts)
