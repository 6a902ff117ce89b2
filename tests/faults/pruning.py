"""Old events are deleted while new ones arrive: who waits for it, and for how long?"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import Connection, NullPool, create_engine, text

from tests.faults import host
from tests.faults.servers import Server
from tests.support import ROOT, URL, card_click, kind_of

EVENTS_PER_SECOND = 100
POSTING_THREADS = 32
WARM_UP_SECONDS, CALM_SECONDS = 3, 20
OLDER_THAN_DAYS = 30
MAX_RATIO = 2.0
DAY = 86_400

PAYLOAD = json.dumps({"expert_id": "ada-lovelace", "context": "sage_panel", "note": "x" * 80})
COLUMNS = "event_id, session_id, event_type, payload, created_at, received_at"
TYPES = "CASE i % 3 WHEN 0 THEN 'card_click' WHEN 1 THEN 'sage_query' ELSE 'filter_change' END"
# Eight events a session, and the sessions in no order, as random ids are in an index.
FILL = {
    "sqlite": f"INSERT INTO user_events ({COLUMNS}) WITH RECURSIVE numbers(i) AS (SELECT :first"
    " UNION ALL SELECT i + 1 FROM numbers WHERE i + 1 < :first + :count) SELECT"
    " printf('%032x', i), printf('visitor-%08x', (i / 8 * 2654435761) % 4294967296),"
    f" {TYPES}, '{PAYLOAD}',"
    " strftime('%Y-%m-%d %H:%M:%f', :start + (i - :first) * :step, 'unixepoch') || '000',"
    " strftime('%Y-%m-%d %H:%M:%f', :start + (i - :first) * :step, 'unixepoch') || '000'"
    " FROM numbers",
    "postgresql": f"INSERT INTO user_events ({COLUMNS}) SELECT"
    " CAST(lpad(to_hex(i), 32, '0') AS uuid),"
    f" 'visitor-' || to_hex(i / 8 * 2654435761 % 4294967296), {TYPES}, '{PAYLOAD}',"
    " to_timestamp(:start + (i - :first) * :step), to_timestamp(:start + (i - :first) * :step)"
    " FROM generate_series(CAST(:first AS bigint), CAST(:first AS bigint) + :count - 1)"
    " AS numbers(i)",
    "mariadb": f"INSERT INTO user_events ({COLUMNS}) SELECT lpad(hex(i), 32, '0'),"
    f" concat('visitor-', hex(i DIV 8 * 2654435761 % 4294967296)), {TYPES}, '{PAYLOAD}',"
    " timestampadd(MICROSECOND, (:start + (i - :first) * :step) * 1000000, '1970-01-01'),"
    " timestampadd(MICROSECOND, (:start + (i - :first) * :step) * 1000000, '1970-01-01')"
    " FROM (SELECT seq AS i FROM seq_0_to_99999999 WHERE seq >= :first AND seq < :first + :count)"
    " AS numbers",
}


@dataclass
class Posting:
    """What came of the events that were posted at their times."""

    statuses: Counter[int] = field(default_factory=Counter)
    """0 is no answer."""
    seconds: list[float] = field(default_factory=list)
    """From the moment at which an event was due until its answer."""

    def p99_ms(self) -> float:
        return statistics.quantiles(self.seconds, n=100)[98] * 1000

    def slowest_ms(self) -> float:
        return max(self.seconds) * 1000


@dataclass(frozen=True)
class Pruned:
    """A run: what visitors met before and during it, and what it left."""

    calm: Posting
    busy: Posting
    took_seconds: float
    wrong_rows: int
    """Old events that are there, and others that are not."""

    def ratio(self) -> float:
        return self.busy.p99_ms() / self.calm.p99_ms()

    def not_stored(self) -> int:
        return sum(self.busy.statuses.values()) - self.busy.statuses[202]

    def harm(self) -> list[str]:
        """What should not be."""
        said = []
        if self.ratio() > MAX_RATIO:
            said.append(f"p99 is {self.ratio():.1f} times as long")
        if self.not_stored():
            said.append(f"{self.not_stored()} events not stored at once")
        if self.wrong_rows:
            said.append(f"{self.wrong_rows} wrong rows")
        return said

    def row(self) -> dict[str, object]:
        return {
            "took s": f"{self.took_seconds:.0f}",
            "posted": sum(self.busy.statuses.values()),
            "calm p99 ms": f"{self.calm.p99_ms():.1f}",
            "p99 ms": f"{self.busy.p99_ms():.1f}",
            "ratio": f"{self.ratio():.2f}",
            "slowest ms": f"{self.busy.slowest_ms():.0f}",
            "503": self.busy.statuses[503],
            "wrong rows": self.wrong_rows,
        }


Action = Callable[[str, Path], None]
"""Deletes what is old from a database; may use a folder."""


def a_few_at_a_time(database_url: str, folder: Path) -> None:
    """Run the command as an operator does."""
    _command(database_url, "prune", "--older-than", f"{OLDER_THAN_DAYS}d")


def in_one_transaction(database_url: str, folder: Path) -> None:
    """Delete as one would by hand: the control, which may do harm."""
    engine = create_engine(database_url, poolclass=NullPool)
    with engine.begin() as connection:
        delete_old(connection)


def delete_old(connection: Connection) -> None:
    connection.execute(text(f"DELETE FROM user_events WHERE created_at < '{_limit(connection)}'"))


WAYS: dict[str, Action] = {"prune": a_few_at_a_time, "one DELETE": in_one_transaction}


def prune_under_load(
    database_url: str, folder: Path, delete: Action, *, rows: int, face: str, kind: str
) -> Pruned:
    """Fill a new database, post all the time, and delete the older two thirds of it."""
    host.create_tables(database_url)
    young = rows // 2
    fill(database_url, rows, young)
    _command(database_url, "rollup")
    with Server(database_url, folder / "server.log", kind=kind, face=face) as server:
        warm = post_for(server.port, WARM_UP_SECONDS)
        calm = post_for(server.port, CALM_SECONDS)
        started = time.monotonic()
        with Poster(server.port) as poster:
            delete(database_url, folder)
            took = time.monotonic() - started
        busy = poster.posting
    stored = sum(posting.statuses[202] for posting in (warm, calm, busy))
    return Pruned(calm, busy, took, wrong_rows(database_url, young + stored))


def fill(database_url: str, old: int, young: int) -> None:
    """Store events from before the limit, in the order of their time, and events from after it."""
    engine = create_engine(database_url, poolclass=NullPool)
    now = int(time.time())
    limit = now - OLDER_THAN_DAYS * DAY
    with engine.begin() as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("PRAGMA cache_size = -400000")
        for first, count, start, end in (
            (0, old, limit - 60 * DAY, limit - 60),
            (old, young, limit + DAY, now - 60),
        ):
            step = (end - start) / count
            values = {"first": first, "count": count, "start": start, "step": step}
            connection.execute(text(FILL[kind_of(database_url)]), values)
    if engine.dialect.name == "postgresql":
        with engine.connect() as connection:
            connection.execution_options(isolation_level="AUTOCOMMIT").execute(
                text("VACUUM ANALYZE")
            )


def wrong_rows(database_url: str, expected: int) -> int:
    engine = create_engine(database_url, poolclass=NullPool)

    def count(connection: Connection, operator: str) -> int:
        condition = f"created_at {operator} '{_limit(connection)}'"
        query = f"SELECT count(*) FROM user_events WHERE {condition}"
        return int(connection.execute(text(query)).scalar_one())

    with engine.connect() as connection:
        return count(connection, "<") + abs(count(connection, ">=") - expected)


class Poster:
    """Posts events at their times, whether those before are answered or not."""

    def __init__(self, port: int) -> None:
        self.posting = Posting()
        self._port = port
        self._lock = threading.Lock()
        self._next = 0
        self._stopped = threading.Event()
        self._threads = [threading.Thread(target=self._post) for _ in range(POSTING_THREADS)]

    def __enter__(self) -> Poster:
        self._started = time.monotonic()
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    def _post(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        with contextlib.closing(connection):
            while True:
                with self._lock:
                    number, self._next = self._next, self._next + 1
                due = self._started + number / EVENTS_PER_SECOND
                if self._stopped.wait(max(0.0, due - time.monotonic())):
                    return
                status = _post(connection, card_click(session_id=f"new-{number}"))
                seconds = time.monotonic() - due
                with self._lock:
                    self.posting.statuses[status] += 1
                    self.posting.seconds.append(seconds)


def _post(connection: http.client.HTTPConnection, event: dict[str, object]) -> int:
    try:
        connection.request("POST", URL, json.dumps(event))
        response = connection.getresponse()
        response.read()
    except (OSError, http.client.HTTPException):
        connection.close()
        return 0
    return response.status


def post_for(port: int, seconds: float) -> Posting:
    with Poster(port) as poster:
        time.sleep(seconds)
    return poster.posting


def _limit(connection: Connection) -> str:
    """Return the time before which an event is old, as the database reads it."""
    zone = "" if connection.dialect.name == "mysql" else "+00"
    return f"{datetime.now(UTC) - timedelta(days=OLDER_THAN_DAYS):%Y-%m-%d %H:%M:%S}{zone}"


def _command(database_url: str, *args: str) -> None:
    subprocess.run(
        [sys.executable, "-m", "flask", "--app", "tests.cli.host", "tcs-events", *args],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": database_url},
        check=True,
    )
