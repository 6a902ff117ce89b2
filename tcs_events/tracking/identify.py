"""`identify`: links a session to a person, from the host's own Python."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import cast
from uuid import UUID

from flask import Flask

from tcs_events.errors import TcsEventsError
from tcs_events.host.registration import registration_of
from tcs_events.intake.answers import answer_error
from tcs_events.intake.linking import Person
from tcs_events.intake.screening import Screening
from tcs_events.tracking.after_commit import run_after
from tcs_events.tracking.calling import app_of, harmless_in_production
from tcs_events.tracking.track import fill_in_session, lock_of_host
from tcs_events.watch.log import log_raised

UserId = str | int | UUID


def identify(
    session_id: str | None = None, email: str | None = None, *, user_id: UserId | None = None
) -> bool:
    """Link a visitor's session, its past and its future, to a person.

    Returns True once the link is stored, also if it was stored before. Returns False if it is not:
    the session is linked to another user id, the request has no session, its visitor has opted out,
    or the link was refused and the app is in production. Every call is counted, as calls of `POST
    /identify` are.

    Give an address and a user id together if both are the same person's: `forget`,
    `export-subject` and timelines then find the sessions of both.

    It needs an app context. No rate limits apply. If `db.session` has begun to write to the SQLite
    file of the events, the link is stored when its transaction has ended.

    Args:
        session_id: the visitor's session. By default that of the current request: its header
            `X-TCS-Session-ID`, else its cookie `tcs_session_id`.
        email: the person's e-mail address, of at most 320 characters.
        user_id: your own id of the person, at most 255 printable characters. It needs the setting
            `TCS_EVENTS_IDENTIFY_USER`. The first user id of a session stands.

    Raises:
        ConfigError: there is no app context.
        EventInvalid: the session, the address or the user id is not allowed, or neither an address
            nor a user id was given. This error and those below are raised in debug mode and in
            tests (`app.debug`, `app.testing`). In production they are logged.
        StoreUnavailable: the database cannot store the link now.
        ConfigError: the app has not registered the blueprint, has no database, or there is a
            `user_id` and `TCS_EVENTS_IDENTIFY_USER` is not set.
    """
    app = app_of("identify")
    with harmless_in_production(app, "tcs_events.identify_failed"):
        return _identified(app, session_id, email, None if user_id is None else str(user_id))
    return False


def _identified(app: Flask, session_id: str | None, email: str | None, user_id: str | None) -> bool:
    """Store a link now, or have it wait for a transaction of the host."""
    try:
        registration = registration_of(app)
        sent: dict[str, object] = {} if session_id is None else {"session_id": session_id}
        sender, verdict = fill_in_session(app, sent)
        link = partial(
            registration.linker.link,
            cast("str | None", sent.get("session_id")),
            Person(email, user_id),
            verdict=verdict or Screening(registration.settings)(sender),
        )
        lock = lock_of_host(app, registration.settings.bind_key)
        if lock is None:
            return link()
        run_after(lock.session, partial(_link_later, link), only_if_committed=False)
    except TcsEventsError as error:
        answer_error(error)  # for its line in the log
        raise
    return True


def _link_later(link: Callable[[], object]) -> None:
    try:
        link()
    except TcsEventsError as error:
        answer_error(error)
    except Exception as error:
        log_raised("tcs_events.identify_failed", error)
