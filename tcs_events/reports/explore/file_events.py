"""Brings the events of a question from files and rows into one table of DuckDB."""

# ruff: noqa: S608 - the names of columns are hexadecimal, and values are quoted or parameters

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from datetime import date
from importlib import import_module
from typing import Any, TypeAlias

from sqlalchemy import Connection, select

from tcs_events.counts import tables
from tcs_events.counts.conditions import Condition, is_compared_as_in_reports, value_key
from tcs_events.counts.days import runs
from tcs_events.counts.time_limit import in_time
from tcs_events.database.streaming import stream
from tcs_events.day_files.columns import Kinds, cell_of, session_number
from tcs_events.day_files.duck import Asked
from tcs_events.day_files.folder import DayFile
from tcs_events.reports.explore.file_sql import (
    PropertyColumn,
    PropertyColumns,
    SqlOfColumns,
    condition_in_sql,
    value_of_cells,
)
from tcs_events.reports.explore.question import Question
from tcs_events.reports.explore.rows import matched
from tcs_events.reports.explore.values import shown_value
from tcs_events.reports.period import Period
from tcs_events.reports.reading import Reading
from tcs_events.reports.who import is_of

NOTHING = Kinds()

_KindsOfNames: TypeAlias = tuple[tuple[bool, bool], ...]
"""Whether a file has numbers and whether it has texts, for each property of a question."""


def table(columns: dict[str, tuple[list[Any], str]]) -> Any:
    """Return a table of Arrow from lists and the names of their types."""
    arrow: Any = import_module("pyarrow")
    return arrow.table(
        {
            name: arrow.array(cells, getattr(arrow, kind)())
            for name, (cells, kind) in columns.items()
        }
    )


@dataclass
class _FilesOfKinds:
    """Files that have the same columns for the properties of a question."""

    paths: list[str]
    columns: PropertyColumns


