"""Makes the answer to a question from one table of its events, in DuckDB."""

# ruff: noqa: S608 - the names are of this module, and values are numbers

from __future__ import annotations

from collections.abc import Iterable
from math import ceil
from typing import Any

from sqlalchemy import Connection

from tcs_events.counts.time_limit import in_time
from tcs_events.day_files.duck import Asked
from tcs_events.reports.explore.cells import starts_of
from tcs_events.reports.explore.file_events import FileEvents, table
from tcs_events.reports.explore.file_sql import MeasureSql
from tcs_events.reports.explore.question import Question
from tcs_events.reports.explore.source import Group, Measured, Tally
from tcs_events.reports.explore.values import order_text
from tcs_events.reports.period import Period

PART_EVENTS = 2_000_000
"""Visitors are counted in parts of about so many events. A part takes about 200 MB of memory."""
OTHER, TOTAL = -1, -2
"""The groups of all values without a row, and of all values. A row's group is its place."""
WHOLE = -1
"""The interval that is the whole period. The others are counted from 0."""


def tally_of(
    duck: Asked, connection: Connection, events: FileEvents, question: Question, period: Period
) -> Tally:
    """Return the answer from events that are prepared."""
    ways: dict[str, type[_Way]] = {
        "visitors": _Visitors,
        "visits": _Visitors,
        "median": _Medians,
    }
    return ways.get(question.measure.kind, _Sums)(
        duck, connection, events, question, period
    ).tally()


class _Way:
    """One way to measure events. Each has the tables that it needs, and no others."""

    def __init__(
        self,
        duck: Asked,
        connection: Connection,
        events: FileEvents,
        question: Question,
        period: Period,
    ) -> None:
        self._duck, self._connection, self._events = duck, connection, events
        self._question, self._sql = question, MeasureSql(question.measure)
        self._places = len(starts_of(period, question.interval))
        weekday = period.first.weekday()
        self._place = {
            "day": "day",
            "week": f"((day + {weekday}) // 7)::SMALLINT",
            None: f"{WHOLE}::SMALLINT",
        }[question.interval]

    def tally(self) -> Tally:
        """Return what the files and the rows say together."""
        self.make_tables()
        rows: list[tuple[int, Any]] = []
        other_values = 0
        if self._question.by is not None:
            rows, other_values = self._ranked()
        shown = [key for key, _ in rows]
        self._duck.register("shown", table({
            "k": (shown, "int32"), "g": (list(range(len(shown))), "int32"),
        }))  # fmt: skip
        groups = self._groups(self.groups(has_others=other_values > 0))
        total = groups.get(TOTAL, Group(0, self._sql.nothing, [self._sql.nothing] * self._places))
        if self._question.by is None:
            return Tally([], None, 0, total)
        with_rows = [(value, groups[place]) for place, (_, value) in enumerate(rows)]
        return Tally(with_rows, groups.get(OTHER), other_values, total)

    def make_tables(self) -> None:
        """Make what `by_value` and `groups` read."""
        raise NotImplementedError

    def by_value(self) -> str:
        """Return the query for each key: `k`, and the columns of the measure."""
        raise NotImplementedError

    def groups(self, has_others: bool) -> Iterable[tuple[Any, ...]]:
        """Return a row for each group and interval: both, and the columns of the measure."""
        raise NotImplementedError

    def _ranked(self) -> tuple[list[tuple[int, Any]], int]:
        """Return the keys with a row of their own and their values, and how many others there are.

        The rows are in their order.
        """
        limit, measure = self._question.limit, self._question.measure
        self._duck.rows(f"CREATE TEMP TABLE ranked AS {self.by_value()}")
        [(keys,)] = self._duck.rows("SELECT count(*) FROM ranked")
        rank = "measured DESC, events DESC" if measure.adds_up else "events DESC"
        candidates = f"(SELECT *, rank() OVER (ORDER BY {rank}) AS place FROM ranked)"
        # All that are as large as the last one with a row: their order is not SQL's to say.
        chosen = f"(SELECT * EXCLUDE (place) FROM {candidates} WHERE place <= {limit})"
        if measure.kind == "sum":
            chosen = "ranked"  # SQL has their sums in parts
        values = "(SELECT k, any_value(n) AS n, any_value(t) AS t FROM keys GROUP BY k)"
        rows = self._duck.rows(f"SELECT v.n, v.t, c.* FROM {chosen} c JOIN {values} v USING (k)")
        found = []
        for number, text, key, events, *columns in in_time(self._connection, rows):
            value = self._events.value(key, number, text)
            amount = (self._sql.measured(columns).number or 0) if measure.adds_up else 0
            found.append((-amount, -events, order_text(value), key, value))
        shown = [(key, value) for *_, key, value in sorted(found, key=lambda row: row[:4])[:limit]]
        return shown, int(keys) - len(shown)

    def _groups(self, rows: Iterable[tuple[Any, ...]]) -> dict[int, Group]:
        wholes: dict[int, tuple[int, Measured]] = {}
        series: dict[int, list[Measured]] = {}
        for group, place, events, *columns in in_time(self._connection, rows):
            measured = self._sql.measured(columns)
            if place == WHOLE:
                wholes[group] = int(events), measured
            else:
                numbers = series.setdefault(group, [self._sql.nothing] * self._places)
                numbers[place] = measured
        return {
            group: Group(events, whole, series.get(group, [self._sql.nothing] * self._places))
            for group, (events, whole) in wholes.items()
        }


