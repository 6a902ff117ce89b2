"""A digest as HTML for a mail: plain tables without styles, scripts or anything from outside."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from tcs_events.digest.contents import Digest
from tcs_events.digest.sections import Section, sections_of, subtitle_of, title_of
from tcs_events.export.printable import cut, visible

MOST_COLUMNS = 200
"""The longest text in a cell."""


def as_html(digest: Digest) -> str:
    """Return a digest as an HTML document. Mail programs show it without changing anything."""
    title = escape(title_of(digest))
    parts = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8">',
        f"<title>{title}</title></head><body>",
        f"<h1>{title}</h1>",
        f"<p>{escape(subtitle_of(digest))}</p>",
        *(part for section in sections_of(digest) for part in _parts(section)),
        "</body></html>",
    ]
    return "\n".join(parts) + "\n"


def _parts(section: Section) -> Iterator[str]:
    yield f"<h2>{escape(section.title)}</h2>"
    if section.rows:
        # Attributes, because mail programs drop style sheets.
        yield '<table border="1" cellpadding="6" cellspacing="0">'
        yield _row("th", section.heads)
        yield from (_row("td", row) for row in section.rows)
        yield "</table>"
    if section.note:
        yield f"<p>{escape(section.note)}</p>"


def _row(tag: str, cells: tuple[str, ...]) -> str:
    texts = [escape(cut(visible(cell), MOST_COLUMNS)) for cell in cells]
    first, *others = texts
    numbers = "".join(f'<{tag} align="right">{text}</{tag}>' for text in others)
    return f'<tr><{tag} align="left">{first}</{tag}>{numbers}</tr>'
