"""How long questions take over many events: asked of the counts, of the rows, and of DuckDB."""

from __future__ import annotations

import csv
import random
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
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

GROUP = 3_000
EXPERTS = 2_000
QUERIES = 20_000
EVENTS_PER_SESSION = 8
REPEATS = 5

Question = tuple[str, Callable[[reports.Period], object], str | None]
FUNNEL = MARKETPLACE_MEANING.default_funnel
TWO_FILTERS = {"context": "grid", "expert_id": ["expert-1", "expert-2", "expert-3"]}
QUESTIONS: Sequence[Question] = (
    ("events per day and type", reports.activity, "days"),
    ("events per hour", lambda period: reports.activity(period, "hour"), "hours"),
    ("visitors", reports.visitors, "visitors"),
    ("top 20 experts", reports.top_experts, "experts"),
    ("top 20 queries", reports.top_queries, "queries"),
    ("unmet demand", reports.unmet_demand, "gaps"),
    ("exposure", reports.exposure, "exposure"),
    ("exposure, 365 days", lambda _: reports.exposure(reports.last_days(365)), None),
    ("dead-end filters", reports.dead_end_values, "dead_ends"),
    ("funnel of two steps", lambda period: reports.funnel(period, FUNNEL), "funnel"),
    (
        "the same within 7 days",
        lambda period: reports.funnel(period, FUNNEL, within="7d"),
        "funnel_over_days",
    ),
    ("retention by week", reports.retention, "retention"),
    ("retention by day", lambda period: reports.retention(period, "day"), "retention"),
    ("retention by week, 365 days", lambda _: reports.retention(reports.last_days(365)), None),
    ("three events after a click", lambda period: reports.paths(period, "card_click"), "paths"),
    (
        "events by a property",
        lambda period: reports.explore(period, "sage_query", "result_count", measure="events"),
        "explore",
    ),
    (
        "visitors by a property",
        lambda period: reports.explore(period, "sage_query", "result_count"),
        "explore_visitors",
    ),
    (
        "the same with two filters",
        lambda period: reports.explore(period, "card_click", "expert_id", TWO_FILTERS),
        "explore_filtered",
    ),
    ("timeline of a session", lambda _: reports.session_timeline("visitor-77"), "timeline"),
)
RAW = {
    "days": "SELECT {day}, event_type, count(*), count(DISTINCT session_id) FROM user_events"
    " GROUP BY 1, 2",
    "hours": "SELECT {hour}, event_type, count(*), count(DISTINCT session_id) FROM user_events"
    " GROUP BY 1, 2",
    "visitors": "SELECT event_type, count(DISTINCT session_id) FROM user_events GROUP BY 1"
    " UNION ALL SELECT '', count(DISTINCT session_id) FROM user_events",
    "experts": "SELECT {payload}expert_id{end}, count(*) FROM user_events"
    " WHERE event_type = 'card_click' GROUP BY 1 ORDER BY 2 DESC LIMIT 20",
    "queries": "SELECT lower({payload}query_text{end}), count(*) FROM user_events"
    " WHERE event_type = 'sage_query' GROUP BY 1 ORDER BY 2 DESC LIMIT 20",
    "gaps": "SELECT lower({payload}query_text{end}), count(DISTINCT session_id) FROM user_events"
    " WHERE event_type = 'sage_query' AND CAST({payload}result_count{end} AS INTEGER) = 0"
    " GROUP BY 1 ORDER BY 2 DESC LIMIT 50",
    "exposure": "SELECT {expert}, count(*) FROM user_events{each}"
    " WHERE event_type = 'sage_query' GROUP BY 1 ORDER BY 2",
    "dead_ends": "SELECT {payload}filter{end}, {payload}value{end}, count(DISTINCT session_id)"
    " FROM user_events WHERE event_type = 'filter_change'"
    " AND CAST({payload}result_count{end} AS INTEGER) = 0 GROUP BY 1, 2 ORDER BY 3 DESC LIMIT 20",
    "funnel": "SELECT count(*), count(CASE WHEN last > first THEN 1 END) FROM (SELECT session_id,"
    " {day}, min(CASE WHEN event_type = 'sage_query' AND CAST({payload}result_count{end} AS"
    " INTEGER) > 0 THEN created_at END) AS first, max(CASE WHEN event_type = 'card_click' THEN"
    " created_at END) AS last FROM user_events GROUP BY 1, 2) AS visits WHERE first IS NOT NULL",
    "funnel_over_days": "SELECT count(*), count(CASE WHEN last > first THEN 1 END) FROM (SELECT"
    " session_id, min(CASE WHEN event_type = 'sage_query' AND CAST({payload}result_count{end} AS"
    " INTEGER) > 0 THEN created_at END) AS first, max(CASE WHEN event_type = 'card_click' THEN"
    " created_at END) AS last FROM user_events GROUP BY 1) AS visitors WHERE first IS NOT NULL",
    "retention": "SELECT first, {day}, count(DISTINCT user_events.session_id) FROM user_events"
    " JOIN (SELECT session_id, min({day}) AS first FROM user_events GROUP BY 1) AS firsts"
    " ON firsts.session_id = user_events.session_id GROUP BY 1, 2",
    "paths": "SELECT next, second, third, count(*) FROM (SELECT event_type,"
    " lead(event_type) OVER visit AS next, lead(event_type, 2) OVER visit AS second,"
    " lead(event_type, 3) OVER visit AS third, sum(CASE WHEN event_type = 'card_click' THEN 1"
    " ELSE 0 END) OVER visit AS number FROM user_events"
    " WINDOW visit AS (PARTITION BY session_id, {day} ORDER BY created_at)) AS events"
    " WHERE event_type = 'card_click' AND number = 1 GROUP BY 1, 2, 3 ORDER BY 4 DESC",
    "explore": "SELECT {payload}result_count{end}, count(*) FROM user_events"
    " WHERE event_type = 'sage_query' GROUP BY 1 ORDER BY 2 DESC LIMIT 20",
    "explore_visitors": "SELECT {payload}result_count{end}, count(DISTINCT session_id)"
    " FROM user_events WHERE event_type = 'sage_query' GROUP BY 1 ORDER BY 2 DESC LIMIT 20",
    "explore_filtered": "SELECT {payload}expert_id{end}, count(DISTINCT session_id)"
    " FROM user_events WHERE event_type = 'card_click' AND {payload}context{end} = 'grid'"
    " AND {payload}expert_id{end} IN ('expert-1', 'expert-2', 'expert-3')"
    " GROUP BY 1 ORDER BY 2 DESC LIMIT 20",
    "timeline": "SELECT created_at, payload FROM user_events WHERE session_id = 'visitor-77'"
    " ORDER BY created_at",
}
"""What one would write by hand. It counts less than the reports do: no clicks within five minutes,
no normalised texts, no positions, no limit of a funnel to 24 hours or 7 days."""
SPELLINGS = {
    "postgresql": {
        "day": "date_trunc('day', created_at)",
        "hour": "date_trunc('hour', created_at)",
        "payload": "payload->>'",
        "end": "'",
        "expert": "expert",
        "each": ", jsonb_array_elements_text(payload->'expert_ids') AS expert",
    },
    "sqlite": {
        "day": "date(created_at)",
        "hour": "strftime('%Y-%m-%d %H', created_at)",
        "payload": "json_extract(payload, '$.",
        "end": "')",
        "expert": "expert.value",
        "each": ", json_each(payload, '$.expert_ids') AS expert",
    },
    "duckdb": {
        "day": "date_trunc('day', created_at)",
        "hour": "date_trunc('hour', created_at)",
        "payload": "payload->>'",
        "end": "'",
        "expert": "expert.unnest",
        "each": ", unnest(CAST(payload->'expert_ids' AS VARCHAR[])) AS expert",
    },
}


