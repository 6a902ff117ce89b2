"""Finds which rows belong to a person, given e-mail addresses and sessions.

A session that was identified with an address belongs to that person, with its past and future
events. If a shared browser was identified with several persons, the session belongs to each of
them, because nobody can tell who did what. An event with an address of its own belongs to that
person alone, whatever its session.

Addresses are equal if they differ only in case or in Unicode form. A mail server could treat such
addresses as different persons, but in practice none does.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy import Connection, select

from tcs_events.database.batches import batches
from tcs_events.database.streaming import stream
from tcs_events.models import UserEventIdentity
from tcs_events.rights.places import Place, places_in


@dataclass(frozen=True, slots=True)
class Subject:
    """A person, by addresses and sessions."""

    addresses: Sequence[str]
    """The person's addresses, in every spelling that is stored."""
    sessions: Sequence[str]
    """The sessions that were given. All their rows are the person's."""
    linked_sessions: Sequence[str]
    """Other sessions that were identified with an address. Rows with another address are not the
    person's."""
    places: Collection[Place]
    """Where to look: the tables of the database that hold data of persons."""

    def conditions(self, place: Place) -> Iterator[sa.ColumnElement[bool]]:
        """Give conditions that together match the person's rows in a place, each row once.

        There are none for a place that the database does not have.
        """
        if place not in self.places:
            return
        session, email = place.session_column, place.email_column
        for sessions in batches(self.sessions):
            yield session.in_(sessions)
        for sessions in batches(self.linked_sessions):
            is_linked = session.in_(sessions)
            yield is_linked if email is None else is_linked & email.is_(None)
        if email is None:
            return
        for addresses in batches(self.addresses):
            has_address = email.in_(addresses)
            is_given = session.in_(self.sessions)
            yield has_address & (session.is_(None) | ~is_given) if self.sessions else has_address

    def conditions_of_others(self, place: Place) -> Iterator[sa.ColumnElement[bool]]:
        """Give conditions that match the rows of linked sessions with somebody else's address."""
        session, email = place.session_column, place.email_column
        if email is None:
            return
        for sessions in batches(self.linked_sessions):
            yield session.in_(sessions) & email.is_not(None) & email.not_in(self.addresses)


def find_subject(
    connection: Connection, addresses: Collection[str], sessions: Collection[str]
) -> Subject:
    """Return the person with these addresses and sessions.

    If there are addresses, this reads all stored addresses once, because no index ignores case.
    """
    places = places_in(connection)
    spellings: set[str] = set()
    if addresses:
        wanted = {_folded(address) for address in addresses}
        spellings.update(addresses)
        for email in (place.email_column for place in places):
            if email is None:
                continue
            query = select(email).where(email.is_not(None)).distinct()
            with stream(connection, query) as rows:
                spellings.update(stored for stored in rows.scalars() if _folded(stored) in wanted)
    linked: set[str] = set()
    for emails in batches(sorted(spellings)):
        linked.update(
            connection.scalars(
                select(UserEventIdentity.session_id).where(UserEventIdentity.email.in_(emails))
            )
        )
    others = sorted(linked - set(sessions))
    return Subject(sorted(spellings), sorted(set(sessions)), others, places)


def count_rows(
    connection: Connection, place: Place, conditions: Iterator[sa.ColumnElement[bool]]
) -> int:
    """Return the number of rows of a place that meet one of the conditions.

    The conditions must not overlap, as those of `Subject` do not.
    """
    counting = select(sa.func.count()).select_from(place.table)
    return sum(connection.scalar(counting.where(condition)) or 0 for condition in conditions)


def _folded(address: str) -> str:
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", address.strip()).casefold())
