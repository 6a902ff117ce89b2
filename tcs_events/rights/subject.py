"""Whose something is: the person behind addresses and sessions.

A session that was identified with an address belongs to that person, its past and its future. One
that was identified with several persons, on a computer that they share, belongs to all of them:
nobody can tell who of them did what. But an event that carries an address says itself whose it is,
and belongs to that person alone, whatever its session.

Addresses are the same where they differ only in case or in the form of their letters: a mail server
could tell such persons apart, and none does.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy import Connection, select

from tcs_events.database.streaming import stream
from tcs_events.models import UserEventIdentity
from tcs_events.rights.places import PLACES, Place

CHUNK = 500


@dataclass(frozen=True, slots=True)
class Subject:
    """A person, as the tables know them."""

    addresses: Sequence[str]
    """Their addresses, in every spelling that is stored."""
    sessions: Sequence[str]
    """The sessions that were named: all that is in them."""
    linked_sessions: Sequence[str]
    """Other sessions that were identified with an address: what in them is nobody else's."""

    def conditions(self, place: Place) -> Iterator[sa.ColumnElement[bool]]:
        """Give conditions that together mean all their rows in a place, each row by one of them."""
        session, email = place.session_column, place.email_column
        for some in chunks(self.sessions):
            yield session.in_(some)
        for some in chunks(self.linked_sessions):
            yield session.in_(some) if email is None else session.in_(some) & email.is_(None)
        if email is None:
            return
        for some in chunks(self.addresses):
            theirs = email.in_(some)
            is_named = session.in_(self.sessions)
            yield theirs & (session.is_(None) | ~is_named) if self.sessions else theirs

    def conditions_of_others(self, place: Place) -> Iterator[sa.ColumnElement[bool]]:
        """Give conditions for rows of the linked sessions that carry an address of another."""
        session, email = place.session_column, place.email_column
        if email is None:
            return
        for some in chunks(self.linked_sessions):
            yield session.in_(some) & email.is_not(None) & email.not_in(self.addresses)


def find_subject(
    connection: Connection, addresses: Collection[str], sessions: Collection[str]
) -> Subject:
    """Return the person behind addresses and sessions.

    With addresses this reads all addresses that are stored, once; there is no index that knows
    nothing of case.
    """
    spellings: set[str] = set()
    if addresses:
        wanted = {_folded(address) for address in addresses}
        spellings.update(addresses)
        for email in (place.email_column for place in PLACES):
            if email is None:
                continue
            stored = select(email).where(email.is_not(None)).distinct()
            with stream(connection, stored) as rows:
                spellings.update(one for one in rows.scalars() if _folded(one) in wanted)
    linked: set[str] = set()
    for some in chunks(sorted(spellings)):
        linked.update(
            connection.scalars(
                select(UserEventIdentity.session_id).where(UserEventIdentity.email.in_(some))
            )
        )
    return Subject(sorted(spellings), sorted(set(sessions)), sorted(linked - set(sessions)))


def count_rows(
    connection: Connection, place: Place, conditions: Iterator[sa.ColumnElement[bool]]
) -> int:
    """Return how many rows of a place fulfil one of the conditions."""
    counting = select(sa.func.count()).select_from(place.table)
    return sum(connection.scalar(counting.where(condition)) or 0 for condition in conditions)


def _folded(address: str) -> str:
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", address.strip()).casefold())


def chunks(values: Sequence[str]) -> Iterator[Sequence[str]]:
    """Give values in parts, for a query that names them: databases have a limit."""
    for start in range(0, len(values), CHUNK):
        yield values[start : start + CHUNK]
