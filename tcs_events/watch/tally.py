"""The counts of all processes, in a table of the host's database.

Each process has its own rows, and writes the total into them, not the difference. So processes
never wait for each other, and a write whose outcome is unknown can simply be repeated.
"""

from __future__ import annotations

import atexit
import os
import threading
import weakref
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from time import monotonic
from typing import Protocol
from uuid import uuid4

import sqlalchemy as sa
from sqlalchemy import Connection, Engine

from tcs_events.database.asking import Asker, briefly
from tcs_events.database.forks import ensure_own_state, in_each_child
from tcs_events.database.host_database import HostDatabase
from tcs_events.database.pools import is_lasting
from tcs_events.database.troubles import unavailable
from tcs_events.event import Outcome
from tcs_events.models import own_metadata, row_number
from tcs_events.stores import Store
from tcs_events.watch.counters import Counters
from tcs_events.watch.log import log
from tcs_events.watch.log_lines import log_lines

EVERY_SECONDS = 10.0
"""How often a process writes its counts."""
PATIENCE_SECONDS = 0.5
"""How long a request waits at most for the database when it writes the counts."""
EXIT_SECONDS = 2.0
"""How long the write at the exit of a process may take."""
KEEP_DAYS = 400
REASON_MAX_LENGTH = 64
RECEIVED = "received"
"""The value of `outcome` in the rows that count all received events."""

table = sa.Table(
    "user_event_counters",
    own_metadata,
    sa.Column("id", row_number, primary_key=True),
    sa.Column("day", sa.Date(), nullable=False),
    sa.Column("process", sa.String(32), nullable=False),
    sa.Column("outcome", sa.String(16), nullable=False),
    sa.Column("reason", sa.String(REASON_MAX_LENGTH), nullable=False),
    sa.Column("events", sa.BigInteger(), nullable=False),
    sa.UniqueConstraint("day", "process", "outcome", "reason", name="uq_user_event_counters"),
)
"""The number of events by UTC day, process, outcome and reason."""

Key = tuple[date, str, str]
"""A UTC day, an outcome or `RECEIVED`, and a reason."""


def _today() -> date:
    return datetime.now(UTC).date()


def _seconds_left_of_today() -> float:
    now = datetime.now(UTC)
    tomorrow = datetime.combine(now.date() + timedelta(days=1), datetime.min.time(), UTC)
    return (tomorrow - now).total_seconds()


class Place(Protocol):
    """Where the counts are written."""

    @property
    def opened_store(self) -> Store | None: ...

    @property
    def database(self) -> HostDatabase: ...


class Tally:
    """Writes the counts of one process into the table.

    Every ten seconds and at midnight UTC, a request writes them once its answer is decided. A clean
    exit writes the rest. Counts that could not be written are kept for the next time.

    Args:
        counters: the counts of this process.
        place: the database, once the store of events is open. Before, nothing is written.
    """

    def __init__(self, counters: Counters, place: Place) -> None:
        self._counters = counters
        self._place = place
        self._reset()
        counters.when_due = self.write_if_due
        in_each_child(self._reset)
        at_exit = weakref.WeakMethod(self._at_exit)
        atexit.register(lambda: (write := at_exit()) and write())

    def _reset(self) -> None:
        self._pid = os.getpid()
        self._process = uuid4().hex
        self._mutex = threading.Lock()
        self._asker = Asker()
        self._day = _today()
        self._before: dict[tuple[str, str], int] = {}
        self._counts: Counter[Key] = Counter()
        self._unwritten: set[Key] = set()
        self._has_tidied = False
        self.is_failing = False
        """Whether the last write failed."""
        self._be_due_later()

    def _be_due_later(self) -> None:
        # Just after midnight, so that the write sees the new day and closes the old one.
        self._counters.due_at = monotonic() + min(EVERY_SECONDS, _seconds_left_of_today() + 0.1)

    def write_if_due(self) -> None:
        """Write the new counts. Never raises.

        Does nothing while another thread writes them, or while the store is failing.
        """
        ensure_own_state()
        if self._mutex.locked():
            return
        # `with`, not `acquire`: a request interrupted just after `acquire` would never release it.
        with self._mutex:
            try:
                self._be_due_later()
                self._take()
                log_lines.settle()
                if (engine := self._lasting_engine()) and not self._is_store_failing():
                    self._write(engine, PATIENCE_SECONDS)
            except Exception as error:
                self._failed(error)

    def _lasting_engine(self) -> Engine | None:
        """Return the engine to write on, None if nothing shall be written."""
        if self._place.opened_store is None:
            return None
        engine = self._place.database.engine
        return engine if is_lasting(engine) else None

    def _is_store_failing(self) -> bool:
        store = self._place.opened_store
        return store is not None and store.state().is_failing

    def write_now(self, engine: Engine, seconds: float) -> bool:
        """Write at least one row, and return whether that succeeded. Never raises."""
        ensure_own_state()
        with self._mutex:
            self._take()
            self._unwritten.add((self._day, RECEIVED, ""))
            try:
                self._write(engine, seconds)
            except Exception as error:
                self._failed(error)
            return not self.is_failing

    def stop(self) -> None:
        """Stop writing, in a process whose further events are tests and not sent by visitors."""
        self._pid = 0
        self._counters.when_due = lambda: None

    def _take(self) -> None:
        """Add the events counted since the last call to the day of the last call."""
        counted = self._counters.counted()
        totals = {
            (str(outcome), reason): events for (outcome, reason), events in counted.outcomes.items()
        }
        totals[RECEIVED, ""] = counted.received
        counts, unwritten, today = self._counts.copy(), self._unwritten.copy(), _today()
        for (outcome, reason), events in totals.items():
            if new := events - self._before.get((outcome, reason), 0):
                key = self._day, outcome, reason[:REASON_MAX_LENGTH]
                counts[key] += new
                unwritten.add(key)
        # In one statement: if the request is interrupted, all counts are added or none.
        self._counts, self._unwritten, self._before, self._day = counts, unwritten, totals, today

    def _write(self, engine: Engine, seconds: float) -> None:
        process, tidy = self._process, not self._has_tidied
        rows = {key: self._counts[key] for key in self._unwritten}
        if rows:

            def write() -> None:
                with briefly(engine, int(seconds * 1000)) as connection:
                    _write_rows(connection, process, rows)
                    if tidy:
                        oldest = _today() - timedelta(days=KEEP_DAYS)
                        connection.execute(table.delete().where(table.c.day < oldest))

            self._asker.ask(seconds, write)
            self._has_tidied = True
        self.is_failing = False
        self._unwritten.clear()
        # Written counts of past days never change again. Without this they would pile up.
        for key in [key for key in self._counts if key[0] != self._day]:
            del self._counts[key]

    def _failed(self, error: Exception) -> None:
        if not self.is_failing:
            trouble = unavailable(error, table.name, "id")
            log.warning(
                "tcs_events.counters_not_written", reason=trouble.reason, remedy=trouble.remedy
            )
        self.is_failing = True

    def _at_exit(self) -> None:
        """Write the remaining counts, but only in the process that counted them."""
        engine = self._lasting_engine()
        if self._pid != os.getpid() or engine is None:
            return
        try:
            with self._mutex:
                self._take()
                if not self._is_store_failing():
                    self._write(engine, EXIT_SECONDS)
        except Exception as error:
            self._failed(error)
        log_lines.settle()


