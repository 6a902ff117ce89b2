"""Records that nobody waits for are tried again while the database does not answer."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from tcs_events.errors import StoreUnavailable, TableMissing
from tcs_events.event import Event, Outcome
from tcs_events.stores import Store
from tcs_events.stores.retries import ATTEMPTS, append_with_retries
from tests.conftest import MakeHost

pytestmark = pytest.mark.real_limits
NOW = datetime.now(UTC)
RECORDS = [Event(uuid4(), "visitor-1", "card_click", {}, None, NOW, NOW).record()]


def file_of(url: str) -> str:
    return url.removeprefix("sqlite:///")


def store_of(make_host: MakeHost, url: str, timeout_ms: int) -> Store:
    app = make_host(url, TCS_EVENTS_TIMEOUT_MS=timeout_ms)
    with app.app_context():
        store: Store = app.extensions["tcs_events"].store
        return store


def test_a_locked_database_is_tried_again_until_it_answers(
    make_host: MakeHost, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, pauses = store_of(make_host, sqlite_url, 1800), list[float]()
    with closing(sqlite3.connect(file_of(sqlite_url), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")

        def pause(seconds: float) -> None:
            pauses.append(seconds)
            if len(pauses) == 2 and other.in_transaction:
                other.rollback()

        monkeypatch.setattr("tcs_events.stores.retries.sleep", pause)
        assert append_with_retries(store, RECORDS) == [Outcome.ACCEPTED]
        assert pauses[:2] == [1.0, 2.0]
        assert append_with_retries(store, RECORDS) == [Outcome.DUPLICATE]


def test_a_database_that_stays_locked_is_given_up(
    make_host: MakeHost, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, pauses = store_of(make_host, sqlite_url, 100), list[float]()
    monkeypatch.setattr("tcs_events.stores.retries.sleep", pauses.append)
    with closing(sqlite3.connect(file_of(sqlite_url), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable):
            append_with_retries(store, RECORDS)
    assert len(pauses) == ATTEMPTS - 1


def test_a_missing_table_is_said_at_once(
    make_host: MakeHost, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, pauses = store_of(make_host, sqlite_url, 1800), list[float]()
    monkeypatch.setattr("tcs_events.stores.retries.sleep", pauses.append)
    with closing(sqlite3.connect(file_of(sqlite_url))) as other:
        other.execute("DROP TABLE user_events")
    with pytest.raises(TableMissing):
        append_with_retries(store, RECORDS)
    assert pauses == []
