"""`track`: records an event from the host's own Python."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from flask import Flask, has_request_context, request
from sqlalchemy.orm import Session, scoped_session

from tcs_events.errors import ConfigError
from tcs_events.event import Outcome, new_event_id
from tcs_events.host.registration import registration_of
from tcs_events.intake.answers import log_trouble
from tcs_events.intake.intake import Verdict
from tcs_events.intake.sender import Sender, sender_of
from tcs_events.tracking.after_commit import Lock, lock_of, run_after
from tcs_events.tracking.calling import app_of, harmless_in_production
from tcs_events.tracking.recording import Recording
from tcs_events.tracking.session import COOKIE, HEADER, visitors_session
from tcs_events.watch.log import log

HostsSession = Session | scoped_session[Any]

NOBODY = Sender(address="", user_agent="", refuses_sale=False, refuses_tracking=False)
"""The sender of an event that no browser has caused."""
NO_SESSION: Verdict = (Outcome.OPTED_OUT, "no_session")
"""The end of an event of a request that names no session: its visitor may not have consented."""
SESSION_REMEDY = (
    f"send the header {HEADER} with `tcsEvents.sessionId()`, or let the tracker keep the cookie"
    f" {COOKIE}; or pass session_id"
)


def track(
    event_type: str,
    payload: Mapping[str, object] | None = None,
    *,
    session_id: str | None = None,
    email: str | None = None,
    event_id: UUID | str | None = None,
    at: datetime | None = None,
    after_commit: bool | HostsSession = False,
) -> UUID | None:
    """Record an event of the current app, as if a visitor's browser had sent it.

    Returns the event's id once it is stored, also if an event with this id was stored before. With
    `after_commit`, returns the id that it will be stored with. Returns None if it is not recorded:
    the request has no session, its visitor has opted out, or the event was refused and the app is
    in production. Every call is counted, as events of the endpoint are.

    It needs an app context. No rate limits apply.

    Args:
        event_type: one of the app's event types.
        payload: what is to be stored with it, at most `TCS_EVENTS_MAX_BODY_BYTES` as JSON. Dates,
            times, `Decimal` and `UUID` are written as text.
        session_id: the visitor's session. By default that of the current request: its header
            `X-TCS-Session-ID`, else its cookie `tcs_session_id`.
        email: the visitor's e-mail address. The event is stored without one that is not valid.
        event_id: a UUID by which the event is stored once, however often it is recorded. By default
            a new one.
        at: when the event happened, with a time zone. Now by default. What is in the future counts
            as now, and what is more than seven days ago as seven days ago.
        after_commit: record the event once the open transaction of `db.session` is committed, and
            not at all if it is rolled back; or the transaction of the session that is passed.
            Where no transaction is open, the event is recorded at once.

    Raises:
        ConfigError: there is no app context.
        EventInvalid: the event is not allowed. This error and those below are raised in debug mode
            and in tests (`app.debug`, `app.testing`). In production they are logged.
        BodyTooLarge: the payload is too long.
        StoreUnavailable: the database cannot store it now. Not raised after a commit, which would
            seem to have failed.
        ConfigError: the app has not registered the blueprint, or has no database.
    """
    app = app_of("track")
    sent: dict[str, object] = {
        "event_type": event_type,
        "payload": dict(payload or {}) if isinstance(payload, Mapping | None) else payload,
        "event_id": new_event_id() if event_id is None else event_id,
        **({} if session_id is None else {"session_id": session_id}),
        **({} if email is None else {"email": email}),
    }
    with harmless_in_production(app, "tcs_events.track_failed"):
        return _recorded(app, sent, at, after_commit)
    return None


def _recorded(
    app: Flask, sent: dict[str, object], at: datetime | None, after_commit: bool | HostsSession
) -> UUID | None:
    """Record an event now, or have it wait for a transaction of the host."""
    try:
        registration = registration_of(app)
    except ConfigError as error:
        log_trouble(error)
        raise
    sender, verdict = fill_in_session(app, sent)
    recording = Recording(app, registration, sent, sender, verdict, at)
    awaited = _open_session(app, after_commit)
    find_lock = partial(lock_of_host, app, registration.settings.bind_key)
    lock = find_lock()
    if awaited is None and lock is None:
        return recording.now()
    foreseen = recording.foreseen()
    if awaited is not None and foreseen is None:
        run_after(awaited, recording.later(find_lock), only_if_committed=True)
    elif lock is not None:
        run_after(lock.session, recording.later(find_lock), only_if_committed=False)
    else:
        return recording.now()
    if isinstance(foreseen, Exception):
        raise foreseen
    return None if foreseen else UUID(str(sent["event_id"]))


def fill_in_session(app: Flask, sent: dict[str, object]) -> tuple[Sender, Verdict | None]:
    """Give an event the session of the current request, if it has none.

    Returns whose opt-out counts, and how the event ends if that is certain.
    """
    if not has_request_context():
        return NOBODY, None
    found = visitors_session()
    sender = sender_of(request.environ)
    if sent.setdefault("session_id", found) is None:
        if app.debug or app.testing:
            log.warning("tcs_events.session_missing", remedy=SESSION_REMEDY)
        return sender, NO_SESSION
    if str(sent["session_id"]) == found:
        return sender, None
    # The sender may be a service that reports a payment, and is a crawler by its user agent. Or
    # somebody of the host's staff, with a session of their own.
    return (sender._replace(user_agent="") if found is None else NOBODY), None


def _open_session(app: Flask, after_commit: bool | HostsSession) -> Session | None:
    """Return the session whose transaction is to be waited for. None if none is open."""
    if after_commit is False:
        return None
    session = _hosts_session(app) if after_commit is True else after_commit
    if isinstance(session, scoped_session):
        session = session() if session.registry.has() else None
    return session if session is not None and session.in_transaction() else None


def _hosts_session(app: Flask) -> HostsSession | None:
    database = app.extensions.get("sqlalchemy")
    return None if database is None else database.session


def lock_of_host(app: Flask, bind_key: str | None) -> Lock | None:
    """Return the lock that `db.session` holds on the SQLite file of the events, if it does.

    An event that is written meanwhile would wait for the very code that records it.
    """
    if (session := _open_session(app, True)) is None:
        return None
    engine = app.extensions["sqlalchemy"].engines.get(bind_key)
    return None if engine is None else lock_of(session, engine)
