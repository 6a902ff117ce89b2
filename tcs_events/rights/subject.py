"""Finds which rows belong to a person, given e-mail addresses, user ids and sessions.

A session that was identified with an address belongs to that person, with its past and future
events. If a shared browser was identified with several persons, the session belongs to each of
them, because nobody can tell who did what. An event with an address of its own belongs to that
person alone, whatever its session. A session that is linked to a user id belongs to that user in
the same way.

An address and a user id are one person if the host's own code has given both together. That they
were seen in the same session does not count: any browser may claim any address with `POST
/identify`. Somebody who claims a stranger's address and then asks for a copy of what is stored
about their own user id would get the stranger's events.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, select

from tcs_events.database.batches import batches
from tcs_events.database.streaming import stream
from tcs_events.event import folded_address
from tcs_events.models import UserEventIdentity, UserEventUser
from tcs_events.rights.places import USERS, Place, places_in


@dataclass(frozen=True, slots=True)
class Subject:
    """A person, by addresses, user ids and sessions."""

    addresses: Sequence[str]
    """The person's addresses, in every spelling that is stored."""
    sessions: Sequence[str]
    """The sessions that were given. All their rows are the person's."""
    linked_sessions: Sequence[str]
    """Other sessions that were linked to an address or a user id. Rows with another address are not
    the person's."""
    places: Collection[Place]
    """Where to look: the tables of the database that hold data of persons."""
    user_ids: Sequence[str] = ()
    """The person's user ids."""

    def conditions(self, place: Place) -> Iterator[sa.ColumnElement[bool]]:
        """Give conditions that together match the person's rows in a place, each row once.

        There are none for a place that the database does not have.
        """
        if place not in self.places:
            return
        session, email, user = place.session_column, place.email_column, place.user_column
        for sessions in batches(self.sessions):
            yield session.in_(sessions)
        if user is not None and email is not None:
            yield from self._conditions_of_users(session, user, email)
            return
        for sessions in batches(self.linked_sessions):
            is_linked = session.in_(sessions)
            yield is_linked if email is None else is_linked & email.is_(None)
        if email is None:
            return
        for addresses in batches(self.addresses):
            has_address = email.in_(addresses)
            is_given = session.in_(self.sessions)
            yield has_address & (session.is_(None) | ~is_given) if self.sessions else has_address

    def _conditions_of_users(
        self, session: sa.Column[Any], user: sa.Column[Any], email: sa.Column[Any]
    ) -> Iterator[sa.ColumnElement[bool]]:
        """Give conditions for the links to the person's user ids, in sessions that were not given.

        Those that name an address come last: after an interruption, `forget` needs them to find the
        user ids of the address.
        """
        is_elsewhere = session.not_in(self.sessions) if self.sessions else sa.true()
        for has_address in (email.is_(None), email.is_not(None)):
            for user_ids in batches(self.user_ids):
                yield user.in_(user_ids) & has_address & is_elsewhere

    def conditions_of_others(self, place: Place) -> Iterator[sa.ColumnElement[bool]]:
        """Give conditions that match the rows of linked sessions with somebody else's address."""
        session, email = place.session_column, place.email_column
        if email is None:
            return
        for sessions in batches(self.linked_sessions):
            yield session.in_(sessions) & email.is_not(None) & email.not_in(self.addresses)


def find_subject(
    connection: Connection,
    addresses: Collection[str],
    sessions: Collection[str],
    user_ids: Collection[str] = (),
) -> Subject:
    """Return the person with these addresses, sessions and user ids.

    If there are addresses, this reads all stored addresses once, because no index ignores case.
    """
    places = places_in(connection)
    known_ids, all_addresses = _known_together(connection, user_ids, addresses, places)
    spellings = _spellings(connection, all_addresses, places)
    linked: set[str] = set()
    for emails in batches(sorted(spellings)):
        linked.update(
            connection.scalars(
                select(UserEventIdentity.session_id).where(UserEventIdentity.email.in_(emails))
            )
        )
    if USERS in places:
        for ids in batches(sorted(known_ids)):
            linked.update(
                connection.scalars(
                    select(UserEventUser.session_id).where(UserEventUser.user_id.in_(ids))
                )
            )
    others = sorted(linked - set(sessions))
    return Subject(sorted(spellings), sorted(set(sessions)), others, places, sorted(known_ids))


def _known_together(
    connection: Connection,
    user_ids: Collection[str],
    addresses: Collection[str],
    places: Collection[Place],
) -> tuple[set[str], set[str]]:
    """Return the user ids and addresses, and all that the host has given together with one."""
    found_ids, found_addresses = set(user_ids), set(addresses)
    if USERS not in places or not (user_ids or addresses):
        return found_ids, found_addresses
    pairs = select(UserEventUser.user_id, UserEventUser.email).where(
        UserEventUser.email.is_not(None)
    )
    with stream(connection, pairs.distinct()) as rows:
        known = [(row.user_id, row.email, folded_address(row.email)) for row in rows]
    folded = {folded_address(address) for address in addresses}
    size = -1
    while size != len(found_ids) + len(folded):
        size = len(found_ids) + len(folded)
        for user_id, email, folded_email in known:
            if user_id in found_ids or folded_email in folded:
                found_ids.add(user_id)
                found_addresses.add(email)
                folded.add(folded_email)
    return found_ids, found_addresses


def _spellings(
    connection: Connection, addresses: Collection[str], places: Collection[Place]
) -> set[str]:
    """Return the addresses, and every stored spelling of them."""
    spellings = set(addresses)
    if not addresses:
        return spellings
    wanted = {folded_address(address) for address in addresses}
    for email in (place.email_column for place in places):
        if email is None:
            continue
        query = select(email).where(email.is_not(None)).distinct()
        with stream(connection, query) as rows:
            spellings.update(
                stored for stored in rows.scalars() if folded_address(stored) in wanted
            )
    return spellings


def other_user_ids(connection: Connection, subject: Subject) -> list[str]:
    """Return the user ids that the linked sessions of a person have besides the person's."""
    found: set[str] = set()
    if USERS in subject.places:
        for sessions in batches(subject.linked_sessions):
            query = select(UserEventUser.user_id).where(UserEventUser.session_id.in_(sessions))
            found.update(connection.scalars(query.distinct()))
    return sorted(found.difference(subject.user_ids))


def count_rows(
    connection: Connection, place: Place, conditions: Iterator[sa.ColumnElement[bool]]
) -> int:
    """Return the number of rows of a place that meet one of the conditions.

    The conditions must not overlap, as those of `Subject` do not.
    """
    counting = select(sa.func.count()).select_from(place.table)
    return sum(connection.scalar(counting.where(condition)) or 0 for condition in conditions)