def _write_rows(connection: Connection, process: str, rows: dict[Key, int]) -> None:
    columns = table.c
    for (day, outcome, reason), events in rows.items():
        key = {"day": day, "process": process, "outcome": outcome, "reason": reason}
        # Counts never go down: a write that timed out may be carried out after a later one.
        larger = sa.case((columns.events < events, events), else_=columns.events)
        is_row = sa.and_(*(columns[name] == value for name, value in key.items()))
        if connection.execute(table.update().where(is_row).values(events=larger)).rowcount == 0:
            connection.execute(table.insert().values(**key, events=events))


@dataclass(frozen=True, slots=True)
class Day:
    """The events of one UTC day in all processes, by outcome."""

    day: date
    received: int
    """The events that arrived."""
    events: dict[str, int]
    """Events by outcome. Every outcome is a key."""
    reasons: dict[str, dict[str, int]]
    """Events by outcome and reason, for outcomes that have reasons."""

    @property
    def ended(self) -> int:
        """The events that have an outcome. It may differ from `received` for a moment."""
        return sum(self.events.values())


def by_outcome(
    counts: Iterable[tuple[str, str, int]],
) -> tuple[dict[str, int], dict[str, dict[str, int]]]:
    """Return the events by outcome, and by outcome and reason.

    Every outcome is a key of the first dict. The second has only outcomes with reasons.
    """
    events = {outcome.value: 0 for outcome in Outcome}
    reasons: dict[str, dict[str, int]] = {}
    for outcome, reason, count in sorted(counts):
        events[outcome] = events.get(outcome, 0) + count
        if reason:
            counts_by_reason = reasons.setdefault(outcome, {})
            counts_by_reason[reason] = counts_by_reason.get(reason, 0) + count
    return events, reasons


def read_days(connection: Connection, first: date) -> list[Day]:
    """Return the UTC days from `first` on that have counts, oldest first."""
    columns = table.c
    rows = connection.execute(
        sa.select(columns.day, columns.outcome, columns.reason, sa.func.sum(columns.events))
        .where(columns.day >= first)
        .group_by(columns.day, columns.outcome, columns.reason)
    )
    counts_by_day: dict[date, list[tuple[str, str, int]]] = {}
    for day, outcome, reason, events in rows:
        counts_by_day.setdefault(day, []).append((outcome, reason, int(events)))
    days = []
    for day, counts in sorted(counts_by_day.items()):
        received = sum(events for outcome, _, events in counts if outcome == RECEIVED)
        outcomes = [count for count in counts if count[0] != RECEIVED]
        days.append(Day(day, received, *by_outcome(outcomes)))
    return days
