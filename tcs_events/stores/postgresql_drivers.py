"""What differs between the PostgreSQL drivers: psycopg 3, psycopg2 and pg8000.

A connection is the driver's own object, in autocommit mode. All errors are the driver's.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from io import BytesIO, StringIO
from socket import IPPROTO_TCP, TCP_NODELAY
from time import monotonic
from typing import Any, Protocol
from uuid import UUID

from tcs_events.database import watchdog

Row = Sequence[Any]

SERVER_FIRST_SECONDS = 0.1
"""How long after the deadline a silent connection is cut. The server's own limit on a statement,
which begins a little later than ours, is an answer: the connection then stays good."""


class PostgresDriver(Protocol):
    """One driver. The methods take the driver's connection."""

    @property
    def can_copy(self) -> bool:
        """Whether COPY works in this process."""

    def prepare(self, connection: Any) -> None:
        """Set up a new connection. Nothing is sent to the server."""

    def prepare_nothing(self, connection: Any) -> None:
        """Use no prepared statements from here on. Each could meet another server process."""

    def until(self, connection: Any, deadline: float) -> AbstractContextManager[object]:
        """Return a context in which statements end at a `monotonic()` time.

        A connection without an answer is then lost, and raises an error of the driver.
        """

    def run(self, connection: Any, statements: str) -> list[Row]:
        """Run statements without values, and return the rows of the last one.

        Several statements are one transaction, unless they begin or end one.
        """

    def execute(
        self, connection: Any, statement: str, values: Sequence[object], before: str = ""
    ) -> list[Row]:
        """Run one statement in a transaction of its own, and return its rows.

        Args:
            connection: the driver's connection.
            statement: has `%s` for each value.
            values: texts, times, UUIDs, lists of UUIDs and None.
            before: statements to run first in the same transaction, each with its semicolon.
        """

    def copy(self, connection: Any, statement: str, lines: str) -> int:
        """Run COPY FROM STDIN, and return how many rows were stored."""


@contextmanager
def transaction(driver: PostgresDriver, connection: Any, before: str) -> Iterator[None]:
    """Run the body in a transaction that begins with the statements `before`."""
    driver.run(connection, f"BEGIN; {before}")
    try:
        yield
    except Exception:
        with contextlib.suppress(Exception):  # the first error says why
            driver.run(connection, "ROLLBACK")
        raise
    driver.run(connection, "COMMIT")


def as_hex(value: Any) -> str:
    """Return an id as records have it. psycopg2 gives a text, unless the host wants UUIDs."""
    return value.hex if isinstance(value, UUID) else UUID(value).hex


class Psycopg3:
    """psycopg 3. It waits in Python, so it needs no watchdog."""

    can_copy = True

    def __init__(self) -> None:
        import psycopg

        self._psycopg = psycopg
        self._deadline = 0.0

    def prepare(self, connection: Any) -> None:
        patient_wait = connection.wait

        def wait(generator: Any, *args: Any, **kwargs: Any) -> Any:
            return patient_wait(self._until_deadline(generator), *args, **kwargs)

        connection.wait = wait

    def prepare_nothing(self, connection: Any) -> None:
        connection.prepare_threshold = None

    def until(self, connection: Any, deadline: float) -> AbstractContextManager[object]:
        self._deadline = deadline
        return contextlib.nullcontext()

    def _until_deadline(self, generator: Any) -> Generator[Any, Any, Any]:
        """Run psycopg's wait loop, and stop it at the deadline.

        If the server is stopped or unreachable, no answer comes, and the kernel keeps the
        connection open. psycopg wakes up every tenth of a second; this generator checks the time.
        """
        try:
            state = next(generator)
            while True:
                ready = yield state
                if not ready and monotonic() > self._deadline:
                    raise self._psycopg.OperationalError("no answer in time")
                state = generator.send(ready)
        except StopIteration as stop:
            return stop.value

    def run(self, connection: Any, statements: str) -> list[Row]:
        with connection.cursor() as cursor:
            return _last_rows(cursor.execute(statements))

    def execute(
        self, connection: Any, statement: str, values: Sequence[object], before: str = ""
    ) -> list[Row]:
        if before:
            # Values in the text: only then does the server take several statements at once.
            with self._psycopg.ClientCursor(connection) as cursor:
                return _last_rows(cursor.execute(before + statement, values))
        with connection.cursor() as cursor:
            return _last_rows(cursor.execute(statement, values))

    def copy(self, connection: Any, statement: str, lines: str) -> int:
        with connection.cursor() as cursor:
            with cursor.copy(statement) as copy:
                copy.write(lines)
            rows: int = cursor.rowcount
            return rows