def run(setup: Setup, databases: Sequence[str], count: int, days: int) -> tuple[str, bool]:
    """Fill each database with events of the last days, count, and ask. Returns the tables."""
    tables = []
    rows_file = setup.folder / "rows.csv"
    for database in databases:
        of_database = count if database == "postgresql" else count // 2
        with setup.database(database) as (folder, url):
            tables.append(_measure(url, database, of_database, days, rows_file, folder))
        rows_file.unlink(missing_ok=True)
    return "\n\n".join(tables), True


def _measure(url: str, database: str, count: int, days: int, rows_file: Path, folder: Path) -> str:
    app, db = _app(url)
    with app.app_context():
        db.create_all()
        registration = app.extensions["tcs_events"]
        filled = _timed(lambda: _fill(registration.store, count, days, rows_file, database))
        if database == "postgresql":
            with db.engine.connect() as connection:
                connection.execution_options(isolation_level="AUTOCOMMIT").execute(text("ANALYZE"))
        with click.progressbar(length=days + 2, label=f"{database}: counting") as bar:
            counted = _timed(
                lambda: registration.refresher.refresh(
                    rebuild=True, progress=lambda done, of, events: bar.update(done - bar.pos)
                )
            )
        again = _timed(registration.refresher.refresh)
        period = reports.last_days(days)
        raw = _raw_times(db.engine, database)
        duck = _duckdb_times(rows_file)
        lines = []
        for name, ask, by_hand in QUESTIONS:
            registration.refresher.refresh()
            times, is_estimate = _asked(ask, period)
            of_duck = duck.get(by_hand)
            lines.append(
                [
                    name + (" (estimate)" if is_estimate else ""),
                    f"{min(times) * 1000:,.1f}",
                    _ms(raw.get(by_hand)),
                    _ms(of_duck),
                    "" if of_duck is None else f"{min(times) / of_duck:.3f}",
                ]
            )
            click.echo(f"{database}: {lines[-1]}")
        all_pages = {**pages.OF_THE_COUNTS, **pages.EXPLORED}
        of_pages = pages.measure_pages(app, db.engine, database, all_pages)
        registration.store.close()
        db.engine.dispose()
    of_files = _with_day_files(url, database, folder / "days")
    head = ["", "reports, ms", "rows, ms", "DuckDB, 1 thread, ms", "reports / DuckDB"]
    return (
        f"**{database}, {count:,} events over {days} days**\n\n{markdown_table(head, lines)}\n\n"
        f"Filled in {filled:.0f} s; all counted in {counted:.0f} s; counted again what had changed,"
        f" with the day that goes on, in {again:.1f} s. The reports answer in Python objects; rows"
        f" and DuckDB are asked by hand, for less.\n\n{of_pages}{of_files}"
    )


