"""What the tests of counting share: events put into a host's database, and counted."""

from __future__ import annotations

from collections.abc import Sequence

from flask import Flask
from sqlalchemy import delete

from tcs_events import UserEvent, UserEventIdentity
from tcs_events.event import Event, Identity
from tcs_events.host import registration_of

APPEND_EVENTS = 2_000


def fill(app: Flask, events: Sequence[Event], identities: Sequence[Identity] = ()) -> None:
    """Put events in the place of all there are, and count them. Needs an app context."""
    registration = registration_of(app)
    with registration.database.engine.begin() as connection:
        for model in (UserEvent, UserEventIdentity):
            connection.execute(delete(model))
    append(app, events, identities)
    registration.refresher.refresh(rebuild=True)


def append(app: Flask, events: Sequence[Event], identities: Sequence[Identity] = ()) -> None:
    """Store events as they are, with `created_at` whenever they say. Needs an app context."""
    registration = registration_of(app)
    for start in range(0, len(events), APPEND_EVENTS):
        batch = events[start : start + APPEND_EVENTS]
        registration.store.append([event.record() for event in batch])
    registration.identity_store.append([identity.record() for identity in identities])
