"""The questions of `explore` in SQL on the events with their payloads as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from math import isclose
from pathlib import Path
from typing import Any

from tcs_events.reports import Period
from tcs_events.reports.explore.question import Measure, Question
from tcs_events.reports.explore.source import Group, Tally

Numbers = dict[tuple[Any, int | None], float | None]
"""What is measured for each value and day of the period. The day None is the whole period, the
value `OTHER` all values without a row, and `TOTAL` all values."""
OTHER, TOTAL = 1, 2
MEASURED = {
    "visitors": "count(DISTINCT session_id)",
    "visits": "count(DISTINCT (day, session_id))",
    "events": "count(*)",
    "sum": "sum(number)",
    "average": "avg(number)",
    "median": "median(number)",
}


@dataclass(frozen=True)
class RawRows:
    """Parquet files of the rows, of which DuckDB reads the JSON text of each payload."""

    folder: Path
    threads: int

    def __post_init__(self) -> None:
        instance = import_module("duckdb").connect(config={"threads": self.threads})
        object.__setattr__(self, "duck", instance)

    duck: Any = None

    def numbers(self, question: Question, period: Period) -> Numbers:
        """Return the answer for values that are texts, and conditions on texts and numbers."""
        conditions = [f"day BETWEEN '{period.first}' AND '{period.last}'"]
        for condition in question.where:
            values = condition.value if isinstance(condition.value, list) else [condition.value]
            if isinstance(values[0], str):
                quoted = ", ".join(f"'{value}'" for value in values)
                conditions.append(f"{_text(condition.field)} IN ({quoted})")
            else:
                conditions.append(f"{_number(condition.field)} {condition.operator} {values[0]}")
        by = "NULL" if question.by is None else _text(question.by)
        measured = question.measure.field
        self.duck.execute(
            f"CREATE OR REPLACE TEMP TABLE events AS SELECT {by} AS value, day, session_id,"
            f" {'NULL::DOUBLE' if measured is None else _number(measured)} AS number"
            f" FROM '{self.folder}/*.parquet' WHERE {' AND '.join(conditions)}"
        )
        column = MEASURED[question.measure.kind]
        rank = f"{column} DESC, count(*) DESC" if question.measure.adds_up else "count(*) DESC"
        self.duck.execute(
            "CREATE OR REPLACE TEMP TABLE top AS SELECT value, true AS is_top FROM events"
            f" GROUP BY value ORDER BY {rank}, value LIMIT {question.limit}"
        )
        sets = "(is_top, shown), ()"
        if question.interval is not None:
            monday = "date_trunc('week', day)::DATE" if question.interval == "week" else "day"
            at = f"greatest({monday}, DATE '{period.first}')"
            sets = f"{sets}, (is_top, shown, place), (place)"
        else:
            at = "NULL"
        place = "NULL" if question.interval is None else "place"
        found = self.duck.execute(
            f"SELECT grouping(shown) AS is_total, is_top, shown, {place},"
            f" {column} FROM (SELECT events.*, is_top, {at} AS place,"
            " CASE WHEN is_top THEN value END AS shown FROM events LEFT JOIN top USING (value))"
            f" GROUP BY GROUPING SETS ({sets})"
        ).fetchall()
        return {
            (
                TOTAL if is_total else shown if is_top else OTHER,
                None if place is None else (place - period.first).days,
            ): number
            for is_total, is_top, shown, place, number in found
        }


def numbers_of(tally: Tally, question: Question, period: Period) -> Numbers:
    """Return an answer of `explore` in the same form. It leaves out days without events."""
    groups: list[tuple[Any, Group]] = [*tally.rows, (TOTAL, tally.total)]
    if tally.other is not None:
        groups.append((OTHER, tally.other))
    step = 7 if question.interval == "week" else 1
    first = -period.first.weekday() if question.interval == "week" else 0
    numbers: Numbers = {}
    for value, group in groups:
        numbers[value, None] = group.whole.number
        for place, measured in enumerate(group.series):
            if measured.number:
                numbers[value, max(0, first + place * step)] = measured.number
    return numbers


def are_equal(ours: Numbers, theirs: Numbers, measure: Measure) -> bool:
    """Return whether two answers are the same. SQL rounds while it adds up, `explore` does not."""
    if measure.kind in ("sum", "average"):
        return ours.keys() == theirs.keys() and all(
            isclose(number or 0, theirs[key] or 0, rel_tol=1e-9) for key, number in ours.items()
        )
    return ours == theirs


def _text(field: str) -> str:
    return f"(payload ->> '$.{field}')"


def _number(field: str) -> str:
    return f"TRY_CAST(payload ->> '$.{field}' AS DOUBLE)"
