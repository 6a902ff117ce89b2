"""Checks the types and properties of a question: a misspelt one is named, not counted as 0."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from difflib import get_close_matches
from typing import Generic, TypeVar

import sqlalchemy as sa
from sqlalchemy import Connection

from tcs_events.counts.conditions import has
from tcs_events.counts.events import event_types
from tcs_events.counts.steps import Step
from tcs_events.database.stored_json import read_columns
from tcs_events.database.streaming import stream
from tcs_events.errors import UnknownEventType
from tcs_events.models import UserEvent
from tcs_events.reports.reading import Reading

LOOKED_AT = 5_000
"""How many of a type's newest events are searched for a property: 50 ms if none has it."""
Row = TypeVar("Row")


class Rows(list[Row], Generic[Row]):
    """The rows of an answer, with notices for the reader."""

    def __init__(
        self, rows: Iterable[Row], notices: Sequence[str], sampled: float | None = None
    ) -> None:
        super().__init__(rows)
        self.sampled = sampled
        """The share of the visitors that an estimate is made from; None if it is exact."""
        self.notices = list(notices)
        """Sentences, such as "No card_click event has a property contxt." """


def look_at_names(
    reading: Reading,
    connection: Connection,
    steps: Sequence[Step],
    of_first: Collection[str] = (),
) -> list[str]:
    """Return notices about accepted types without events, and about properties that no event has.

    Args:
        reading: where to look.
        connection: to the events.
        steps: the types, and the properties of their conditions.
        of_first: other properties that events of the first step's type should have.

    Raises:
        UnknownEventType: a type is neither accepted nor stored. In the default funnel, which
            nobody typed, that is only a notice.
    """
    stored, accepted = event_types(connection), reading.settings.event_types
    notices: list[str] = []
    for event_type in dict.fromkeys(step.event_type for step in steps):
        if event_type in stored:
            names = {c.field for s in steps if s.event_type == event_type for c in s.conditions}
            names.update(of_first if event_type == steps[0].event_type else ())
            notices += _missing(connection, event_type, names)
            continue
        if event_type in accepted:
            notices.append(f"No event of type {event_type} is stored yet.")
            continue
        error = UnknownEventType(event_type, suggestion(event_type, {*stored, *accepted}))
        if tuple(steps) != reading.refresher.meaning.default_funnel:
            raise error
        notices.append(str(error))
    return notices


def _missing(connection: Connection, event_type: str, names: set[str]) -> list[str]:
    missing, others, looked_at = set(names), set[str](), 0
    newest = (
        sa.select(*read_columns(UserEvent.__table__, ["payload"]))
        .where(UserEvent.event_type == event_type)
        .order_by(UserEvent.created_at.desc())
        .limit(LOOKED_AT)
    )
    if missing:
        with stream(connection, newest) as rows:
            for payload in rows.scalars():
                looked_at += 1
                if isinstance(payload, dict):
                    others.update(payload)
                    missing -= {name for name in missing if has(payload, name)}
                if not missing:
                    break
    which = f"No {event_type} event"
    if looked_at == LOOKED_AT:
        which = f"None of the newest {looked_at:,} {event_type} events"
    return [f"{which} has a property {name}{suggestion(name, others)}" for name in sorted(missing)]


def suggestion(name: str, known: Collection[str]) -> str:
    """Return the end of a sentence about an unknown name: the known one that was probably meant."""
    near = get_close_matches(name, known, 1)
    near += [other for other in known if _letters(other) == _letters(name)]
    return f"; did you mean {near[0]}?" if near else "."


def _letters(name: str) -> str:
    return "".join(filter(str.isalnum, name)).casefold()
