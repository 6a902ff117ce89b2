"""Which sessions are the same person."""

from __future__ import annotations

from collections import Counter

import sqlalchemy as sa
from sqlalchemy import Connection

from tcs_events.counts.time_limit import in_time
from tcs_events.database.streaming import stream
from tcs_events.event import folded_address
from tcs_events.models import UserEventIdentity, UserEventUser
from tcs_events.rights.places import USERS, places_in

Name = tuple[str, str]
"""What a person is known by: "user" and an id, or "email" and an address in lower case."""


def persons(connection: Connection, sessions: sa.Select[str]) -> dict[str, Name]:
    """Return the person of each session that has a person in common with another one.

    A session belongs to one person: to its user id, else to the address that it was linked to
    first. So nobody is counted twice. An address and a user id are one person if the host's code
    has given both together. An address that a single event has does not count: the session was not
    linked to it.

    Args:
        connection: to the links.
        sessions: selects the ids of the sessions that are asked about. The links of others are not
            read: most of what is stored may be years old.
    """
    has_users = USERS in places_in(connection)
    together = _together(connection) if has_users else {}
    found = _first(connection, UserEventIdentity, sessions, together)
    if has_users:
        # A user id replaces addresses: only the host's own code can write it.
        found |= _first(connection, UserEventUser, sessions, together)
    count = Counter(found.values())
    return {session_id: name for session_id, name in found.items() if count[name] > 1}


def _first(
    connection: Connection,
    links: type[UserEventIdentity] | type[UserEventUser],
    sessions: sa.Select[str],
    together: dict[Name, Name],
) -> dict[str, Name]:
    """Return whom each session was linked to first."""
    by_user = links is UserEventUser
    text = UserEventUser.user_id if by_user else UserEventIdentity.email
    query = (
        sa.select(links.session_id, text)
        .where(links.session_id.in_(sessions))
        .order_by(links.session_id, links.created_at, links.id)
    )
    found: dict[str, Name] = {}
    with stream(connection, query) as rows:
        for session_id, name in in_time(connection, rows):
            if session_id not in found:
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
