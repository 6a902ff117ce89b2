"""The same number has the same name on a page, on the command line, in a file and in JSON."""

from __future__ import annotations

import csv
import io
import re

import pytest
from flask import Flask

from tcs_events.dashboard import create_dashboard
from tcs_events.dashboard.pages import TABLES
from tcs_events.reports.columns import worded
from tests.cli.asking import MARCH, ask, change, click, lines, query, save
from tests.words import OF_EXPERTS

COMMANDS = {
    "experts": ["top", "experts"],
    "queries": ["top", "queries"],
    "filters": ["top", "filters"],
    "gaps": ["gaps"],
    "exposure": ["exposure"],
    "dead_end_values": ["dead-ends"],
    "funnel": ["funnel", "sage_query", "card_click"],
    "paths": ["paths", "sage_query"],
}
VISITS = [
    "totals",
    "visitors_by_type",
    "experts",
    "queries",
    "filters",
    "gaps",
    "dead_end_values",
    "funnel",
    "paths",
]
"""Tables with a number of visits."""


@pytest.fixture
def host(sqlite_host: Flask) -> Flask:
    sqlite_host.register_blueprint(create_dashboard(lambda: True))
    save(
        sqlite_host,
        *(query("rust", f"visitor-{number}") for number in range(3)),
        query("go", "visitor-1", "ada"),
        click(),
        change("tags", "design", 0),
    )
    return sqlite_host


@pytest.mark.parametrize("table", COMMANDS)
def test_a_command_calls_its_columns_as_the_page_does(host: Flask, table: str) -> None:
    shown = lines(host, *COMMANDS[table], *MARCH)
    titles = {title for title in re.split(r"\s{2,}", shown[2]) if title}
    name = "items" if table == "experts" else table
    columns = worded(TABLES[name][1].columns, OF_EXPERTS)
    headings = {column.heading.lower() for column in columns}
    assert titles <= headings


def test_a_timeline_has_the_columns_of_its_page(host: Flask) -> None:
    titles = re.split(r"\s{2,}", lines(host, "timeline", "visitor-1")[0])
    assert {*titles} <= {column.heading.lower() for column in TABLES["timeline"][1].columns}


def test_visitors_have_the_columns_of_their_page(host: Flask) -> None:
    shown = [re.split(r"\s{2,}", line) for line in lines(host, "visitors", *MARCH)]
    for table in ("visitors_by_type", "visitors_by_day"):
        assert [column.heading.lower() for column in TABLES[table][1].columns] in shown


def test_stats_and_retention_have_the_columns_of_their_pages(host: Flask) -> None:
    by_type = [column.heading.lower() for column in TABLES["totals"][1].columns]
    assert by_type in [re.split(r"\s{2,}", line) for line in lines(host, "stats", *MARCH)]
    cohorts = re.split(r"\s{2,}", lines(host, "retention", *MARCH)[2])
    page = {column.heading.lower() for column in TABLES["retention"][1].columns}
    assert {title for title in cohorts if not title.startswith("+")} <= page


@pytest.mark.parametrize("table", VISITS)
def test_visits_are_called_so_everywhere(host: Flask, table: str) -> None:
    client = host.test_client()
    period = "from=2026-03-01&to=2026-03-31"
    content = client.get(f"/insights/csv/{table}.csv?{period}").data.decode("utf-8-sig")
    header = next(csv.reader(io.StringIO(content)))
    assert "visits" in header
    assert "sessions" not in header
    page = client.get(f"/insights/tables/{table}?{period}").text
    assert "sessions" not in page.lower()
    if table in COMMANDS:
        answer = str(ask(host, *COMMANDS[table], *MARCH))
        assert "'visits': " in answer
        assert "'sessions'" not in answer


def test_every_figure_of_the_overview_says_what_it_counts(host: Flask) -> None:
    page = host.test_client().get("/insights/?from=2026-03-01&to=2026-03-31").text
    figures = re.findall(r"<dt[^>]*>(.*?)</dt>\s*<dd class=\"value\">(.*?)</dd>", page)
    figures = [(re.sub("<[^>]*>", "", name), value) for name, value in figures]
    assert [name for name, _ in figures] == [
        "Visitors", "Visits", "Events", "card_click", "filter_change", "sage_query",
    ]  # fmt: skip
    for name, value in figures[3:]:
        assert value.endswith('<span class="unit">visits</span>'), name


def test_json_of_the_overview_names_visits(host: Flask) -> None:
    answer = host.test_client().get("/insights/api/overview.json?from=2026-03-01&to=2026-03-31")
    assert answer.json["answer"]["totals"]["card_click"]["visits"] == 1  # type: ignore[index]
    assert "sessions" not in answer.text
