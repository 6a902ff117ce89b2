"""Deletes everything of a person."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy import Connection, Engine, select

from tcs_events.database.batches import batches
from tcs_events.rights.deleting import Deleter, Rows
from tcs_events.rights.places import EVENTS, PLACES, Place
from tcs_events.rights.subject import Subject, count_rows, other_user_ids


@dataclass(frozen=True, slots=True)
class Holdings:
    """How many rows are stored about a person."""

    rows: dict[str, int]
    """The number of rows by the name of the place."""
    events_of_others: int
    """Events in the person's sessions with another address, which belong to somebody else."""
    other_user_ids: list[str]
    """User ids that the person's sessions are linked to, and that were not given."""


def count_holdings(engine: Engine, subject: Subject) -> Holdings:
    """Return how many rows are stored about a person."""
    with engine.connect() as connection:
        return Holdings(
            {
                place.name: count_rows(connection, place, subject.conditions(place))
                for place in PLACES
            },
            count_rows(connection, EVENTS, subject.conditions_of_others(EVENTS)),
            other_user_ids(connection, subject),
        )


def forget(deleter: Deleter, subject: Subject) -> None:
    """Delete all rows of a person. After an interruption, it can be called again.

    Raises:
        FilesLeft: the rows are deleted, but files of days still have them.
    """
    with deleter.removing_files():
        for place in PLACES:
            for condition in subject.conditions(place):
                deleter.delete(place, _Rows(place, condition))
        for sessions in batches([*subject.sessions, *subject.linked_sessions]):
            deleter.forget_visits(sessions)


class _Rows:
    """Finds the rows of a place that meet a condition."""

    def __init__(self, place: Place, condition: sa.ColumnElement[bool]) -> None:
        self._place = place
        self._condition = condition

    def __call__(self, connection: Connection, limit: int) -> Rows | None:
        place = self._place
        times = [place.time_column] if place.is_counted else []
        query = select(place.key(connection), *times).where(self._condition)
        # Without ORDER BY: with one, PostgreSQL may walk through the whole table in that order.
        return connection.execute(query.limit(limit)).all() or None
