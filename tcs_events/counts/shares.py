"""Splits the sessions of a day into shares, which several processes can count at once.

A session is in exactly one share, and all counts of a day are sums over its sessions. So the counts
of the shares add up to those of the day.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import sqlalchemy as sa

Session = sa.ColumnElement[str]


class Share(NamedTuple):
    """One of `of` shares of the sessions, numbered from 0."""

    number: int
    of: int


def is_in_share(dialect: str, session_id: Session, share: Share) -> sa.ColumnElement[bool]:
    """Return the condition for the sessions of a share.

    The database works out the share, so that each process reads only its own rows.
    """
    of = sa.literal_column(str(share.of), sa.Integer())
    number = sa.literal_column(str(share.number), sa.Integer())
    return _HASHES[dialect](session_id) % of == number


def has_shares(dialect: str) -> bool:
    """Return whether this database can work out the share of a session."""
    return dialect in _HASHES


def _of_last_characters(session_id: Session) -> sa.ColumnElement[int]:
    # SQLite has no function for a hash.
    codes = [
        factor * sa.func.coalesce(sa.func.unicode(sa.func.substr(session_id, -place, 1)), 0)
        for place, factor in enumerate((1, 3, 7, 13), start=1)
    ]
    return sum(codes[1:], codes[0])


def _of_postgresql(session_id: Session) -> sa.ColumnElement[int]:
    positive = sa.literal_column(str(2**31 - 1), sa.Integer())
    return sa.func.hashtext(session_id, type_=sa.Integer()).op("&", return_type=sa.Integer())(
        positive
    )


def _of_mysql(session_id: Session) -> sa.ColumnElement[int]:
    return sa.func.crc32(session_id, type_=sa.BigInteger())


_HASHES: dict[str, Callable[[Session], sa.ColumnElement[int]]] = {
    "sqlite": _of_last_characters,
    "postgresql": _of_postgresql,
    "mysql": _of_mysql,
    "mariadb": _of_mysql,
}