_WITH_GROUP = "(SELECT coalesce(g, -1) AS g, {name}.* FROM {name} LEFT JOIN shown USING (k))"


class _Sums(_Way):
    """Events, sums and averages: those of parts are added up."""

    def make_tables(self) -> None:
        columns = f"k, {self._place} AS place, {self._sql.of_events}"
        self._events.make_table("parts", columns, "GROUP BY ALL")

    def by_value(self) -> str:
        return f"SELECT k, {self._sql.of_parts} FROM parts GROUP BY k"

    def groups(self, has_others: bool) -> Iterable[tuple[Any, ...]]:
        sets = "(g), ()" + (", (g, place), (place)" if self._places else "")
        place = f"CASE WHEN grouping(place) = 1 THEN {WHOLE} ELSE place END"
        return self._duck.rows(
            f"SELECT CASE WHEN grouping(g) = 1 THEN {TOTAL} ELSE g END,"
            f" {place if self._places else WHOLE}, {self._sql.of_parts}"
            f" FROM {_WITH_GROUP.format(name='parts')} GROUP BY GROUPING SETS ({sets})"
            " HAVING sum(events) > 0"
        )


class _Medians(_Way):
    """Medians: each is found among all of its numbers."""

    def make_tables(self) -> None:
        self._events.make_table("events", f"k, {self._place} AS place, num")

    def by_value(self) -> str:
        # The order of the rows does not depend on their medians.
        return "SELECT k, count(*) AS events FROM events GROUP BY k"

    def groups(self, has_others: bool) -> Iterable[tuple[Any, ...]]:
        # One after the other: together they would need the memory of all of them.
        source = _WITH_GROUP.format(name="events")
        for place in [str(WHOLE)] + ["place"] * bool(self._places):
            for group in ("g", str(TOTAL)):
                yield from self._duck.rows(
                    f"SELECT {group} AS of_group, {place} AS of_place, {self._sql.of_events}"
                    f" FROM {source} GROUP BY ALL"
                )


class _Visitors(_Way):
    """Visitors and visits: each visitor is in one part of the visitors, whose counts add up."""

    _parts = 1

    @property
    def _is_of_visits(self) -> bool:
        return self._question.measure.kind == "visits"

    def make_tables(self) -> None:
        # A visit is a visitor's day, so visits of days add up to those of weeks.
        place = "day" if self._is_of_visits else self._place
        self._events.make_table("events", f"k, {place} AS place, session")
        [(events,)] = self._duck.rows("SELECT count(*) FROM events")
        self._parts = max(1, ceil(events / PART_EVENTS))
        for name in ("of_keys", "of_groups"):
            self._duck.rows(
                f"CREATE TEMP TABLE {name} (k INTEGER, place SMALLINT, events BIGINT,"
                " measured BIGINT)"
            )
        self._count_in_parts("k", "of_keys", "events", str(TOTAL))

    def by_value(self) -> str:
        place = "" if self._is_of_visits else f" WHERE place = {WHOLE}"
        return f"SELECT k, {self._sql.of_parts} FROM of_keys{place} GROUP BY k"

    def groups(self, has_others: bool) -> Iterable[tuple[Any, ...]]:
        others = "(FROM events WHERE k NOT IN (SELECT k FROM shown))"
        if has_others:
            self._count_in_parts(None, "", others, str(OTHER))
        counted = (
            "SELECT g, place, events, measured FROM of_keys JOIN shown USING (k)"
            " UNION ALL FROM of_groups"
        )
        if self._is_of_visits:
            place = self._place.replace("day", "place")
            whole = f"SELECT g, {WHOLE} AS place, events, measured FROM ({counted})"
            intervals = f"SELECT g, {place} AS place, events, measured FROM ({counted})"
            counted = f"{whole} UNION ALL {intervals}" if self._places else whole
        return self._duck.rows(
            f"SELECT g, place, {self._sql.of_parts} FROM ({counted}) GROUP BY g, place"
        )

    def _count_in_parts(self, key: str | None, keys: str, source: str, group: str) -> None:
        """Count the visitors of events by their interval and in the whole period.

        Args:
            key: the column by which they are counted, too; None for none.
            keys: the table for these counts.
            source: the table of the events.
            group: the group for all of the events in the table `of_groups`.
        """
        # A visitor of several keys or intervals counts once in what has all of them.
        again = [] if self._is_of_visits or not self._places else [str(WHOLE)]
        for part in range(self._parts):
            # The numbers of sessions are as good as random.
            is_part = f"(session & 1073741823) % {self._parts} = {part}"
            self._duck.rows(
                f"CREATE OR REPLACE TEMP TABLE seen AS SELECT {key or 0} AS k, place, session,"
                f" count(*) AS n FROM {source} WHERE {is_part} GROUP BY ALL"
            )
            if key is not None:
                self._count(keys, "FROM seen")
                for place in again:
                    self._count(keys, _SEEN_AGAIN.format("k", place))
            for place in ["place", *again]:
                self._count("of_groups", _SEEN_AGAIN.format(group, place))

    def _count(self, target: str, seen: str) -> None:
        self._duck.rows(
            f"INSERT INTO {target} SELECT k, place, sum(n), count(*) FROM ({seen})"
            " GROUP BY k, place"
        )


_SEEN_AGAIN = "SELECT {} AS k, {} AS place, session, sum(n) AS n FROM seen GROUP BY ALL"
