"""Reads closed days from their files, and all other days from the database, into one answer."""

# ruff: noqa: S608 - the names of columns are hexadecimal, and values are quoted or parameters

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, TypeAlias

from sqlalchemy import Connection, select

from tcs_events.counts import tables
from tcs_events.counts.conditions import Condition, is_compared_as_in_reports, value_key
from tcs_events.counts.days import runs
from tcs_events.counts.time_limit import in_time, time_of
from tcs_events.counts.versions import versions
from tcs_events.database.streaming import stream
from tcs_events.day_files.columns import (
    Kinds,
    cell_of,
    column_names,
    json_text,
    session_number,
    value_of,
)
from tcs_events.day_files.duck import NotAnswered, asking
from tcs_events.day_files.folder import DayFile, DayFolder, DayVersion
from tcs_events.errors import NotCounted, QuestionTimeout
from tcs_events.reports.explore.cells import starts_of
from tcs_events.reports.explore.question import Measure, Question
from tcs_events.reports.explore.rows import DatabaseRows, matched
from tcs_events.reports.explore.source import Group, Measured, Source, Tally
from tcs_events.reports.explore.values import NUMBER_PATTERN, order_text, shown_value
from tcs_events.reports.period import Period
from tcs_events.reports.reading import Reading
from tcs_events.reports.sampling import EXACT_SHARE
from tcs_events.reports.who import is_of
from tcs_events.strict_json import MAX_NUMBER
from tcs_events.watch.log import log
from tcs_events.watch.log_lines import log_lines

NOTHING = Kinds()
_GRID = 2.0**60
"""Sums are of whole numbers of 1, of 1/2^60 and of 1/2^120, so that nothing is rounded."""


def source_of(reading: Reading) -> Source:
    """Return where the events of a question are read: with the files of days, if there are any."""
    rows, path = DatabaseRows(reading), reading.settings.day_files
    return rows if path is None else FilesAndRows(reading, _folder_at(path), rows)


@cache  # it remembers what is in the files
def _folder_at(path: Path) -> DayFolder:
    return DayFolder(path)


@dataclass(frozen=True)
class FilesAndRows:
    """Files of closed days as a source, and the database for the other days."""

    reading: Reading
    folder: DayFolder
    rows: DatabaseRows
    """The source if the files do not answer, or take too long."""

    def tally(self, question: Question, period: Period) -> Tally:
        """Return what `Source.tally` says.

        Raises:
            NotCounted: as for `DatabaseRows.tally`.
            QuestionTimeout: there was not even time for a sample.
        """
        try:
            with self.reading.counts(share=EXACT_SHARE) as connection:
                chosen = self._chosen(connection, question, period)
                if chosen:
                    with asking(self.folder.path, time_of(connection)) as duck:
                        answer = _Answer(duck, connection, self.reading, question, period, chosen)
                        return answer.tally()
        except (QuestionTimeout, NotCounted):
            pass  # the database makes an estimate, or says the same
        except NotAnswered as error:
            if log_lines.allows("day_files_not_read", per_second=1):
                log.warning("tcs_events.day_files_not_read", reason=type(error.__cause__).__name__)
        return self.rows.tally(question, period)

    def _chosen(
        self, connection: Connection, question: Question, period: Period
    ) -> dict[date, list[DayFile]]:
        """Return the days whose files answer the question, with the files of its event type."""
        chosen = {}
        for day, version in versions(connection, self.reading.zone).items():
            if not period.first <= day <= period.last:
                continue
            types = self.folder.files(DayVersion(day, version))
            if types is not None:
                files = types.get(question.event_type, [])
                if all(_answers(file, question) for file in files):
                    chosen[day] = files
        return chosen


def _answers(file: DayFile, question: Question) -> bool:
    """Return whether a file has columns for the question, and no numbers that are not in them."""
    compared = {condition.field for condition in question.where} | {question.measure.field}
    return all(
        name is None or name in file.properties or file.is_whole
        for name in {question.by, *compared}
    ) and not any(file.properties.get(name or "", NOTHING).has_huge for name in compared)


