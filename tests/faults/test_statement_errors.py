"""Whichever statement fails, the answer is 503, and the next event meets no trace of it."""

from __future__ import annotations

import pytest

pytest.importorskip("psycopg", reason="needs psycopg: pip install -e '.[test]'")

import gc
from collections.abc import Iterator
from time import monotonic
from typing import Any
from uuid import uuid4

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import make_url

from tests.conftest import MakeHost
from tests.drivers import POOLED_DRIVERS, POSTGRES_DRIVERS, database_by
from tests.faults.broken_hosts import never_rolls_back
from tests.faults.statement_errors import (
    Failing,
    mariadb_options,
    postgres_options,
    sqlite_options,
)
from tests.support import URL, card_click, kind_of, stored

MOST_STATEMENTS = 40
STORED_SECONDS = 60


@pytest.fixture(autouse=True)
def _nothing_is_left_to_the_garbage_collector() -> Iterator[None]:
    """Run without the garbage collector: the store must free a failed connection by itself."""
    gc.disable()
    yield
    gc.enable()


def make(make_host: MakeHost, url: str, failing: Failing, patch: pytest.MonkeyPatch) -> Flask:
    driver = make_url(url).get_driver_name()
    if url.startswith("sqlite"):
        options = sqlite_options(failing)
    elif kind_of(url) == "mariadb":
        options = mariadb_options(failing)
    else:
        options = postgres_options(failing, driver, patch)
    return make_host(url, SQLALCHEMY_ENGINE_OPTIONS=options)


@pytest.fixture(params=["sqlite", "mariadb", *POSTGRES_DRIVERS, *POOLED_DRIVERS])
def each_url(request: pytest.FixtureRequest) -> str:
    return database_by(request, request.param)


def post_until_stored(
    client: FlaskClient, document: dict[str, Any], seconds: float = STORED_SECONDS
) -> int:
    """Return the status of the last attempt.

    After a failure the store takes only a tenth of a second to find out whether it is over, which
    a new connection on a busy machine may exceed: hence more attempts, as browsers make them.
    """
    url = f"{URL}/batch" if "events" in document else URL
    deadline = monotonic() + seconds
    status = client.post(url, json=document).status_code
    while status == 503 and monotonic() < deadline:
        status = client.post(url, json=document).status_code
    return status


def batch(*ids: str) -> dict[str, Any]:
    return {"events": [card_click(event_id=each) for each in ids]}


def new_ids(count: int) -> list[str]:
    return [str(uuid4()) for _ in range(count)]


@pytest.mark.parametrize("before", [True, False], ids=["refused", "answer lost"])
@pytest.mark.parametrize("size", [1, 10])
@pytest.mark.parametrize("connected", [True, False])
def test_an_error_of_any_statement_is_503_and_the_next_event_is_stored(
    make_host: MakeHost,
    each_url: str,
    connected: bool,
    size: int,
    before: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    failing = Failing()
    app = make(make_host, each_url, failing, monkeypatch)
    client = app.test_client()
    client.get("/")  # the tables are looked for
    acknowledged: set[str] = set()
    failures = 0
    number, happened = 1, True
    deadline = monotonic() + STORED_SECONDS * 3
    while happened and number < MOST_STATEMENTS:
        assert monotonic() < deadline
        repeated = sorted(acknowledged)[:1]
        ids = [*new_ids(size), *repeated]
        if not connected:
            app.extensions["tcs_events"].store.close()
        failing.arm(number, before=before)
        answer = client.post(f"{URL}/batch", json=batch(*ids))
        happened = failing.happened
        failing.arm(0, before=before)
        assert answer.status_code in (202, 503)
        if answer.status_code == 202:
            acknowledged |= set(ids)
        failures += answer.status_code == 503
        good = new_ids(1)
        assert post_until_stored(client, card_click(event_id=good[0])) == 202
        assert post_until_stored(client, batch(*ids)) == 202
        acknowledged |= {*ids, *good}
        rows = [str(row["event_id"]).replace("-", "") for row in stored(app)]
        assert sorted(rows) == sorted(one.replace("-", "") for one in acknowledged)
        if not happened and answer.status_code == 503:
            happened = True  # the machine was too busy to get that far: the same statement again
        else:
            number += 1
    assert failures > 0
    assert not happened, "there were statements that did not fail"


def test_the_harness_sees_a_host_that_does_not_roll_back(
    make_host: MakeHost, sqlite_url: str, monkeypatch: pytest.MonkeyPatch, close_later: list[Flask]
) -> None:
    make_host(sqlite_url)
    failing = Failing()
    app = never_rolls_back(sqlite_url, SQLALCHEMY_ENGINE_OPTIONS=sqlite_options(failing))
    close_later.append(app)
    client = app.test_client()
    event = card_click(event_id=new_ids(1)[0])
    assert client.post(URL, json=event).status_code == 202
    failing.arm(1, before=False)
    assert client.post(URL, json=event).status_code == 503
    failing.arm(0, before=True)
    # 500 where all connections of its pool are left in transactions.
    assert post_until_stored(client, event, seconds=3) in (500, 503)