class Psycopg2:
    """psycopg2. It waits in C, so a watchdog ends what takes too long."""

    def __init__(self) -> None:
        import psycopg2.extensions

        self._extensions = psycopg2.extensions
        self._error = psycopg2.OperationalError

    @property
    def can_copy(self) -> bool:
        # With a callback that lets gevent run other greenlets, as psycogreen sets one.
        return self._extensions.get_wait_callback() is None

    def prepare(self, connection: Any) -> None:
        """Do nothing: each of its connections is ready for us."""

    def prepare_nothing(self, connection: Any) -> None:
        """Do nothing: it never prepares a statement."""

    def until(self, connection: Any, deadline: float) -> AbstractContextManager[object]:
        return _watched(connection.fileno(), deadline, self._error)

    def run(self, connection: Any, statements: str) -> list[Row]:
        return self.execute(connection, statements, ())

    def execute(
        self, connection: Any, statement: str, values: Sequence[object], before: str = ""
    ) -> list[Row]:
        with connection.cursor() as cursor:
            # It always writes the values into the text.
            cursor.execute(before + statement, [_plain(value) for value in values] or None)
            return cursor.fetchall() if cursor.description else []

    def copy(self, connection: Any, statement: str, lines: str) -> int:
        with connection.cursor() as cursor:
            cursor.copy_expert(statement, StringIO(lines))
            rows: int = cursor.rowcount
            return rows


class Pg8000:
    """pg8000, which is written in Python. A watchdog ends what takes too long."""

    can_copy = True

    def __init__(self) -> None:
        import pg8000

        self._error = pg8000.InterfaceError

    def prepare(self, connection: Any) -> None:
        # It sends small messages, each of which would wait 40 ms for the server to confirm the one
        # before: https://datatracker.ietf.org/doc/html/rfc1122#page-96
        if (socket := getattr(connection, "_usock", None)) is not None:
            with contextlib.suppress(OSError):  # a Unix socket has no such option
                socket.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)

    def prepare_nothing(self, connection: Any) -> None:
        """Do nothing: its cursors never name a prepared statement."""

    def until(self, connection: Any, deadline: float) -> AbstractContextManager[object]:
        socket = getattr(connection, "_usock", None)
        return _watched(socket.fileno() if socket else -1, deadline, self._error)

    def run(self, connection: Any, statements: str) -> list[Row]:
        return self._rows(connection, statements, ())

    def execute(
        self, connection: Any, statement: str, values: Sequence[object], before: str = ""
    ) -> list[Row]:
        if before:
            with transaction(self, connection, before):
                return self._rows(connection, statement, values)
        return self._rows(connection, statement, values)

    def _rows(self, connection: Any, statement: str, values: Sequence[object]) -> list[Row]:
        for value in values:
            if isinstance(value, str):
                # Else it fails in the middle of its messages, and the connection is of no more use.
                value.encode(self._encoding(connection))
        with contextlib.closing(connection.cursor()) as cursor:
            cursor.execute(statement, values)
            return list(cursor.fetchall()) if cursor.description else []

    def copy(self, connection: Any, statement: str, lines: str) -> int:
        with contextlib.closing(connection.cursor()) as cursor:
            stream = BytesIO(lines.encode(self._encoding(connection)))
            cursor.execute(statement, stream=stream)
            rows: int = cursor.rowcount
            return rows

    def _encoding(self, connection: Any) -> str:
        return str(getattr(connection, "_client_encoding", "utf8"))


DRIVERS: dict[str, Callable[[], PostgresDriver]] = {
    "psycopg": Psycopg3,
    "psycopg2": Psycopg2,
    "pg8000": Pg8000,
}
"""The drivers that we know, by SQLAlchemy's names of them."""


def _last_rows(cursor: Any) -> list[Row]:
    while cursor.nextset():
        pass
    return cursor.fetchall() if cursor.description else []


def _plain(value: object) -> object:
    """Return a value that psycopg2 can write without a type that the host has registered."""
    match value:
        case UUID():
            return str(value)
        case list():
            return [_plain(item) for item in value]
    return value


def _watched(
    fileno: int, deadline: float, error: type[Exception]
) -> AbstractContextManager[object]:
    try:
        return watchdog.until(deadline + SERVER_FIRST_SECONDS, fileno)
    except OSError:
        # In the words by which SQLAlchemy knows a connection that is lost.
        raise error("connection is closed") from None