_KindsOfNames: TypeAlias = tuple[tuple[bool, bool], ...]
"""Whether a file has numbers and whether it has texts, for each property of a question."""


def _kinds_of(file: DayFile, names: Sequence[str]) -> _KindsOfNames:
    kinds = (file.properties.get(name, NOTHING) for name in names)
    return tuple((kind.has_numbers, kind.has_texts) for kind in kinds)


class _Answer:
    """One answer, on a connection to DuckDB that keeps its tables.

    Args:
        duck: the connection to DuckDB.
        connection: one of `Reading.counts`, on which the files were chosen.
        reading: says what days are.
        question: what is asked.
        period: the days.
        chosen: the files of the days that are not read from the database.
    """

    def __init__(
        self,
        duck: Any,
        connection: Connection,
        reading: Reading,
        question: Question,
        period: Period,
        chosen: dict[date, list[DayFile]],
    ) -> None:
        self._duck, self._connection, self._reading = duck, connection, reading
        self._question, self._period, self._chosen = question, period, chosen
        self._arrow: Any = import_module("pyarrow")
        self._tables = 0
        self._values: dict[int, Any] = {}
        """The values of some keys: those that SQL does not tell apart, and those with a row."""

    def tally(self) -> Tally:
        """Return what the files and the rows say together."""
        measuring = _Measuring(self._question.measure)
        parts, parameters = self._parts()
        self._keep_events(" UNION ALL ".join(parts), parameters)
        shown: list[int] = []
        other_values = 0
        if self._question.by is not None:
            shown, other_values = self._ranked(measuring)
        self._duck.register("shown", self._table({
            "k": (shown, "int64"), "g": (list(range(len(shown))), "int64"),
        }))  # fmt: skip
        by_group = self._groups(measuring, "g")
        [total] = self._groups(measuring, "0").values() or [_no_events(measuring, self._places)]
        if self._question.by is None:
            return Tally([], None, 0, total)
        rows = [(self._values[key], by_group[place]) for place, key in enumerate(shown)]
        return Tally(rows, by_group.get(-1), other_values, total)

    # From the files and the rows to a table of events: a key of the value, the day, the visitor.

    def _parts(self) -> tuple[list[str], list[Any]]:
        """Return the queries that give the events, and their parameters."""
        parts, parameters = [self._of_rows()], list[Any]()
        by_kinds: dict[_KindsOfNames, list[DayFile]] = defaultdict(list)
        names = self._names()
        for files in self._chosen.values():
            for file in files:
                by_kinds[_kinds_of(file, names)].append(file)
        columns = {
            kinds: {name: _Column(name, *kind) for name, kind in zip(names, kinds, strict=True)}
            for kinds in by_kinds
        }
        met = [self._meeting(condition, by_kinds, columns) for condition in self._question.where]
        is_theirs = self._is_theirs()
        for kinds, files in by_kinds.items():
            of = columns[kinds]
            by, measured = self._question.by, self._question.measure.field
            value = of[by].as_value() if by is not None else "NULL::DOUBLE n, NULL::VARCHAR t"
            number = of[measured].as_number() if measured is not None else "NULL::DOUBLE"
            conditions = [one(of) for one in met] + is_theirs
            parts.append(
                f"SELECT day, session, {value}, {number} num FROM read_parquet(?)"
                + (f" WHERE {' AND '.join(conditions)}" if conditions else "")
            )
            parameters.append([file.path for file in files])
        return parts, parameters

    def _names(self) -> list[str]:
        """Return the properties that the question is about."""
        names = {condition.field for condition in self._question.where}
        names |= {self._question.by, self._question.measure.field} - {None}  # type: ignore[arg-type]
        return sorted(names)

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
        self._duck.register("of_rows", self._table(columns))
        return "SELECT day, session, n, t, num FROM of_rows"

    def _meeting(
        self,
        condition: Condition,
        by_kinds: dict[_KindsOfNames, list[DayFile]],
        columns: dict[_KindsOfNames, dict[str, _Column]],
    ) -> Any:
        """Return a function from the columns of some files to the SQL of a condition on them."""
        name, role = condition.field, self._question.role
        is_special = is_compared_as_in_reports(name, role)
        if not is_special and (in_sql := _sql_of(condition)) is not None:
            return lambda of: in_sql(of[name])
        # SQL does not know which of these values are equal, so each is asked once.
        cells = {
            cell
            for kinds, files in by_kinds.items()
            for cell in self._duck.execute(
                f"SELECT DISTINCT {columns[kinds][name].as_value()} FROM read_parquet(?)",
                [[file.path for file in files]],
            ).fetchall()
        }
        holding = [
            (number, text)
            for number, text in in_time(self._connection, cells)
            if condition.holds({name: _value_of(number, text)}, role)
        ]
        numbers = self._registered([number for number, _ in holding if number is not None])
        texts = self._registered([text for _, text in holding if text is not None], "string")
        # A missing property is null, but no condition but `=` holds for it.
        is_for_missing = condition.holds({}, role)

        def sql(of: dict[str, _Column]) -> str:
            column = of[name]
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

    def _keep_events(self, events: str, parameters: list[Any]) -> None:
        """Make the table `events`, with the day as a number and the value as the key `k`."""
        if self._question.where:
            # Mostly few events are left, so the files are read once. Otherwise they are read twice,
            # because all texts of all events would not fit into memory.
            self._duck.execute(f"CREATE TEMP TABLE matching AS {events}", parameters)
            events, parameters = "FROM matching", []
        day = f"(day - DATE '{self._period.first}')::SMALLINT"
        if self._question.by is None:
            self._duck.execute(
                f"CREATE TEMP TABLE events AS SELECT 0 k, {day} AS day, session, num"
                f" FROM ({events})",
                parameters,
            )
            return
        self._duck.execute(
            "CREATE TEMP TABLE keys AS SELECT row_number() OVER () k, n, t"
            f" FROM (SELECT DISTINCT n, t FROM ({events}))",
            parameters,
        )
        self._merge_keys()
        self._duck.execute(
            f"CREATE TEMP TABLE events AS SELECT k, {day} AS day, session, num"
            f" FROM ({events}) e JOIN keys"
            " ON e.n IS NOT DISTINCT FROM keys.n AND e.t IS NOT DISTINCT FROM keys.t",
            parameters,
        )

    def _merge_keys(self) -> None:
        """Give one key to all cells whose values are equal though the cells differ."""
        by, role = self._question.by or "", self._question.role
        is_special = is_compared_as_in_reports(by, role)
        where = "" if is_special else " WHERE left(t, 1) NOT IN ('\"', 't', 'f', 'n')"
        first: dict[Hashable, int] = {}
        merged: dict[int, int] = {}
        cells = self._duck.execute(f"SELECT k, n, t FROM keys{where}").fetchall()
        for key, number, text in in_time(self._connection, cells):
            value = shown_value(_value_of(number, text), by, role)
            same = first.setdefault(value_key(value, ""), key)
            self._values.setdefault(same, value)
            if same != key:
                merged[key] = same
        if merged:
            self._duck.register("merged", self._table({
                "k": ([*merged], "int64"), "same": ([*merged.values()], "int64"),
            }))  # fmt: skip
            self._duck.execute("UPDATE keys SET k = same FROM merged WHERE merged.k = keys.k")

    # From that table to the numbers.

    def _ranked(self, measuring: _Measuring) -> tuple[list[int], int]:
        """Return the keys with a row of their own, in order, and the number of the other keys."""
        limit, measure = self._question.limit, measuring.measure
        self._duck.execute(f"CREATE TEMP TABLE ranked AS {measuring.query('k', 'events')}")
        [(keys,)] = self._duck.execute("SELECT count(*) FROM ranked").fetchall()
        rank = "measured DESC, events DESC" if measure.adds_up else "events DESC"
        candidates = f"(SELECT *, rank() OVER (ORDER BY {rank}) AS place FROM ranked)"
        # All that are as large as the last one with a row: their order is not SQL's to say.
        chosen = f"(SELECT * EXCLUDE (place) FROM {candidates} WHERE place <= {limit})"
        if measure.kind == "sum":
            chosen = "ranked"  # SQL has their sums in parts
        values = "(SELECT k, any_value(n) AS n, any_value(t) AS t FROM keys GROUP BY k)"
        rows = self._duck.execute(f"SELECT v.n, v.t, c.* FROM {chosen} c JOIN {values} v USING (k)")
        found = []
        for number, text, key, events, *measured in in_time(self._connection, rows.fetchall()):
            if key not in self._values:
                self._values[key] = _value_of(number, text)
            amount = (measuring.measured(measured).number or 0) if measure.adds_up else 0
            found.append((-amount, -events, order_text(self._values[key]), key))
        shown = [key for *_, key in sorted(found)[:limit]]
        return shown, int(keys) - len(shown)

    @property
    def _places(self) -> int:
        return len(starts_of(self._period, self._question.interval))

    def _groups(self, measuring: _Measuring, group: str) -> dict[int, Group]:
        """Return what is measured of each group of rows; the group -1 has no row of its own."""
        source = (
            "(SELECT coalesce(g, -1) AS g, * EXCLUDE (g) FROM events LEFT JOIN shown USING (k))"
        )
        wholes = self._duck.execute(measuring.query(f"{group} AS part", source)).fetchall()
        series: dict[int, list[Measured]] = {
            part: [measuring.nothing] * self._places for part, *_ in wholes
        }
        if self._places:
            weekday = self._period.first.weekday()
            place = "day" if self._question.interval == "day" else f"(day + {weekday}) // 7"
            columns = f"{group} AS part, {place} AS place"
            for part, at, _, *measured in self._duck.execute(
                measuring.query(columns, source)
            ).fetchall():
                series[part][at] = measuring.measured(measured)
        return {
            part: Group(int(events), measuring.measured(measured), series[part])
            for part, events, *measured in wholes
        }

    # Tables of DuckDB from lists of Python.

    def _table(self, columns: dict[str, tuple[list[Any], str]]) -> Any:
        arrow = self._arrow
        return arrow.table(
            {
                name: arrow.array(cells, getattr(arrow, kind)())
                for name, (cells, kind) in columns.items()
            }
        )

    def _registered(self, cells: list[Any], kind: str = "float64") -> str:
        """Return the name of a new table with one column."""
        self._tables += 1
        name = f"cells_{self._tables}"
        self._duck.register(name, self._table({"cell": (cells, kind)}))
        return name


