"""A later page of a table is those rows of it, and is had without the rows before."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event
from werkzeug.datastructures import MultiDict

from tcs_events.dashboard.asked import ask
from tcs_events.dashboard.pages import TABLES
from tcs_events.dashboard.table import MAX_ROWS
from tcs_events.host.reports import current_reports
from tcs_events.reports import session_timeline

SKIPPING = [name for name, (_, table) in TABLES.items() if table.can_skip]
SIZE = 1


@contextmanager
def rows_given(app: Flask) -> Iterator[list[int]]:
    """Count the rows that each question of the block gives, by asking it once more afterwards."""
    asked: list[tuple[str, Any]] = []
    counts: list[int] = []
    engine = app.extensions["sqlalchemy"].engine

    def note(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
        if statement.startswith("SELECT"):
            asked.append((statement, parameters))

    event.listen(engine, "before_cursor_execute", note)
    yield counts
    event.remove(engine, "before_cursor_execute", note)
    with engine.connect() as connection:
        for statement, parameters in asked:
            counts.append(len(connection.exec_driver_sql(statement, parameters).all()))


@pytest.mark.parametrize("name", SKIPPING)
def test_pages_are_the_rows_of_the_table(filled: FlaskClient, name: str) -> None:
    table = TABLES[name][1]
    args = MultiDict({"days": "20", "session": "visitor-0007"})
    with filled.application.app_context():
        asked = ask(args, current_reports())
        every = list(table.rows(asked, MAX_ROWS))
        assert len(every) >= 2 * SIZE
        found: list[Any] = []
        number, has_more = 0, True
        while has_more:
            number += 1
            assert number <= len(every) + 1
            with rows_given(filled.application) as counts:
                shown = table.page(asked, number, SIZE)
            assert shown.start == len(found)
            assert 0 < len(shown.rows) <= SIZE
            # One more says that there is another page; an expert has two contexts, too.
            assert 0 < max(counts) <= 2 * (SIZE + 1)
            found += shown.rows
            has_more = shown.has_more
        assert found == every
        assert table.page(asked, number + 1, SIZE).rows == []


def test_all_the_tables_that_can_be_long_skip() -> None:
    # The others are worked out as a whole, have a row for each day at most, or are the latest few.
    assert set(TABLES) - set(SKIPPING) == {
        "totals",
        "activity",
        "visitors_by_type",
        "visitors_by_day",
        "explore",
        "exposure",
        "funnel",
        "paths",
        "funnel_broken_down",
        "funnel_over_days",
        "latest_refused",
        "latest_visitors",
        "retention",
    }


def test_the_last_page_is_where_a_table_ends(
    filled: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tcs_events.dashboard.table.MAX_ROWS", 2 * SIZE)
    table = TABLES["queries"][1]
    with filled.application.app_context():
        asked = ask(MultiDict({"days": "20"}), current_reports())
        assert table.page(asked, 1, SIZE).has_more
        last = table.page(asked, 2, SIZE)
        assert len(last.rows) == SIZE
        assert not last.has_more


def test_a_timeline_begins_at_the_end_or_where_it_is_told_to(filled: FlaskClient) -> None:
    with filled.application.app_context():
        every = session_timeline("visitor-0007")
        assert len(every) > 4
        assert session_timeline("visitor-0007", 2) == every[-2:]
        assert session_timeline("visitor-0007", 2, 0) == every[:2]
        assert session_timeline("visitor-0007", 2, 2) == every[2:4]
