"""Waits for the end of the host's transactions, without taking part in them."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from sqlalchemy import Connection, Engine, event, exc
from sqlalchemy.orm import Session, SessionTransaction

_KEY = "tcs_events.tracking.waiting"


class _Entry(NamedTuple):
    run: Callable[[], None]
    transaction: SessionTransaction
    """The innermost transaction that must end before."""
    only_if_committed: bool


def run_after(session: Session, run: Callable[[], None], *, only_if_committed: bool) -> None:
    """Call `run` once the open transaction of a session has ended; at once if none is open.

    Args:
        session: a session of the host.
        run: what to call. It must not raise.
        only_if_committed: not if the transaction is rolled back. In a savepoint, the savepoint and
            all around it must be committed.
    """
    transaction = _innermost(session) if only_if_committed else session.get_transaction()
    if transaction is None:
        run()
    else:
        _waiting(session).entries.append(_Entry(run, transaction, only_if_committed))


def _innermost(session: Session) -> SessionTransaction | None:
    return session.get_nested_transaction() or session.get_transaction()


class _Waiting:
    """What waits for the transactions of one session."""

    def __init__(self) -> None:
        self.entries: list[_Entry] = []
        self._committed: SessionTransaction | None = None

    def note_commit(self, session: Session) -> None:
        """Remember which transaction, or savepoint, has been committed."""
        self._committed = _innermost(session)

    def end(self, session: Session, transaction: SessionTransaction) -> None:
        """Run what has waited for this transaction, or have it wait for the one around it.

        This is called when the transaction has given its connections back. In the hook
        `after_commit` they would still be taken, from a pool that may have no other.
        """
        is_committed = transaction is self._committed
        if is_committed:
            self._committed = None
        ended = [entry for entry in self.entries if entry.transaction is transaction]
        if not ended:
            return
        around = _around(transaction)
        self.entries = [entry for entry in self.entries if entry.transaction is not transaction]
        ended = [entry for entry in ended if is_committed or not entry.only_if_committed]
        if around is not None:
            self.entries += [entry._replace(transaction=around) for entry in ended]
            return
        for entry in ended:
            entry.run()


def _waiting(session: Session) -> _Waiting:
    """Return what waits for a session, which is listened to from the first time on."""
    waiting: _Waiting | None = session.info.get(_KEY)
    if waiting is None:
        waiting = session.info[_KEY] = _Waiting()
        event.listen(session, "after_commit", waiting.note_commit)
        event.listen(session, "after_transaction_end", waiting.end)
    return waiting


def _around(transaction: SessionTransaction) -> SessionTransaction | None:
    """Return the savepoint or transaction that a savepoint is in. None of a transaction."""
    around = transaction.parent
    while around is not None and around.parent is not None and not around.nested:
        around = around.parent  # the one of a flush
    return around


class Lock(NamedTuple):
    """What a session holds that has begun to write to an SQLite file: nobody else can write."""

    session: Session
    connection: Connection

    @property
    def is_held(self) -> bool:
        """Whether the connection still has an open transaction.

        Python's sqlite3 begins it with the first statement that writes.
        """
        connection = self.connection
        if connection.closed:
            return False
        return bool(getattr(connection.connection.driver_connection, "in_transaction", False))


def lock_of(session: Session, engine: Engine) -> Lock | None:
    """Return the lock that a session with an open transaction holds on an SQLite file.

    None if it holds none, or this is another database.
    """
    if engine.dialect.name != "sqlite":
        return None
    try:
        lock = Lock(session, session.connection(bind_arguments={"bind": engine}))
    except exc.SQLAlchemyError:
        # In some of its hooks a session runs no statement, and neither does it after a failed
        # flush. Its transaction is rolled back then.
        return None
    return lock if lock.is_held else None
