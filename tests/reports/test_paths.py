"""Paths: what visits did next to an event, and what becomes of what is asked wrongly."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from re import sub
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy.event import listens_for

from tcs_events.errors import UnknownEventType
from tcs_events.event import Event, Identity
from tcs_events.host import registration_of
from tcs_events.models import UserEventBotSession
from tcs_events.reports import Path, Period, paths
from tcs_events.reports.who import Who
from tests.conftest import MakeHost
from tests.dashboard.visitors import visit
from tests.reports.support import append

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
MONDAY = Period(NOON.date(), NOON.date())


@pytest.fixture
def app(make_host: MakeHost, database_url: str) -> Iterator[Flask]:
    types = ["home", "search", "open", "book", "leave"]
    app = make_host(database_url, TCS_EVENTS_EVENT_TYPES=types, TCS_EVENTS_BOTS="mark")
    with app.app_context():
        yield app


def visits(**types: str) -> list[Event]:
    """Return the events of sessions: `ada="home search"` sends two of these types at noon."""
    return [
        visit(session, name, NOON + timedelta(minutes=place), 100 * (number + 1) + place)
        for number, (session, names) in enumerate(types.items())
        for place, name in enumerate(names.split())
    ]


def found(event_type: str, *args: Any, **options: Any) -> dict[str, int]:
    return {str(row): row.visits for row in paths(MONDAY, event_type, *args, **options).rows}


def test_paths_end_with_the_visit_or_at_their_depth(app: Flask) -> None:
    append(app, visits(ada="home search open book", bo="home search", cy="leave home"))
    assert found("home", depth=2) == {
        "(end of the visit)": 1,
        "search → (end of the visit)": 1,
        "search → open": 1,
    }
    assert found("open", "before") == {"(start of the visit) → home → search": 1}
    assert found("book", "before", 2) == {"search → open": 1}


def test_the_first_event_of_the_visit_counts_in_both_directions(app: Flask) -> None:
    append(app, visits(ada="home search open search book"))
    assert found("search", "after", 1) == {"open": 1}
    assert found("search", "before", 1) == {"home": 1}


def test_repeats_count_once_where_they_are_collapsed(app: Flask) -> None:
    append(app, visits(ada="home home search search search open open open book"))
    assert found("search", collapse=True) == {"open → book → (end of the visit)": 1}
    assert found("search") == {"search → search → open": 1}
    assert found("open", "before", collapse=True) == {"(start of the visit) → home → search": 1}


def test_what_is_beyond_the_limit_is_counted_together(app: Flask) -> None:
    append(app, visits(ada="home search", bo="home search", cy="home open", dee="home"))
    answer = paths(MONDAY, "home", limit=1)
    assert answer.rows == [Path(("search",), False, True, 2, 0.5)]
    assert (answer.visits, answer.other_visits) == (4, 2)


def test_a_visit_ends_with_its_day_and_crawlers_have_none(app: Flask) -> None:
    day = timedelta(days=1)
    append(app, visits(ada="home", crawler="home search"))
    append(app, [visit("ada", "search", NOON + day, 1), visit("ada", "home", NOON + day, 2)])
    with registration_of(app).database.engine.begin() as connection:
        crawler = {"session_id": "crawler", "marked_at": NOON}
        connection.execute(UserEventBotSession.__table__.insert().values(crawler))
    assert found("home") == {"(end of the visit)": 1}
    both = paths(Period(MONDAY.first, MONDAY.first + day), "home", "before")
    assert {str(row): row.visits for row in both.rows} == {
        "(start of the visit)": 1,
        "(start of the visit) → search": 1,
    }


def test_the_visitors_are_not_listed_in_the_questions_to_the_database(app: Flask) -> None:
    """They come one after the other: memory does not grow with them."""
    statements: list[str] = []
    engine = registration_of(app).database.engine
    listens_for(engine, "before_cursor_execute")(
        # Without numbers, as MariaDB's statements have the time that is left.
        lambda connection, cursor, statement, *rest: statements.append(
            sub("[0-9.]+", "", statement)
        )
    )

    def asked() -> tuple[int, list[str]]:
        paths(MONDAY, "home")  # once the tables are known
        statements.clear()
        visits = paths(MONDAY, "home").visits
        return visits, list(statements)

    append(app, visits(ada="home search"))
    alone = asked()
    append(
        app, [visit(f"visitor-{number:04}", "home", NOON, number) for number in range(1000, 2100)]
    )
    assert asked() == (1101, alone[1])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"direction": "around"}, "direction is after or before"),
        ({"depth": 0}, "depth is 1 to 5"),
        ({"depth": 6}, "depth is 1 to 5"),
        ({"limit": 0}, "limit is at least 1"),
        ({"where": "plan"}, "'plan' is not a condition"),
        ({"event_type": "hom"}, "did you mean home"),
        ({"event_type": "home["}, "contains brackets"),
    ],
)
def test_a_wrong_question_is_told_what_is_wrong(
    app: Flask, options: dict[str, Any], message: str
) -> None:
    append(app, visits(ada="home"))
    with pytest.raises(ValueError, match=message):
        paths(MONDAY, **{"event_type": "home", **options})


def test_a_type_that_nobody_sent_is_noted(app: Flask) -> None:
    answer = paths(MONDAY, "home")
    assert (answer.visits, answer.rows) == (0, [])
    assert answer.notices == ["No event of type home is stored yet."]
    with pytest.raises(UnknownEventType):
        paths(MONDAY, "nobody_sends_this")


@pytest.mark.parametrize(
    ("who", "expected"), [("new", "bo"), ("returning", "ada"), ("known", "cy")]
)
def test_only_some_visitors_can_be_asked_about(app: Flask, who: Who, expected: str) -> None:
    before = visit("ada", "home", NOON - timedelta(days=1), 1)
    known = Identity(UUID(int=1), "cy", "cy@example.com", NOON, NOON)
    events = [before, *visits(ada="search open", bo="search leave", cy="search book")]
    append(app, events, [known])
    after = {"ada": {"open": 1}, "bo": {"leave": 1, "book": 1}, "cy": {"book": 1}}
    assert found("search", depth=1, who=who) == after[expected]
    assert found("search", depth=1) == {"open": 1, "leave": 1, "book": 1}


def test_other_visitors_there_are_none(app: Flask) -> None:
    with pytest.raises(ValueError, match="who is one of new, returning, known, not 'old'"):
        found("search", who="old")