class FileEvents:
    """The events of a question, from the files of some days and the rows of the others.

    Args:
        duck: the connection to DuckDB, on which the tables are made.
        connection: one of `Reading.counts`, on which the files were chosen.
        reading: says what days are.
        question: what is asked.
        period: the days.
        chosen: the files of the days that are not read from the database.
    """

    def __init__(
        self,
        duck: Asked,
        connection: Connection,
        reading: Reading,
        question: Question,
        period: Period,
        chosen: dict[date, list[DayFile]],
    ) -> None:
        self._duck, self._connection, self._reading = duck, connection, reading
        self._question, self._period, self._chosen = question, period, chosen
        self._tables = 0
        self._values: dict[int, Any] = {}
        """The values of some keys: those that SQL does not tell apart, and those with a row."""
        names = {condition.field for condition in question.where}
        self._names = sorted(
            names | {name for name in (question.by, question.measure.field) if name is not None}
        )
        self._statement, self._parameters = "", list[Any]()

    def prepare(self) -> None:
        """Read the rows, and make the table `keys`: a number `k` for each different value."""
        self._statement, self._parameters = self._all_events()
        if self._question.where:
            # Mostly few events are left, so the files are read once. Otherwise they are read twice,
            # because all texts of all events would not fit into memory.
            self._duck.rows(f"CREATE TEMP TABLE matching AS {self._statement}", self._parameters)
            self._statement, self._parameters = "FROM matching", []
        if self._question.by is not None:
            self._duck.rows(
                "CREATE TEMP TABLE keys AS SELECT (row_number() OVER ())::INTEGER AS k, n, t"
                f" FROM (SELECT DISTINCT n, t FROM ({self._statement}))",
                self._parameters,
            )
            self._merge_keys()

    def make_table(self, name: str, columns: str, end: str = "") -> None:
        """Make a table from the events.

        Args:
            name: of the table.
            columns: of the table, from the columns `k`, which is the key of the value; `day`, which
                is counted from the first of the period; `session` and `num`, the number to measure.
            end: what follows in the statement, such as GROUP BY.
        """
        day = f"(day - DATE '{self._period.first}')::SMALLINT AS day"
        events = f"SELECT 0 AS k, {day}, session, num FROM ({self._statement})"
        if self._question.by is not None:
            events = (
                f"SELECT k, {day}, session, num FROM ({self._statement}) e JOIN keys"
                " ON e.n IS NOT DISTINCT FROM keys.n AND e.t IS NOT DISTINCT FROM keys.t"
            )
        self._duck.rows(
            f"CREATE TEMP TABLE {name} AS SELECT {columns} FROM ({events}) {end}", self._parameters
        )

    def value(self, key: int, number: float | None, text: str | None) -> Any:
        """Return the value of a key, from the columns `n` and `t` of one of its cells."""
        if key not in self._values:
            self._values[key] = value_of_cells(number, text)
        return self._values[key]

    def _all_events(self) -> tuple[str, list[Any]]:
        """Return the query that gives the events, and its parameters."""
        kinds_of_files: dict[_KindsOfNames, list[DayFile]] = defaultdict(list)
        for files in self._chosen.values():
            for file in files:
                kinds_of_files[self._kinds_of(file)].append(file)
        groups = [
            _FilesOfKinds(
                [file.path for file in files],
                {
                    name: PropertyColumn(name, *kind)
                    for name, kind in zip(self._names, kinds, strict=True)
                },
            )
            for kinds, files in kinds_of_files.items()
        ]
        conditions = [self._in_sql(condition, groups) for condition in self._question.where]
        is_theirs = self._is_theirs()
        by, measured = self._question.by, self._question.measure.field
        parts, parameters = [self._of_rows()], list[Any]()
        for group in groups:
            columns = group.columns
            value = columns[by].as_value() if by is not None else "NULL::DOUBLE n, NULL::VARCHAR t"
            number = columns[measured].as_number() if measured is not None else "NULL::DOUBLE"
            where = " AND ".join([condition(columns) for condition in conditions] + is_theirs)
            parts.append(
                f"SELECT day, session, {value}, {number} num FROM read_parquet(?)"
                + (f" WHERE {where}" if where else "")
            )
            parameters.append(group.paths)
        return " UNION ALL ".join(parts), parameters

    def _kinds_of(self, file: DayFile) -> _KindsOfNames:
        kinds = (file.properties.get(name, NOTHING) for name in self._names)
        return tuple((kind.has_numbers, kind.has_texts) for kind in kinds)

    def _of_rows(self) -> str:
        """Read the days without files from the database, and return the query for their events."""
        days = [day for day in self._period.dates() if day not in self._chosen]
        columns: dict[str, tuple[list[Any], str]] = {
            "day": ([], "date32"),
            "session": ([], "int64"),
            "n": ([], "float64"),
            "t": ([], "string"),
            "num": ([], "float64"),
        }
        appends = [cells.append for cells, _ in columns.values()]
        for first, last in runs(days):
            part = Period(first, last)
            for event in matched(
                self._reading, self._connection, self._question, self._period, part=part
            ):
                if event is None:
                    continue
                cell = cell_of(event.value)
                is_text = isinstance(cell, str)
                row = (
                    event.day,
                    session_number(event.session_id),
                    None if is_text else cell,
                    cell if is_text else None,
                    event.number,
                )
                for append, value in zip(appends, row, strict=True):
                    append(value)
        self._duck.register("of_rows", table(columns))
        return "SELECT day, session, n, t, num FROM of_rows"

    def _in_sql(self, condition: Condition, groups: Sequence[_FilesOfKinds]) -> SqlOfColumns:
        """Return the SQL of a condition."""
        name, role = condition.field, self._question.role
        if (
            not is_compared_as_in_reports(name, role)
            and (in_sql := condition_in_sql(condition)) is not None
        ):
            return in_sql
        # SQL does not know which of these values are equal, so each is asked once.
        cells = {
            cell
            for files in groups
            for cell in self._duck.rows(
                f"SELECT DISTINCT {files.columns[name].as_value()} FROM read_parquet(?)",
                [files.paths],
            )
        }
        holding = [
            (number, text)
            for number, text in in_time(self._connection, cells)
            if condition.holds({name: value_of_cells(number, text)}, role)
        ]
        numbers = self._registered([number for number, _ in holding if number is not None])
        texts = self._registered([text for _, text in holding if text is not None], "string")
        # A missing property is null, but no condition but `=` holds for it.
        is_for_missing = condition.holds({}, role)

        def sql(columns: PropertyColumns) -> str:
            column = columns[name]
            found = f"{column.numbers} IN (FROM {numbers}) OR {column.texts} IN (FROM {texts})"
            return f"coalesce({found} OR ({column.is_missing} AND {is_for_missing}), false)"

        return sql

    def _is_theirs(self) -> list[str]:
        """Return the condition that leaves the visitors whom `who` means, if there is any."""
        who = self._question.who
        if who is None:
            return []
        visits = tables.visits.c
        # Fewer have come before than not, so those are asked for who are not new.
        meant = "returning" if who == "new" else who
        query = (
            select(visits.session_id)
            .where(
                visits.day.between(self._period.first, self._period.last),
                visits.event_type == self._question.event_type,
                is_of(self._connection, meant, self._period, visits.session_id),
            )
            .distinct()
        )
        with stream(self._connection, query) as found:
            sessions = [
                session_number(session_id)
                for session_id in in_time(self._connection, found.scalars())
            ]
        name = self._registered(sessions, "int64")
        return [f"session {'NOT ' * (who == 'new')}IN (FROM {name})"]

    def _merge_keys(self) -> None:
        """Give one key to all cells whose values are equal though the cells differ."""
        by, role = self._question.by or "", self._question.role
        where = (
            ""
            if is_compared_as_in_reports(by, role)
            else " WHERE left(t, 1) NOT IN ('\"', 't', 'f', 'n')"
        )
        first: dict[Hashable, int] = {}
        merged: dict[int, int] = {}
        cells = self._duck.rows(f"SELECT k, n, t FROM keys{where}")
        for key, number, text in in_time(self._connection, cells):
            value = shown_value(value_of_cells(number, text), by, role)
            same = first.setdefault(value_key(value, ""), key)
            self._values.setdefault(same, value)
            if same != key:
                merged[key] = same
        if merged:
            self._duck.register("merged", table({
                "k": ([*merged], "int32"), "same": ([*merged.values()], "int32"),
            }))  # fmt: skip
            self._duck.rows("UPDATE keys SET k = same FROM merged WHERE merged.k = keys.k")

    def _registered(self, cells: list[Any], kind: str = "float64") -> str:
        """Return the name of a new table with one column."""
        self._tables += 1
        name = f"cells_{self._tables}"
        self._duck.register(name, table({"cell": (cells, kind)}))
        return name
