"""The commands that answer questions: JSON for programs, tables for people."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

import pytest
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import Mapped, mapped_column

from tcs_events import UserEventIdentity, create_blueprint
from tcs_events.reports import (
    Period,
    ReachedStep,
    dead_end_combinations,
    dead_end_values,
    explore,
    exposure,
    funnel,
    paths,
    properties,
    retention,
    session_timeline,
    step,
    top_experts,
    top_filters,
    top_queries,
    unmet_demand,
    visitors,
)
from tests.cli.asking import MARCH, NOON, ask, change, click, lines, query, run, save
from tests.conftest import MakeHost
from tests.support import plain

PERIOD = Period(date(2026, 3, 1), date(2026, 3, 31))
DAYS = {"first": "2026-03-01", "last": "2026-03-31"}
STEPS = ("sage_query[result_count>0]", "card_click")


@pytest.fixture
def host(host: Flask) -> Flask:
    """A host where something went on for two days."""
    tomorrow = NOON + timedelta(days=1)
    save(
        host,
        *(query("Flask  developer", f"visitor-{number}", "ada", "bob") for number in range(3)),
        *(query("cobol", f"visitor-{number}", created_at=tomorrow) for number in range(4)),
        click("ada", "visitor-1", created_at=NOON + timedelta(seconds=9)),
        change("tags", "design", 0),
        change("max_rate", 120, 3),
        click("ada", "visitor-9", created_at=tomorrow),
    )
    return host


def over_days(within: str, per: Literal["visitor", "person"], break_down: str) -> dict[str, Any]:
    found = funnel(PERIOD, [step(text) for text in STEPS], within, per, break_down)

    def rows(steps: list[ReachedStep]) -> list[dict[str, Any]]:
        without = "visitors" if per == "person" else "persons"
        return [
            {name: value for name, value in {**plain(row), "step": text}.items() if name != without}
            for row, text in zip(steps, STEPS, strict=True)
        ]

    return {
        "within": within,
        "per": per,
        "where": [],
        "who": None,
        "is_estimate": False,
        "sampled": None,
        "counted_at": None,
        "break_down": break_down,
        "steps": rows(found.steps),
        "broken_down": [
            {"kind": part.kind, "value": plain(part.value), "steps": rows(part.steps)}
            for part in found.broken_down
        ],
    }


QUESTIONS: dict[str, tuple[list[str], Callable[[], Any]]] = {
    "top": (
        ["top"],
        lambda: {
            "experts": top_experts(PERIOD),
            "queries": top_queries(PERIOD),
            "filters": top_filters(PERIOD),
        },
    ),
    "one top": (["top", "queries", "--limit", "1"], lambda: {"queries": top_queries(PERIOD, 1)}),
    "gaps": (["gaps"], lambda: {"rows": unmet_demand(PERIOD)}),
    "more gaps": (
        ["gaps", "--min-sessions", "1"],
        lambda: {"rows": unmet_demand(PERIOD, min_sessions=1)},
    ),
    "dead ends": (
        ["dead-ends"],
        lambda: {
            "values": dead_end_values(PERIOD),
            "combinations": dead_end_combinations(PERIOD),
        },
    ),
    "explore": (
        ["explore", "sage_query", "--by", "query_text", "--interval", "week", "--who", "new"],
        lambda: plain(explore(PERIOD, "sage_query", "query_text", who="new", interval="week")),
    ),
    "properties": (
        ["explore", "sage_query", "--where", "result_count>=0", "--measure", "sum(result_count)"],
        lambda: {
            **plain(
                explore(PERIOD, "sage_query", where="result_count>=0", measure="sum(result_count)")
            ),
            "properties": properties(PERIOD, "sage_query"),
        },
    ),
    "exposure": (["exposure"], lambda: exposure(PERIOD)),
    "funnel": (
        ["funnel", *STEPS],
        lambda: {
            "steps": [
                {**row, "step": text}
                for row, text in zip(
                    plain(funnel(PERIOD, [step(text) for text in STEPS])), STEPS, strict=True
                )
            ]
        },
    ),
    "paths": (
        ["paths", "sage_query", "--where", "result_count>0", "--limit", "1"],
        lambda: {
            "event_type": "sage_query",
            "direction": "after",
            "depth": 3,
            "visits": 3,
            "rows": paths(PERIOD, "sage_query", where="result_count>0", limit=1).rows,
            "other_visits": 1,
        },
    ),
    "funnel over days": (
        ["funnel", *STEPS, "--within", "7d", "--per", "person", "--break-down", "query_text"],
        lambda: over_days("7d", "person", "query_text"),
    ),
    "retention": (
        ["retention", "--unit", "day"],
        lambda: {"unit": "day", "rows": retention(PERIOD, "day")},
    ),
    "visitors": (
        ["visitors"],
        lambda: plain(visitors(PERIOD)),
    ),
    "visitors of a type": (
        ["visitors", "--type", "card_click"],
        lambda: plain(visitors(PERIOD, "card_click")),
    ),
    "returning": (
        ["retention", "--unit", "day", "--returning", "sage_query"],
        lambda: {"unit": "day", "rows": retention(PERIOD, "day", step("sage_query"))},
    ),
    "by their first query": (
        ["retention", "--unit", "day", "--type", "sage_query", "--where", "result_count>0"],
        lambda: {
            "unit": "day",
            "rows": retention(
                PERIOD, "day", event_type="sage_query", where={"result_count": [1, 2]}
            ),
        },
    ),
}


@pytest.mark.parametrize("name", QUESTIONS)
def test_json_is_what_the_report_returns(host: Flask, name: str) -> None:
    args, report = QUESTIONS[name]
    answer = ask(host, *args, *MARCH)
    with host.app_context():
        expected = plain(report())
    assert answer == {"period": DAYS, "timezone": "UTC", **expected}
    assert any(expected.values())


@pytest.mark.parametrize("name", QUESTIONS)
def test_the_table_for_people_names_the_days_it_is_about(host: Flask, name: str) -> None:
    assert lines(host, *QUESTIONS[name][0], *MARCH)[0] == "2026-03-01 to 2026-03-31 (UTC)"


def test_stats_count_events_and_visits_by_type_and_time(host: Flask) -> None:
    answer = ask(host, "stats", *MARCH)
    assert [
        (row["starts_at"], row["events"], row["visits"])
        for row in answer["activity"]
        if row["event_type"] == "" and row["events"]
    ] == [("2026-03-02T00:00:00+00:00", 6, 3), ("2026-03-03T00:00:00+00:00", 5, 5)]
    assert {row["event_type"]: row["events"] for row in answer["total"]} == {
        "": 11,
        "card_click": 2,
        "filter_change": 2,
        "sage_query": 7,
    }


@pytest.mark.parametrize(("command", "unit"), [("stats", "hour"), ("retention", "day")])
def test_the_unit_may_be_given_by_its_old_name(host: Flask, command: str, unit: str) -> None:
    """It was `--by`, which is now the property that explore counts by."""
    by_unit = ask(host, command, "--unit", unit, *MARCH)
    assert ask(host, command, "--by", unit, *MARCH) == by_unit
    assert ask(host, command, *MARCH) != by_unit
    assert "--by" not in run(host, command, "--help").stdout


@pytest.mark.parametrize(
    ("unit", "times"),
    [("hour", ["2026-03-02 12:00", "2026-03-03 12:00"]), ("day", ["Mon 2026-03-02"])],
)
def test_stats_for_people_have_a_line_per_time_a_total_and_bars(
    host: Flask, unit: str, times: list[str]
) -> None:
    shown = lines(host, "stats", "--unit", unit, *MARCH)
    for time in times:
        assert any(line.startswith(time) for line in shown)
    [total] = [line for line in shown if line.startswith("total")]
    # Visitors of an hour are no visits: whoever is there in two hours is in both.
    assert total.split() == ["total", "11", "8" if unit == "day" else "–"]  # noqa: RUF001
    [busiest] = [line for line in shown if line.startswith(times[0])]
    assert busiest.endswith("█" * 20)
    assert busiest.split()[-3:-1] == ["6", "3"]


def test_stats_of_a_type_leave_the_others_out(host: Flask) -> None:
    answer = ask(host, "stats", "--type", "card_click", *MARCH)
    assert {row["event_type"] for row in answer["activity"]} == {"card_click"}
    assert "sage_query" not in run(host, "stats", "--type", "card_click", *MARCH).stdout


def test_the_numbers_of_a_table_are_aligned_to_the_right(host: Flask) -> None:
    shown = lines(host, "top", "queries", *MARCH)
    assert shown[2:] == [
        "query            asks  visits  as typed",
        "cobol               4       4  cobol",
        "flask developer     3       3  Flask  developer",
    ]


def test_what_is_not_known_is_a_dash(host: Flask) -> None:
    [first, second] = lines(host, "funnel", "card_click", "card_click[context=x]", *MARCH)[3:]
    assert first.split()[:4] == ["card_click", "2", "100.0", "%"]
    assert first.split()[4] == "–"  # noqa: RUF001
    assert second.split() == ["card_click[context=x]", "0", "0.0", "%", "0.0", "%"]


def test_a_period_without_events_is_said_to_have_none(host: Flask) -> None:
    day = ("--from", "2020-01-01", "--to", "2020-01-01")
    for command in ("stats", "visitors", "gaps", "dead-ends", "exposure", "retention"):
        [line] = lines(host, command, *day)
        assert line.startswith("No ")
        assert line.endswith("from 2020-01-01 to 2020-01-01.")
    assert ask(host, "stats", *day) == {
        "period": {"first": "2020-01-01", "last": "2020-01-01"},
        "timezone": "UTC",
        "activity": [],
        "total": [],
    }


def test_the_days_are_the_last_thirty_unless_told_otherwise(sqlite_host: Flask) -> None:
    def first_of(*args: str) -> tuple[date, date]:
        first, _, last, _ = lines(sqlite_host, "types", *args)[0].split()
        return date.fromisoformat(first), date.fromisoformat(last)

    first, last = first_of()
    assert (last - first).days == 29
    assert first_of("--days", "7") == (last - timedelta(days=6), last)
    assert first_of("--from", str(first)) == (first, last)
    assert first_of("--days", "2", "--to", "2026-03-01") == (date(2026, 2, 28), date(2026, 3, 1))


class TestTypes:
    def test_those_accepted_and_those_only_stored_are_listed(
        self, make_host: MakeHost, database_url: str
    ) -> None:
        app = make_host(database_url, create_blueprint(event_types=["sign_up", "card_click"]))
        save(app, click(), query("x"), query("y", "visitor-2"))
        assert ask(app, "types", *MARCH)["rows"] == [
            {
                "event_type": name,
                "is_accepted": accepted,
                "is_checked": False,
                "events": events,
                "visits": visits,
            }
            for name, accepted, events, visits in [
                ("sign_up", True, 0, 0),
                ("card_click", True, 1, 1),
                ("sage_query", False, 2, 2),
            ]
        ]

    def test_people_read_it_too(self, make_host: MakeHost, sqlite_url: str) -> None:
        app = make_host(sqlite_url, create_blueprint(event_types=["card_click"]))
        save(app, query("x"))
        assert lines(app, "types", *MARCH)[2:] == [
            "event type  accepted  payload    events  visits",
            "card_click  yes       free-form       0       0",
            "sage_query  no        free-form       1       1",
        ]


class TestTheCatalogue:
    def test_a_file_names_experts_that_no_event_does(self, host: Flask, tmp_path: Path) -> None:
        (tmp_path / "ids").write_text("ada\n\n zoë \n")
        answer = ask(host, "exposure", "--catalogue-file", str(tmp_path / "ids"), *MARCH)
        assert [(one["expert_id"], one["rung"]) for one in answer["experts"]] == [
            ("zoë", "never_returned"),
            ("ada", None),
        ]
        assert answer["coverage"] == 0.5

    def test_a_column_of_the_host_does_so_too(self, make_host: MakeHost, database_url: str) -> None:
        db = SQLAlchemy()

        class Expert(db.Model):  # type: ignore[name-defined,misc]
            number: Mapped[int] = mapped_column(primary_key=True)

        app = make_host(database_url, db=db)
        with app.app_context():
            db.session.add_all([Expert(number=7), Expert(number=8)])
            db.session.commit()
        save(app, click("7"))
        answer = ask(app, "exposure", "--catalogue", "expert.number", *MARCH)
        assert {one["expert_id"]: one["clicked"] for one in answer["experts"]} == {"7": 1, "8": 0}
        assert "50.0 % of experts were shown to at least one visitor" in "\n".join(
            lines(app, "exposure", "--catalogue", "expert.number", *MARCH)
        )

    @pytest.mark.parametrize(
        "column",
        ["nope.id", "id", "", "user_events.nope", "user_events.id; DROP TABLE user_events"],
    )
    def test_what_the_host_has_not_declared_is_refused(self, host: Flask, column: str) -> None:
        result = run(host, "exposure", "--catalogue", column)
        assert result.exit_code == 2
        assert "Invalid value for --catalogue" in result.stderr
        assert ask(host, "stats", *MARCH)["total"]

    def test_a_file_that_is_no_text_is_refused(self, host: Flask, tmp_path: Path) -> None:
        (tmp_path / "ids").write_bytes(b"\xff\xfe")
        result = run(host, "exposure", "--catalogue-file", str(tmp_path / "ids"))
        assert result.exit_code == 2
        assert "is not UTF-8 text" in result.stderr


class TestTheTimeline:
    def test_a_session_is_told_in_its_order(self, host: Flask) -> None:
        answer = ask(host, "timeline", "visitor-1")
        with host.app_context():
            assert answer == {"rows": plain(session_timeline("visitor-1"))}
        assert answer["rows"][-1]["payload"]["query_text"] == "cobol"
        shown = lines(host, "timeline", "visitor-1", "--limit", "2")
        assert len(shown) == 3
        assert shown[-1].startswith("2026-03-03 12:00:00  visitor-1  no     sage_query ")

    def test_a_person_is_found_by_address_which_is_not_printed(self, host: Flask) -> None:
        link = UserEventIdentity(
            identity_id=uuid4(),
            session_id="visitor-9",
            email="ada@example.com",
            created_at=NOON,
            received_at=NOON,
        )
        save(host, link)
        result = run(host, "timeline", "--email", "ada@example.com", "--json")
        assert [row["session_id"] for row in json.loads(result.stdout)["rows"]] == ["visitor-9"]
        assert "ada@example.com" not in result.output

    def test_nobody_has_no_events(self, host: Flask) -> None:
        assert ask(host, "timeline", "nobody") == {"rows": []}
        assert lines(host, "timeline", "nobody") == ["No events."]


def test_numbers_that_are_still_being_counted_are_said_to_be_too_low(sqlite_host: Flask) -> None:
    save(sqlite_host, click())
    with sqlite_host.app_context():
        refresher = sqlite_host.extensions["tcs_events"].refresher
        seen: list[tuple[str, str]] = []

        def ask_meanwhile(done: int, of: int, events: int) -> None:
            if done == 0:
                result = run(sqlite_host, "stats", *MARCH, "--json")
                seen.append((result.stdout[:1], result.stderr))

        refresher.refresh(rebuild=True, progress=ask_meanwhile)
    assert seen == [
        (
            "{",
            "All events are being counted again; until that is done, numbers are too low.\n",
        )
    ]
