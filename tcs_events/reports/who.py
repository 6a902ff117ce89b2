"""Which visitors a question is about: new ones, those who came back, those who are known."""

from __future__ import annotations

from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy import Connection

from tcs_events.counts import tables
from tcs_events.database.schemas import has_table
from tcs_events.models import UserEventIdentity, UserEventUser
from tcs_events.reports.period import Period

Who = Literal["new", "returning", "known"]
"""Visitors of a period: `new` had no visit before it, `returning` had one, and `known` is a visitor
with an e-mail address or a user id, whenever it was linked to the session."""


def is_of(
    connection: Connection, who: Who, period: Period, session_id: sa.ColumnElement[Any]
) -> sa.ColumnElement[bool]:
    """Return the condition for the rows of such visitors.

    Args:
        connection: one of `Reading.counts`: it reads which visits there were before the period.
        who: which visitors.
        period: the days that the question is about.
        session_id: the column with the session id of a row.
    """
    if who == "known":
        links: list[type[UserEventIdentity] | type[UserEventUser]] = [UserEventIdentity]
        if has_table(connection, UserEventUser.__table__):
            links.append(UserEventUser)
        return sa.or_(*(_has_row(link.__table__, session_id) for link in links))
    before = tables.visits.alias()
    came_before = sa.exists().where(before.c.session_id == session_id, before.c.day < period.first)
    return came_before if who == "returning" else ~came_before


def _has_row(table: sa.FromClause, session_id: sa.ColumnElement[Any]) -> sa.Exists:
    inner = table.alias()  # so that it is not taken for the same table of the query around it
    return sa.exists().where(inner.c.session_id == session_id)
