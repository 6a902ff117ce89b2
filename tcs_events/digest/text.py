"""A digest as text, for a mail or a terminal: no line is wider than 80 columns."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from tcs_events.digest.contents import Digest
from tcs_events.digest.sections import Section, sections_of, subtitle_of, title_of
from tcs_events.export.printable import columns_of, cut, visible

WIDTH = 80


def as_text(digest: Digest) -> str:
    """Return a digest as text, with a line break at its end."""
    title = title_of(digest)
    lines = [title, "=" * len(title), *textwrap.wrap(subtitle_of(digest), WIDTH)]
    for section in sections_of(digest):
        lines += ["", section.title, "-" * len(section.title), *_table(section)]
        lines += textwrap.wrap(section.note, WIDTH)
    return "\n".join(lines) + "\n"


def _table(section: Section) -> Iterator[str]:
    if not section.rows:
        return
    rows = [section.heads, *section.rows]
    widths = [max(len(row[place]) for row in rows) + 2 for place in range(1, len(section.heads))]
    room = WIDTH - sum(widths)
    for row in rows:
        first = cut(visible(row[0]), room)
        numbers = "".join(f"{cell:>{width}}" for cell, width in zip(row[1:], widths, strict=True))
        yield (first + " " * (room - columns_of(first)) + numbers).rstrip()