class _Column:
    """A property in the SQL about files that have the same kinds of values for it."""

    def __init__(self, name: str, has_numbers: bool, has_texts: bool) -> None:
        numbers, texts = column_names(name)
        self.numbers = numbers if has_numbers else "NULL::DOUBLE"
        self.texts = texts if has_texts else "NULL::VARCHAR"

    @property
    def is_missing(self) -> str:
        return f"({self.numbers} IS NULL AND {self.texts} IS NULL)"

    def as_value(self) -> str:
        """Return the columns `n` and `t`, of which one is null. A missing property is null."""
        text = f"CASE WHEN {self.numbers} IS NULL THEN coalesce({self.texts}, 'null') END"
        return f"{self.numbers} AS n, {text} AS t"

    def as_number(self) -> str:
        """Return the number that `number_of` finds."""
        in_text = f"""'"{NUMBER_PATTERN}"'"""
        number = f"TRY_CAST(trim({self.texts}, '\"') AS DOUBLE)"
        return (
            f"coalesce({self.numbers},"
            f" CASE WHEN regexp_full_match({self.texts}, {in_text}) THEN {number} END)"
        )


def _sql_of(condition: Condition) -> Any:
    """Return a function from a column to the SQL that says what `Condition.holds` says.

    None if only Python knows which values are equal: then a list or an object is in the condition.
    """
    if condition.operator in ("=", "!=", "in"):
        values = condition.value if condition.operator == "in" else [condition.value]
        if any(isinstance(value, list | dict) for value in values):
            return None
        if condition.operator == "!=":
            return lambda of: f"NOT ({_is_one_of(of, values)}) AND NOT {of.is_missing}"
        return lambda of: _is_one_of(of, values)
    value = condition.value
    if isinstance(value, bool) or not isinstance(value, int | float):
        return lambda of: "false"
    return lambda of: f"coalesce({of.numbers} {condition.operator} {_literal(value)}, false)"


