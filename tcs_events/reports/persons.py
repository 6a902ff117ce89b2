"""Which sessions are the same person."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import Connection

from tcs_events.counts.time_limit import in_time
from tcs_events.database.streaming import stream
from tcs_events.event import folded_address
from tcs_events.models import UserEventIdentity, UserEventUser
from tcs_events.rights.places import USERS, places_in

Name = tuple[str, str]
"""What a person is known by: "user" and an id, or "email" and an address in lower case."""


def persons(connection: Connection) -> dict[str, Name]:
    """Return the person of each session that was linked to one, under one name for each person.

    A session belongs to one person: to its user id, else to the address that it was linked to
    first. So nobody is counted twice. An address and a user id are one person if the host's code
    has given both together. An address that a single event has does not count: the session was not
    linked to it.
    """
    if USERS not in places_in(connection):
        return _first(connection, UserEventIdentity, {})
    together = _together(connection)
    # A user id replaces addresses: only the host's own code can write it.
    return _first(connection, UserEventIdentity, together) | _first(
        connection, UserEventUser, together
    )


def _first(
    connection: Connection,
    links: type[UserEventIdentity] | type[UserEventUser],
    together: dict[Name, Name],
) -> dict[str, Name]:
    """Return whom each session was linked to first."""
    by_user = links is UserEventUser
    text = UserEventUser.user_id if by_user else UserEventIdentity.email
    query = sa.select(links.session_id, text, links.created_at, links.id)
    first: dict[str, tuple[datetime, int]] = {}
    found: dict[str, Name] = {}
    with stream(connection, query) as rows:
        for session_id, name, at, id_ in in_time(connection, rows):
            if session_id not in first or (at, id_) < first[session_id]:
                first[session_id] = at, id_
                key = ("user", name) if by_user else ("email", folded_address(name))
                found[session_id] = together.get(key, key)
    return found


def _together(connection: Connection) -> dict[Name, Name]:
    """Return one name for all user ids and addresses that were given together."""
    pairs = sa.select(UserEventUser.user_id, UserEventUser.email).where(
        UserEventUser.email.is_not(None)
    )
    parents: dict[Name, Name] = {}

    def root(name: Name) -> Name:
        while (parent := parents.setdefault(name, name)) != name:
            parents[name] = name = parents[parent]
        return name

    with stream(connection, pairs.distinct()) as rows:
        for user_id, email in in_time(connection, rows):
            one, other = root(("user", user_id)), root(("email", folded_address(email or "")))
            parents[max(one, other)] = min(one, other)
    return {name: root(name) for name in list(parents)}
