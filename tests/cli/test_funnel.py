"""`flask tcs-events funnel --within` follows filters, and marks estimates in 80 columns."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask import Flask

from tcs_events.host import registration_of
from tcs_events.reports import sampling
from tests.cli.asking import MARCH, NOON, ask, click, lines, query, run, save

ASKED = ("funnel", "sage_query", "card_click", "--within", "7d", *MARCH)


@pytest.fixture
def host(sqlite_host: Flask) -> Flask:
    later = NOON + timedelta(days=2)
    save(
        sqlite_host,
        *(query("rust" if number % 2 else "go", f"visitor-{number}", "ada") for number in range(8)),
        *(click("ada", f"visitor-{number}", created_at=later) for number in range(6)),
    )
    return sqlite_host


def visitors(host: Flask, *options: str) -> list[int]:
    return [row["visitors"] for row in ask(host, *ASKED, *options)["steps"]]


def test_conditions_are_about_the_first_step_and_who_about_all(host: Flask) -> None:
    assert visitors(host) == [8, 6]
    assert visitors(host, "--where", "query_text=go") == [4, 3]
    assert visitors(host, "--where", "query_text=go", "--who", "new") == [4, 3]
    assert visitors(host, "--who", "returning") == [0, 0]
    asked = ask(host, *ASKED, "--where", "query_text=go", "--who", "new")
    assert (asked["where"], asked["who"], asked["is_estimate"]) == (["query_text=go"], "new", False)


@pytest.mark.parametrize("option", [("--where", "query_text=go"), ("--who", "new")])
def test_visits_cannot_be_narrowed(host: Flask, option: tuple[str, str]) -> None:
    result = run(host, "funnel", "sage_query", *option)
    assert result.exit_code == 2
    assert "need the time allowed, such as --within 7d" in " ".join(result.stderr.split())


def test_an_estimate_is_marked_in_80_columns(host: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    with host.app_context():
        registration_of(host).refresher.refresh(funnel_seconds=3600)
    monkeypatch.setattr(sampling, "EXACT_SHARE", -1)
    result = run(host, *ASKED, "--break-down", "query_text", env={"COLUMNS": "80"})
    assert result.exit_code == 0, result.output
    assert "These are estimates from 1 in 2 visitors" in " ".join(result.stderr.split())
    shown = result.stdout.splitlines()
    assert max(map(len, shown)) <= 80
    [head] = [line for line in shown if line.lstrip().startswith("step ") and "margin" in line]
    assert "visitors" in head
    assert "first" in head
    rows = ask(host, *ASKED)["steps"]
    assert all(row["margin"] > 0 for row in rows)
    assert {"of_first_margin", "of_previous_margin", "median_margin_seconds"} < rows[1].keys()


def test_a_saved_funnel_is_asked_from_its_counts(host: Flask) -> None:
    lines(host, "funnels", "--save", "saved", "sage_query", "card_click", "--within", "7d")
    assert ask(host, "funnel", "--saved", "saved", *MARCH)["counted_at"] is None
    with host.app_context():
        registration_of(host).refresher.refresh(funnel_seconds=3600)
    from_counts = ask(host, "funnel", "--saved", "saved", *MARCH)
    assert from_counts["counted_at"] is not None
    assert [row["visitors"] for row in from_counts["steps"]] == [8, 6]
    narrowed = ask(host, "funnel", "--saved", "saved", "--who", "new", *MARCH)
    assert narrowed["counted_at"] is not None
    assert narrowed["steps"] == from_counts["steps"]
