"""A database that is slow, to which everybody sends again at once: it stores what it can."""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from sqlalchemy import event, text

from tcs_events.stores.pace import GROUP_MAX_EVENTS, Pace
from tests.conftest import MakeHost
from tests.support import URL, card_click, stored

CLIENTS, BATCH = 64, 50
ROW_SECONDS = 0.005
LOAD_SECONDS = 5.0
AGAIN_SECONDS = 1.0
TRIES = 4
"""A disk that pauses for seconds makes all databases equal."""


def make_slow(app: Flask, *, is_new: bool) -> None:
    """Have each row take its time, as a trigger of the host may; make the trigger if it is new."""
    with app.app_context():
        engine = app.extensions["sqlalchemy"].engine
    if engine.dialect.name == "sqlite":

        @event.listens_for(engine, "connect")
        def add_pause(driver: Any, _: object) -> None:
            driver.create_function("pause", 0, lambda: time.sleep(ROW_SECONDS))

        engine.dispose()
        statements = [
            "CREATE TRIGGER slow AFTER INSERT ON user_events BEGIN SELECT pause(); END",
        ]
    elif engine.dialect.name == "mysql":
        statements = [
            f"CREATE TRIGGER slow AFTER INSERT ON user_events FOR EACH ROW DO SLEEP({ROW_SECONDS})",
        ]
    else:
        statements = [
            "CREATE FUNCTION pause() RETURNS trigger LANGUAGE plpgsql AS"
            f" 'BEGIN PERFORM pg_sleep({ROW_SECONDS}); RETURN NEW; END'",
            "CREATE TRIGGER slow AFTER INSERT ON user_events FOR EACH ROW EXECUTE FUNCTION pause()",
        ]
    with engine.begin() as connection:
        for statement in statements if is_new else ():
            connection.execute(text(statement))


@dataclass
class Load:
    """What 64 clients are answered that send a batch until it is taken, and then another."""

    statuses: Counter[int] = field(default_factory=Counter)
    acknowledged: list[str] = field(default_factory=list)
    without_retry_after: int = 0

    def run(self, app: Flask) -> Load:
        until = time.monotonic() + LOAD_SECONDS
        threads = [threading.Thread(target=self._visit, args=(app, until)) for _ in range(CLIENTS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return self

    def _visit(self, app: Flask, until: float) -> None:
        client, ids = app.test_client(), list[str]()
        while time.monotonic() < until:
            ids = ids or [str(uuid4()) for _ in range(BATCH)]
            events = [card_click(event_id=event_id) for event_id in ids]
            answer = client.post(f"{URL}/batch", json={"events": events})
            self.statuses[answer.status_code] += 1
            if answer.status_code == 202:
                self.acknowledged += ids
                ids = []
            else:
                self.without_retry_after += "Retry-After" not in answer.headers
                time.sleep(AGAIN_SECONDS)


class NoPace(Pace):
    """As it was: a group holds whatever waits."""

    def wrote(self, events: int, seconds: float, *, is_full: bool = True) -> None:
        self.group_max_events = GROUP_MAX_EVENTS

    failed = lambda self: None  # noqa: E731


@pytest.mark.real_limits
def test_a_slow_database_goes_on_storing_what_it_can(
    make_host: MakeHost, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = make_host(database_url)
    make_slow(app, is_new=True)
    for _ in range(TRIES):
        load = Load().run(app)
        assert set(load.statuses) <= {202, 503}
        assert load.without_retry_after == 0
        rows = Counter(str(row["event_id"]).replace("-", "") for row in stored(app))
        assert set(rows.values()) == {1}
        assert {event_id.replace("-", "") for event_id in load.acknowledged} <= set(rows)

        # The control: without a bound, most groups take too long, and nothing of them is stored.
        with monkeypatch.context() as patch:
            patch.setattr("tcs_events.stores.group_commit.Pace", NoPace)
            unbounded = make_host(database_url)
            make_slow(unbounded, is_new=False)
            control = Load().run(unbounded)
        if load.statuses[503] and control.statuses[202] < load.statuses[202]:
            return
    pytest.fail("no more was stored than without a bound")
