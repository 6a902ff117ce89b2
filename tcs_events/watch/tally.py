"""What became of the events of all processes: each adds up its counts in a table.

Every process has rows of its own and writes the whole number into them, not what to add. So no two
processes wait for each other, and a write of which nobody knows whether it was done is done again.
"""

from __future__ import annotations

import atexit
import os
import threading
import weakref
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from time import monotonic
from uuid import uuid4

import sqlalchemy as sa
from sqlalchemy import Connection, Engine

from tcs_events.database.asking import Asker, briefly
from tcs_events.database.forks import ensure_own_state, in_each_child
from tcs_events.database.pools import is_lasting
from tcs_events.database.troubles import unavailable
from tcs_events.event import Outcome
from tcs_events.models import own_metadata, row_number
from tcs_events.stores import SqlStore
from tcs_events.watch.counters import Counters
from tcs_events.watch.log import log
from tcs_events.watch.log_lines import log_lines

EVERY_SECONDS = 10.0
PATIENCE_SECONDS = 0.5
"""How long the request that finds the counts due waits for the database at most."""
EXIT_SECONDS = 2.0
KEEP_DAYS = 400
REASON_MAX_LENGTH = 64
RECEIVED = "received"
"""What stands as the outcome of all events that came in."""

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
"""How many events ended in which way: on a day of UTC, in one process, for one reason."""

Key = tuple[date, str, str]
"""A day, an outcome or `RECEIVED`, and a reason."""


def _today() -> date:
    return datetime.now(UTC).date()


def _seconds_left_of_today() -> float:
    now = datetime.now(UTC)
    tomorrow = datetime.combine(now.date() + timedelta(days=1), datetime.min.time(), UTC)
    return (tomorrow - now).total_seconds()


class Tally:
    """Writes down what one process has counted.

    The request that finds it due does so, once its answer is decided: every ten seconds, and at
    midnight. At a clean exit the rest follows. What is not written is kept for the next time.

    Args:
        counters: which count.
        store: gives the store of the events once there is one; the table is in its database.
    """

    def __init__(self, counters: Counters, store: Callable[[], SqlStore | None]) -> None:
        self._counters = counters
        self._store = store
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
        self._counters.due_at = monotonic() + min(EVERY_SECONDS, _seconds_left_of_today() + 0.1)

    def write_if_due(self) -> None:
        """Write what is new, unless somebody is at it or the store has failed. Raises nothing."""
        ensure_own_state()
        if self._mutex.locked():
            return
        # Not by `acquire`: a request that is ended just after it would keep the lock for ever.
        with self._mutex:
            try:
                self._be_due_later()
                self._take()
                log_lines.settle()
                store = self._store()
                if store is not None and is_lasting(store.engine) and not store.state().is_failing:
                    self._write(store.engine, PATIENCE_SECONDS)
            except Exception as error:
                self._failed(error)

    def write_now(self, engine: Engine, seconds: float) -> bool:
        """Write in any case, to see whether anything can be written. Raises nothing."""
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
        """Write nothing any more: what this process counts from here on, no visitor has sent."""
        self._pid = 0
        self._counters.when_due = lambda: None

    def _take(self) -> None:
        """Give what was counted since the last time to the day on which that was."""
        counted = self._counters.counted()
        now = {(str(outcome), why): events for (outcome, why), events in counted.outcomes.items()}
        now[RECEIVED, ""] = counted.received
        counts, unwritten, today = self._counts.copy(), self._unwritten.copy(), _today()
        for (outcome, reason), events in now.items():
            if new := events - self._before.get((outcome, reason), 0):
                key = self._day, outcome, reason[:REASON_MAX_LENGTH]
                counts[key] += new
                unwritten.add(key)
        # All at once: a request that is ended in here has added nothing, or everything.
        self._counts, self._unwritten, self._before, self._day = counts, unwritten, now, today

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
        """Write the rest, in the process that counted it."""
        store = self._store()
        if self._pid != os.getpid() or store is None or not is_lasting(store.engine):
            return
        try:
            with self._mutex:
                self._take()
                if not store.state().is_failing:
                    self._write(store.engine, EXIT_SECONDS)
        except Exception as error:
            self._failed(error)
        log_lines.settle()


def _write_rows(connection: Connection, process: str, rows: dict[Key, int]) -> None:
    columns = table.c
    for (day, outcome, reason), events in rows.items():
        its = {"day": day, "process": process, "outcome": outcome, "reason": reason}
        # A write that was given up may come after the one that followed it: no count goes down.
        more = sa.case((columns.events < events, events), else_=columns.events)
        same = sa.and_(*(columns[name] == value for name, value in its.items()))
        if connection.execute(table.update().where(same).values(events=more)).rowcount == 0:
            connection.execute(table.insert().values(**its, events=events))


@dataclass(frozen=True, slots=True)
class Day:
    """What became of the events of one day of UTC, in all processes."""

    day: date
    received: int
    """Counted when they came in; `ended` counts them when they ended."""
    events: dict[str, int]
    """Events by outcome, every one."""
    reasons: dict[str, dict[str, int]]
    """Where an outcome has reasons: outcome to reason to events."""

    @property
    def ended(self) -> int:
        """All events whose end was counted."""
        return sum(self.events.values())


def by_outcome(
    counts: Iterable[tuple[str, str, int]],
) -> tuple[dict[str, int], dict[str, dict[str, int]]]:
    """Return how many events had each outcome, every one named, and the reasons where there are."""
    events = {outcome.value: 0 for outcome in Outcome}
    reasons: dict[str, dict[str, int]] = {}
    for outcome, reason, count in sorted(counts):
        events[outcome] = events.get(outcome, 0) + count
        if reason:
            of_outcome = reasons.setdefault(outcome, {})
            of_outcome[reason] = of_outcome.get(reason, 0) + count
    return events, reasons


def read_days(connection: Connection, first: date) -> list[Day]:
    """Return the days from `first` on that anything came on, oldest first."""
    columns = table.c
    rows = connection.execute(
        sa.select(columns.day, columns.outcome, columns.reason, sa.func.sum(columns.events))
        .where(columns.day >= first)
        .group_by(columns.day, columns.outcome, columns.reason)
    )
    of_days: dict[date, list[tuple[str, str, int]]] = {}
    for day, outcome, reason, events in rows:
        of_days.setdefault(day, []).append((outcome, reason, int(events)))
    days = []
    for day, counts in sorted(of_days.items()):
        received = sum(count for outcome, _, count in counts if outcome == RECEIVED)
        ends = [one for one in counts if one[0] != RECEIVED]
        days.append(Day(day, received, *by_outcome(ends)))
    return days
