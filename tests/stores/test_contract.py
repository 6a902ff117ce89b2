"""What every store promises: `tcs_events/stores/contract.py`.

A new store is one more line in `STORES`, and one in `CASES` for each database it runs on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID, uuid4

import pytest
from flask import Flask
from sqlalchemy import select

from tcs_events import UserEvent
from tcs_events.errors import EventInvalid
from tcs_events.event import Event, Outcome
from tcs_events.stores import Store
from tcs_events.stores.connections import OTHER
from tests.conftest import MakeHost
from tests.drivers import POOLED_DRIVERS, POSTGRES_DRIVERS, database_by
from tests.stores.storing import append


class Case(NamedTuple):
    """A store, and how a test reads what it keeps."""

    store: Store
    read: Callable[[], list[Event]]
    """Returns all events, in the order in which they were stored."""


def own_store(make_host: MakeHost, url: str, patch: pytest.MonkeyPatch) -> Case:
    """The store that an app has on its database, with the committer of that database."""
    app = make_host(url)
    with app.app_context():
        return Case(app.extensions["tcs_events"].store, lambda: rows_of(app))


def generic_store(make_host: MakeHost, url: str, patch: pytest.MonkeyPatch) -> Case:
    """The same with the committer for databases that have none of their own."""
    patch.setattr(
        "tcs_events.stores.connections.kind_of",
        lambda engine, schema: OTHER,
    )
    return own_store(make_host, url, patch)


STORES = {"own": own_store, "generic": generic_store}


def rows_of(app: Flask) -> list[Event]:
    with app.app_context():
        rows = app.extensions["sqlalchemy"].session.scalars(
            select(UserEvent).order_by(UserEvent.id)
        )
        return [Event(*(getattr(row, name) for name in Event._fields)) for row in rows]


def event(session_id: str = "visitor-1", event_id: UUID | None = None) -> Event:
    now = datetime.now(UTC)
    return Event(event_id or uuid4(), session_id, "card_click", {"a": 1}, None, now, now)


CASES = [
    ("own", "sqlite"),
    ("generic", "sqlite"),
    ("generic", "psycopg"),
    *(("own", driver) for driver in (*POSTGRES_DRIVERS, *POOLED_DRIVERS)),
]
"""Stores and databases."""


@pytest.fixture(params=CASES, ids=" on ".join)
def case(
    request: pytest.FixtureRequest, make_host: MakeHost, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Case]:
    store, database = request.param
    url = database_by(request, database)
    yield (case := STORES[store](make_host, url, monkeypatch))
    case.store.close()


def test_no_events_give_no_results(case: Case) -> None:
    assert append(case.store, []) == []


@pytest.mark.parametrize("count", [1, 2, 5, 6, 7, 100])
def test_events_are_stored_in_their_order(case: Case, count: int) -> None:
    events = [event(f"visitor-{n}") for n in range(count)]
    assert append(case.store, events) == [Outcome.ACCEPTED] * count
    assert case.read() == events


@pytest.mark.parametrize("count", [1, 8])
def test_every_text_is_read_back_equal(case: Case, count: int) -> None:
    tricky = r"back\slash \t \n \N \. \\ 'quote' \"double\" , ; %s {} \x41"
    sent = []
    for n in range(count):
        good = event(f"{n} {tricky} \N{OWL}"[:64])
        payload: dict[str, object] = {tricky: [tricky, "tab\t line\n return\r \u2028", None, 1.5]}
        sent.append(good._replace(payload=payload, email=rf"a\{n}@example.com"))
    assert append(case.store, sent) == [Outcome.ACCEPTED] * count
    assert case.read() == sent


@pytest.mark.parametrize("others", [0, 1, 50])
def test_the_first_of_an_id_stands(case: Case, others: int) -> None:
    known = event("first")
    append(case.store, [known])
    more = [event() for _ in range(others)]
    again = event("second", known.event_id)
    twice = event("third")
    assert append(case.store, [again, *more, twice, twice]) == [
        Outcome.DUPLICATE,
        *[Outcome.ACCEPTED] * others,
        Outcome.ACCEPTED,
        Outcome.DUPLICATE,
    ]
    assert case.read() == [known, *more, twice]


def test_an_event_that_is_refused_fails_alone(case: Case) -> None:
    bad = event("half a pair \ud800")  # no store keeps it; the schema would refuse it first
    before, after = event("before"), event("after")
    results = append(case.store, [before, bad, after])
    assert results[0] is results[2] is Outcome.ACCEPTED
    assert isinstance(results[1], EventInvalid)
    assert case.read() == [before, after]


def test_a_store_that_is_closed_opens_again(case: Case) -> None:
    append(case.store, [event()])
    case.store.close()
    assert append(case.store, [event()]) == [Outcome.ACCEPTED]


def test_nothing_waits_and_nothing_fails_once_all_is_stored(case: Case) -> None:
    append(case.store, [event()])
    state = case.store.state()
    assert (state.waiting_events, state.waiting_bytes, state.is_failing) == (0, 0, False)
    assert case.store.problem() is None
    assert case.store.trouble is None
