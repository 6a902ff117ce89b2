"""A host whose counts a test refreshes, with a clock that the test sets."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

from flask import Flask
from sqlalchemy import Engine, delete, insert, select

from tcs_events import UserEvent
from tcs_events.counts import tables
from tcs_events.counts.funnels import keep_funnel
from tcs_events.counts.meaning import MARKETPLACE_MEANING, meaning_of
from tcs_events.counts.refresh import Refresher
from tcs_events.counts.stale import forget_sessions, mark_stale
from tcs_events.counts.steps import step
from tcs_events.event import Event
from tcs_events.host import registration_of
from tcs_events.reports import Period
from tests.reports.support import append
from tests.reports.test_against_truth import (
    FUNNELS,
    check_activity,
    check_exposure,
    check_funnels,
    check_retention,
    check_top,
    check_unmet_demand,
    check_visitors,
)
from tests.reports.truth import World


class Clock:
    """A clock that stands still until a test changes it."""

    def __init__(self) -> None:
        # Not in the past: a report would find the counts old, and refresh them itself.
        self.now = datetime.now(UTC)
        self.on_look: Callable[[], None] = lambda: None
        """Is called once at each look at the clock, before it is answered."""

    def __call__(self) -> datetime:
        self.on_look()
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


class Counting:
    """The counts of a host, and the correct counts to compare them with."""

    def __init__(self, app: Flask) -> None:
        self.app = app
        self.clock = Clock()
        self.registration = registration_of(app)
        with app.app_context():
            self.engine: Engine = self.registration.database.engine
        self.refresher = self.another_refresher()
        vars(self.registration)["refresher"] = self.refresher
        for texts in FUNNELS:
            self.keep(*texts)

    @property
    def zone(self) -> ZoneInfo:
        return self.registration.settings.timezone

    def another_refresher(self, clock: Clock | None = None) -> Refresher:
        """Return a refresher like that of another process."""
        meaning = meaning_of(self.registration.settings.event_types)
        return Refresher(self.engine, self.zone, meaning, clock or self.clock)

    def keep(self, *texts: str) -> None:
        """Store a funnel, so that it is counted from now on."""
        steps = [step(text) for text in texts]
        with self.engine.begin() as connection:
            keep_funnel(connection, steps, self.clock.now, MARKETPLACE_MEANING.default_funnel)

    def add(self, *events: Event) -> None:
        with self.app.app_context():
            append(self.app, events)

    def delete(self, *events: Event) -> None:
        """Delete events as a host's command would."""
        with self.engine.begin() as connection:
            ids = [event.event_id for event in events]
            connection.execute(delete(UserEvent).where(UserEvent.event_id.in_(ids)))
            mark_stale(connection, self.zone, [event.created_at for event in events])

    def forget(self, *session_ids: str) -> None:
        """Delete all events of sessions as a host's command would."""
        with self.engine.begin() as connection:
            is_theirs = UserEvent.session_id.in_(session_ids)
            times = connection.scalars(select(UserEvent.created_at).where(is_theirs)).all()
            connection.execute(delete(UserEvent).where(is_theirs))
            forget_sessions(connection, self.zone, session_ids, times)

    def world(self) -> World:
        with self.engine.connect() as connection:
            columns = [getattr(UserEvent, name) for name in Event._fields]
            rows = connection.execute(select(*columns).order_by(UserEvent.id)).all()
        return World(self.zone, [Event(*row) for row in rows])

    def kept(self) -> dict[str, list[Any]]:
        """Return all rows of the counts, sorted."""
        with self.engine.connect() as connection:
            return {
                table.name: sorted(
                    (
                        tuple(row)
                        for row in connection.execute(
                            select(*(column for column in table.c if column.name != "id"))
                        )
                    ),
                    key=repr,
                )
                for table in tables.OF_EVENTS
            }

    def assert_true(self) -> None:
        """Compare the counts with the correct counts, and with counting everything again."""
        world = self.world()
        dates = [world.date(event) for event in world.events]
        period = Period(min(dates), max(dates))
        with self.app.app_context():
            check_activity(world, period)
            check_top(world, period)
            check_unmet_demand(world, period)
            # Other limits and steps read the same counts: tests/reports compares them all.
            check_exposure(world, period, limits=[(1, 1)])
            check_retention(world, period, returning={})
            check_funnels(world, period)
            check_visitors(world, period)
        kept = self.kept()
        self.another_refresher().refresh(rebuild=True)
        assert kept == self.kept()


def insert_event(event: Event) -> Any:
    """Return the statement that stores an event on the test's own connection."""
    return insert(UserEvent).values(**event._asdict())


def ask(
    at: datetime, text: str = "rust", session_id: str = "s", count: int = 2, **payload: object
) -> Event:
    payload = {"query_text": text, "result_count": count, "expert_ids": ["ada"], **payload}
    return Event(uuid4(), session_id, "sage_query", payload, None, at, at)


def click(at: datetime, expert: str = "ada", session_id: str = "s") -> Event:
    payload: dict[str, object] = {"expert_id": expert, "context": "grid"}
    return Event(uuid4(), session_id, "card_click", payload, None, at, at)