def _is_one_of(column: _Column, values: Iterable[Any]) -> str:
    """Return the SQL that a column has one of these values, true or false and never null."""
    found = ["false"]
    for value in values:
        if value is None:
            found.append(f"{column.is_missing} OR {column.texts} = 'null'")
        elif isinstance(value, bool | str):
            quoted = json_text(value).replace("'", "''")
            found.append(f"{column.texts} = '{quoted}'")
        elif -MAX_NUMBER <= value <= MAX_NUMBER:  # no file with larger ones is read for this
            found.append(f"{column.numbers} = {_literal(value)}")
    return f"coalesce({' OR '.join(found)}, false)"


def _literal(number: float) -> str:
    """Return a number in SQL. A whole number that is larger than all in files is infinite."""
    try:
        return f"'{float(number)!r}'::DOUBLE"
    except OverflowError:
        return f"'{math.copysign(math.inf, number)}'::DOUBLE"


def _value_of(number: float | None, text: str | None) -> Any:
    return value_of(text if number is None else number)  # type: ignore[arg-type]


@dataclass(frozen=True)
class _Measuring:
    """The SQL of a measure, and how its numbers are read. It agrees with `Cells`."""

    measure: Measure
    nothing: Measured = field(init=False)
    """What is measured of no events."""

    def __post_init__(self) -> None:
        nothing = {"average": None, "median": None, "sum": 0.0}.get(self.measure.kind, 0)
        object.__setattr__(self, "nothing", Measured(nothing))

    def query(self, groups: str, source: str) -> str:
        """Return the query for each group: its columns, the events, and what `measured` reads."""
        match self.measure.kind:
            case "visitors" | "visits":
                day = ", day AS of_day" if self.measure.kind == "visits" else ""
                inner = f"SELECT {groups}, session{day}, count(*) AS n FROM {source} GROUP BY ALL"
                return (
                    "SELECT * EXCLUDE (session, n" + (", of_day" if day else "") + "),"
                    f" sum(n) AS events, count(*) AS measured FROM ({inner}) GROUP BY ALL"
                )
            case "events":
                columns = "count(*) AS measured"
            case "median":
                columns = "quantile_disc(num, 0.5) AS low, -quantile_disc(-num, 0.5) AS high"
            case _:
                columns = _sums()
        return f"SELECT {groups}, count(*) AS events, {columns} FROM {source} GROUP BY ALL"

    def measured(self, columns: Sequence[Any]) -> Measured:
        """Return the measure from the columns of a row after the number of events.

        Raises:
            NotAnswered: numbers are too small to be added up without rounding them.
        """
        match self.measure.kind:
            case "visitors" | "visits" | "events":
                return Measured(int(columns[0]))
            case "median":
                low, high = columns
                return Measured(None if low is None else low if low == high else (low + high) / 2)
        numbers, whole, middle, small, is_rounded = columns
        if is_rounded:
            raise NotAnswered
        scale = int(_GRID)
        exact = Fraction(int(whole or 0)) + Fraction(int(middle or 0), scale)
        total = float(exact + Fraction(int(small or 0), scale * scale))
        if self.measure.kind == "sum":
            return Measured(total)
        return Measured(total / numbers if numbers else None)


def _sums() -> str:
    """Return the columns that add up numbers without rounding, as whole numbers of three sizes."""
    part = f"((num - trunc(num)) * {_GRID!r})"
    rest = f"(({part} - trunc({part})) * {_GRID!r})"
    return (
        "count(num) AS numbers, sum(trunc(num)::BIGINT) AS whole,"
        f" sum(trunc({part})::BIGINT) AS middle, sum(trunc({rest})::BIGINT) AS small,"
        f" coalesce(bool_or({rest} <> trunc({rest})), false) AS is_rounded"
    )


def _no_events(measuring: _Measuring, places: int) -> Group:
    return Group(0, measuring.nothing, [measuring.nothing] * places)
