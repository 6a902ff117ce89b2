"""The columns of a question's answer: the same on its page, in CSV and JSON, and in its command."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from tcs_events.event_types.words import Words
from tcs_events.export.json_text import RENAMED

Show = Literal[
    "text",
    "value",
    "count",
    "bar",
    "share",
    "decimal",
    "number",
    "day",
    "moment",
    "duration",
    "filters",
    "contexts",
]
"""The kind of a value. A "value" is what a browser sent; a "bar" is a count, drawn on a page. A
"duration" is in seconds."""

_FIELDS = {name: field for field, name in RENAMED.items()}


@dataclass(frozen=True)
class Column:
    """A column: a field of a question's rows, and how it is shown.

    `{item}` and the like in its texts stand for the host's word: see `Words.in_text`.
    """

    name: str
    """The field's name: the heading in CSV, the key in JSON."""
    heading: str
    """The title on a page. Commands print it in lower case."""
    means: str
    """What the value is, with its unit."""
    show: Show = "text"
    value: Callable[[Any], Any] | None = None
    """Returns the value from a row; None to read the field `name`."""
    words: Mapping[str, str] | None = None
    """Maps values to the words that are shown for them."""
    is_extra: bool = False
    """Whether only "See all" and CSV have it, and not the question's page."""

    def of(self, row: Any) -> Any:
        """Return the value of a row in this column."""
        return self.value(row) if self.value else getattr(row, _FIELDS.get(self.name, self.name))

    def worded(self, words: Words) -> Column:
        """Return the same with a host's words for an item."""
        return replace(
            self,
            name=words.name(self.name),
            heading=words.in_text(self.heading),
            means=words.in_text(self.means),
        )

    @property
    def is_number(self) -> bool:
        """Whether its cells are aligned to the right."""
        return self.show in ("count", "share", "decimal", "duration", "number")


Columns = tuple[Column, ...]


def worded(columns: Columns, words: Words) -> Columns:
    """Return the same columns with a host's words for an item."""
    return tuple(column.worded(words) for column in columns)
