"""How long questions take over many events: asked of the counts, of the rows, and of DuckDB."""

from __future__ import annotations

import csv
import random
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import text

from tcs_events import events_bp, reports
from tcs_events.counts.meaning import MARKETPLACE_MEANING
from tcs_events.event import Event, new_event_id
from tcs_events.strict_json import dumps
from tests.benchmarks import pages
from tests.benchmarks.measure import Setup
from tests.benchmarks.report import markdown_table

DAYS = 30
GROUP = 3_000
EXPERTS = 2_000
QUERIES = 20_000
EVENTS_PER_SESSION = 8
REPEATS = 5

Question = tuple[str, Callable[[reports.Period], object], str | None]
QUESTIONS: Sequence[Question] = (
    ("events per day and type", reports.activity, "days"),
    ("events per hour", lambda period: reports.activity(period, "hour"), None),
    ("top 20 experts", reports.top_experts, "experts"),
    ("top 20 queries", reports.top_queries, None),
    ("unmet demand", reports.unmet_demand, "gaps"),
    ("exposure", reports.exposure, "exposure"),
    ("exposure, 365 days", lambda _: reports.exposure(reports.last_days(365)), None),
    ("dead-end filters", reports.dead_end_values, None),
    (
        "funnel of two steps",
        lambda period: reports.funnel(period, MARKETPLACE_MEANING.default_funnel),
        None,
    ),
    ("retention by week", reports.retention, "retention"),
    ("retention by day", lambda period: reports.retention(period, "day"), None),
    ("retention by week, 365 days", lambda _: reports.retention(reports.last_days(365)), None),
    ("timeline of a session", lambda _: reports.session_timeline("visitor-77"), "timeline"),
)
RAW = {
    "days": "SELECT {day}, event_type, count(*), count(DISTINCT session_id) FROM user_events"
    " GROUP BY 1, 2",
    "experts": "SELECT {payload}expert_id{end}, count(*) FROM user_events"
    " WHERE event_type = 'card_click' GROUP BY 1 ORDER BY 2 DESC LIMIT 20",
    "gaps": "SELECT lower({payload}query_text{end}), count(DISTINCT session_id) FROM user_events"
    " WHERE event_type = 'sage_query' AND CAST({payload}result_count{end} AS INTEGER) = 0"
    " GROUP BY 1 ORDER BY 2 DESC LIMIT 50",
    "exposure": "SELECT {expert}, count(*) FROM user_events{each}"
    " WHERE event_type = 'sage_query' GROUP BY 1 ORDER BY 2",
    "retention": "SELECT first, {day}, count(DISTINCT user_events.session_id) FROM user_events"
    " JOIN (SELECT session_id, min({day}) AS first FROM user_events GROUP BY 1) AS firsts"
    " ON firsts.session_id = user_events.session_id GROUP BY 1, 2",
    "timeline": "SELECT created_at, payload FROM user_events WHERE session_id = 'visitor-77'"
    " ORDER BY created_at",
}
"""What one would write by hand. It counts less than the reports do: no clicks within five minutes,
no normalised texts, no positions."""
SPELLINGS = {
    "postgresql": {
        "day": "date_trunc('day', created_at)",
        "payload": "payload->>'",
        "end": "'",
        "expert": "expert",
        "each": ", jsonb_array_elements_text(payload->'expert_ids') AS expert",
    },
    "sqlite": {
        "day": "date(created_at)",
        "payload": "json_extract(payload, '$.",
        "end": "')",
        "expert": "expert.value",
        "each": ", json_each(payload, '$.expert_ids') AS expert",
    },
    "duckdb": {
        "day": "date_trunc('day', created_at)",
        "payload": "payload->>'",
        "end": "'",
        "expert": "expert.unnest",
        "each": ", unnest(CAST(payload->'expert_ids' AS VARCHAR[])) AS expert",
    },
}


def run(setup: Setup, databases: Sequence[str], count: int) -> tuple[str, bool]:
    """Fill each database, count, and ask. Returns the tables."""
    tables = []
    rows_file = setup.folder / "rows.csv"
    for database in databases:
        of_database = count if database == "postgresql" else count // 2
        with setup.database(database) as (_, url):
            tables.append(_measure(url, database, of_database, rows_file))
        rows_file.unlink(missing_ok=True)
    return "\n\n".join(tables), True


