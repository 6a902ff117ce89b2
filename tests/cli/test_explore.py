"""`flask tcs-events explore` says what can be asked, and answers people and spreadsheets."""

from __future__ import annotations

import csv
from datetime import timedelta

import pytest
from flask import Flask

from tests.cli.asking import MARCH, NOON, click, lines, run, save


@pytest.fixture
def host(sqlite_host: Flask) -> Flask:
    plans = ["pro", "pro", "free", None, "team"]
    save(
        sqlite_host,
        *(
            click(
                session=f"visitor-{number}",
                event_type="booking_done",
                payload={"plan": plan, "price": number + 0.5, "room": {"city": "=Rome"}},
                created_at=NOON + timedelta(days=8 * (number % 2)),
            )
            for number, plan in enumerate(plans)
        ),
    )
    return sqlite_host


def cells(line: str) -> list[str]:
    return [cell for cell in line.split("  ") if cell.strip()]


def test_the_rows_the_others_and_the_total_are_printed(host: Flask) -> None:
    shown = lines(host, "explore", "booking_done", "--by", "plan", "--limit", "1", *MARCH)
    assert shown[0].startswith("2026-03-01 to 2026-03-31")
    assert [[cell.strip() for cell in cells(line)] for line in shown[2:]] == [
        ["plan", "visitors", "share", "events"],
        ["pro", "2", "40.0 %", "2"],
        ["other (3)", "3", "60.0 %", "3"],
        ["total", "5", "100.0 %", "5"],
    ]


def test_a_measure_and_conditions_are_read_from_text(host: Flask) -> None:
    arguments = ["--measure", "sum(price)", "--where", "price>=1", "--where", "room.city==Rome"]
    shown = lines(host, "explore", "booking_done", "--by", "plan", *arguments, *MARCH)
    assert [cells(line)[0] for line in shown[3:]] == ["team", "(not set)", "free", "pro", "total"]
    assert [cells(line)[1].strip() for line in shown[3:]] == ["4.50", "3.50", "2.50", "1.50", "12"]


def test_without_a_property_those_there_are_are_listed(host: Flask) -> None:
    shown = [cells(line) for line in lines(host, "explore", "booking_done", *MARCH)]
    names = [row[0] for row in shown[3:6]]
    assert names == ["price", "room.city", "plan"]
    assert shown[5][1].strip() == "80.0 %"
    assert shown[5][3].strip().startswith("pro, ")
    assert shown[-1][0] == "total"


def test_csv_has_the_numbers_of_each_interval_and_runs_as_no_formula(host: Flask) -> None:
    options = ["--by", "room.city", "--interval", "week", "--csv"]
    [head, *rows] = csv.reader(lines(host, "explore", "booking_done", *options, *MARCH))
    weeks = ["2026-03-01", "2026-03-02", "2026-03-09", "2026-03-16", "2026-03-23", "2026-03-30"]
    assert head == ["value", "number", "margin", "share", "events", "kind", *weeks]
    assert rows == [
        ["'=Rome", "5", "", "1.0", "5", "value", "0", "3", "2", "0", "0", "0"],
        ["Total", "5", "", "1.0", "5", "total", "0", "3", "2", "0", "0", "0"],
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["booking"], "There is no event of type booking; did you mean booking_done?"),
        (["booking_done", "--measure", "price"], "measure must be one of visitors"),
        (["booking_done", "--where", "plan"], "'plan' is not a condition"),
        (["booking_done", "--by", "a=b"], "is not a valid field"),
        (["booking_done", "--by", "\0"], "is not UTF-8 text"),
        (["booking_done", "--csv", "--json"], "Give --csv or --json, not both."),
        (["booking_done", "--interval", "day", "--limit", "101"], "from 1 to 100"),
    ],
)
def test_what_cannot_be_asked_is_a_wrong_argument(
    host: Flask, arguments: list[str], message: str
) -> None:
    result = run(host, "explore", *arguments, *MARCH)
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 4


def test_nothing_in_the_period_is_said(host: Flask) -> None:
    shown = lines(host, "explore", "booking_done", "--from", "2026-01-01", "--to", "2026-01-31")
    assert shown == ["No booking_done events from 2026-01-01 to 2026-01-31."]