def _app(url: str, **config: object) -> tuple[Flask, SQLAlchemy]:
    app = Flask("host")
    app.config.update(SQLALCHEMY_DATABASE_URI=url, **config)
    db = SQLAlchemy(app)
    app.register_blueprint(events_bp)
    pages.add_dashboard(app)
    return app, db


def _asked(
    ask: Callable[[reports.Period], object], period: reports.Period
) -> tuple[list[float], bool]:
    """Return what several answers took, and whether they were estimates."""
    times: list[float] = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        answer = ask(period)
        times.append(time.perf_counter() - start)
    return times, getattr(answer, "is_estimate", False)


def _with_day_files(url: str, database: str, folder: Path) -> str:
    """Return the table of the pages that files of closed days are for; "" without the extra."""
    if find_spec("duckdb") is None or find_spec("pyarrow") is None:
        return ""
    app, db = _app(url, TCS_EVENTS_DAY_FILES=str(folder))
    with app.app_context():
        keeper = app.extensions["tcs_events"].day_keeper
        writing = _timed(keeper.write)
        of_pages = pages.measure_pages(app, db.engine, f"{database}, files", pages.EXPLORED)
        db.engine.dispose()
    megabytes = keeper.folder.size() / 1e6
    return f"\n\nWith files of days ({megabytes:,.0f} MB, in {writing:.0f} s):\n\n{of_pages}"


def _fill(store: Any, count: int, days: int, rows_file: Path, database: str) -> None:
    with rows_file.open("w", newline="") as file:
        writer = csv.writer(file)
        with click.progressbar(length=count, label=f"{database}: filling") as bar:
            group: list[Event] = []
            for event in _events(count, days):
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


def _events(count: int, days: int) -> Iterator[Event]:
    """Give events of visitors over the days, in the order in which they happen."""
    chance = random.Random(1)
    start = datetime.now(UTC) - timedelta(days=days)
    step = timedelta(days=days) / count
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