def _measure(url: str, database: str, count: int, rows_file: Path) -> str:
    app = Flask("host")
    app.config["SQLALCHEMY_DATABASE_URI"] = url
    db = SQLAlchemy(app)
    app.register_blueprint(events_bp)
    pages.add_dashboard(app)
    with app.app_context():
        db.create_all()
        registration = app.extensions["tcs_events"]
        filled = _timed(lambda: _fill(registration.store, count, rows_file, database))
        if database == "postgresql":
            with db.engine.connect() as connection:
                connection.execution_options(isolation_level="AUTOCOMMIT").execute(text("ANALYZE"))
        with click.progressbar(length=DAYS + 2, label=f"{database}: counting") as bar:
            counted = _timed(
                lambda: registration.refresher.refresh(
                    rebuild=True, progress=lambda done, of, events: bar.update(done - bar.pos)
                )
            )
        again = _timed(registration.refresher.refresh)
        period = reports.last_days(DAYS)
        raw = _raw_times(db.engine, database)
        duck = _duckdb_times(rows_file)
        lines = []
        for name, ask, by_hand in QUESTIONS:
            registration.refresher.refresh()
            times = [_timed(lambda ask=ask: ask(period)) for _ in range(REPEATS)]
            lines.append(
                [
                    name,
                    f"{statistics.median(times) * 1000:,.1f}",
                    _ms(raw.get(by_hand)),
                    _ms(duck.get(by_hand)),
                ]
            )
            click.echo(f"{database}: {lines[-1]}")
        of_pages = pages.measure_pages(app, db.engine, database)
        registration.store.close()
        db.engine.dispose()
    head = ["", "counts, ms", "rows, ms", "DuckDB, 1 thread, ms"]
    return (
        f"**{database}, {count:,} events over {DAYS} days**\n\n{markdown_table(head, lines)}\n\n"
        f"Filled in {filled:.0f} s; all counted in {counted:.0f} s; counted again what had changed,"
        f" with the day that goes on, in {again:.1f} s. The counts answer in Python objects; rows"
        f" and DuckDB are asked by hand, for less.\n\n{of_pages}"
    )


def _fill(store: Any, count: int, rows_file: Path, database: str) -> None:
    with rows_file.open("w", newline="") as file:
        writer = csv.writer(file)
        with click.progressbar(length=count, label=f"{database}: filling") as bar:
            group: list[Event] = []
            for event in _events(count):
                group.append(event)
                if len(group) == GROUP:
                    _store(store, group, writer)
                    bar.update(GROUP)
                    group = []
            _store(store, group, writer)


def _store(store: Any, group: list[Event], writer: Any) -> None:
    store.append([event.record() for event in group])
    writer.writerows(
        (
            event.session_id,
            event.event_type,
            dumps(event.payload),
            event.created_at.replace(tzinfo=None).isoformat(" "),
        )
        for event in group
    )


def _events(count: int) -> Iterator[Event]:
    """Give events of visitors over the days, in the order in which they happen."""
    chance = random.Random(1)
    start = datetime.now(UTC) - timedelta(days=DAYS)
    step = timedelta(days=DAYS) / count
    for number in range(count):
        at = start + number * step
        # Some thousand visitors are there at a time, each for a while.
        session = number // (EVENTS_PER_SESSION * 1_000) * 1_000 + chance.randrange(1_000)
        event_type, fields = payload(chance)
        yield Event(new_event_id(), f"visitor-{session}", event_type, fields, None, at, at)


def payload(chance: random.Random) -> tuple[str, dict[str, object]]:
    """Give the type and the payload of an event."""
    kind = chance.random()
    expert = f"expert-{int(chance.paretovariate(0.7)) % EXPERTS}"
    if kind < 0.4:
        return "card_click", {"expert_id": expert, "context": chance.choice(("grid", "sage_panel"))}
    filters = {"rate_max": chance.randrange(50, 200, 10)} if chance.random() < 0.3 else {}
    found = chance.choice((0, 1, 3, 8, 10))
    if kind < 0.7:
        experts = [f"expert-{chance.randrange(EXPERTS)}" for _ in range(found)]
        return "sage_query", {
            "query_text": f"Someone for {int(chance.paretovariate(0.5)) % QUERIES}",
            "function_called": "search_experts",
            "result_count": found,
            "expert_ids": experts,
            "filters": filters,
        }
    value = chance.randrange(50, 200, 10)
    return "filter_change", {
        "filter": "rate_max",
        "value": value,
        "filters": {"rate_max": value},
        "result_count": found,
    }


def _raw_times(engine: Any, database: str) -> dict[str | None, float]:
    times: dict[str | None, float] = {}
    for name, query in RAW.items():
        statement = text(query.format(**SPELLINGS[database]).replace(":", r"\:"))
        with engine.connect() as connection:
            times[name] = _timed(lambda: connection.execute(statement).fetchall())  # noqa: B023
        click.echo(f"{database} by hand: {name} {times[name]:.1f} s")
    return times


def _duckdb_times(rows_file: Path) -> dict[str | None, float]:
    """Ask DuckDB the same, over the same rows in a table of its own; nothing where it is not."""
    try:
        import duckdb
    except ImportError:
        click.echo("Without DuckDB: pip install duckdb")
        return {}
    path = rows_file.with_suffix(".duckdb")
    connection = duckdb.connect(str(path))
    connection.execute(
        "CREATE TABLE user_events AS SELECT session_id, event_type, CAST(payload AS JSON) AS"
        f" payload, created_at FROM read_csv('{rows_file}', header = false, columns ="
        " {'session_id': 'VARCHAR', 'event_type': 'VARCHAR', 'payload': 'VARCHAR',"
        " 'created_at': 'TIMESTAMP'})"
    )
    connection.execute("SET threads = 1")
    times: dict[str | None, float] = {}
    for name, query in RAW.items():
        statement = query.format(**SPELLINGS["duckdb"])
        times[name] = _timed(lambda: connection.execute(statement).fetchall())  # noqa: B023
    connection.close()
    path.unlink()
    return times


def _timed(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def _ms(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds * 1000:,.0f}"
