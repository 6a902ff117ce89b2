"""Links the sessions of visitors to the users who are logged in, by one setting.

It is done where events arrive: the tracker's requests carry the session, and the cookie of the
host's login. The person is asked for in the request. The link is stored once the answer has been
sent, so that no browser waits for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta
from functools import partial
from time import monotonic
from urllib.parse import urlsplit
from uuid import UUID

from flask import Flask, Response, after_this_request, g, has_request_context, request

from tcs_events.errors import ConfigError, TcsEventsError
from tcs_events.event import USER_ID_MAX_LENGTH, Event
from tcs_events.event_types.schemas import known_email
from tcs_events.host.mounted import is_ours
from tcs_events.host.registration import Registration
from tcs_events.intake.announcing import event_accepted
from tcs_events.intake.answers import answer_error
from tcs_events.intake.linking import Person
from tcs_events.settings import BY_HAND
from tcs_events.watch.log import log_raised

REMEMBERED = 10_000
"""How many sessions a process remembers the person of."""
ASK_AGAIN_SECONDS = 60.0
"""How long a known person of a session is not asked for again: most hosts read them from their
database."""
WAITED = timedelta(minutes=1)
"""An event that has waited longer tells nothing about who is logged in now."""

_SESSIONS = "tcs_events.tracking.login"


def link_logged_in_users(app: Flask, registration: Registration) -> None:
    """Link the sessions of stored events to the logged-in user, if the settings say who that is."""
    setting = registration.settings.identify_user
    if setting is None or isinstance(setting, str):  # by hand
        return
    ask = _asking(setting) if isinstance(setting, tuple) else setting
    logins = Logins(app, registration, ask)
    registration.listeners.append(logins)
    event_accepted.connect(logins.note, app)


class Logins:
    """The logged-in users of one app.

    Args:
        app: the host.
        registration: the state of the extension on it.
        ask: returns the id or the address of the logged-in user of the current request.
    """

    def __init__(self, app: Flask, registration: Registration, ask: Callable[[], object]) -> None:
        self._app = app
        self._registration = registration
        self._ask = ask
        self._known: dict[str, tuple[Person, float]] = {}
        """The last person of a session, and when they were asked for."""
        self._has_failed = False

    def note(self, app: Flask, event: Event) -> None:
        """Have the session of a new event linked, if a page of the host has just sent it.

        A view may also record events of other people's sessions, with `track`: those are not the
        user's who is logged in there.
        """
        if not has_request_context() or event.received_at - event.created_at > WAITED:
            return
        rule = request.url_rule
        if rule is None or not is_ours(app, rule) or not self._is_own_page():
            return
        if (known := self._known.get(event.session_id)) is not None:
            _, asked_at = known
            if monotonic() - asked_at < ASK_AGAIN_SECONDS:
                return
        sessions = request.environ.get(_SESSIONS)
        if sessions is None:
            sessions = request.environ[_SESSIONS] = set()
            after_this_request(self._link_after)
        sessions.add(event.session_id)

    def _is_own_page(self) -> bool:
        """Tell whether the current request comes from a page of the host.

        The cookie of the login may also come with a request that another site has the browser
        send. That site could have its own session linked to the user.
        """
        origin, site = request.headers.get("Origin"), request.headers.get("Sec-Fetch-Site")
        if origin in self._registration.settings.cors_origins:
            return True
        if site is not None:
            return site == "same-origin"
        return origin is None or urlsplit(origin).netloc == request.host

    def _link_after(self, response: Response) -> Response:
        """Ask who is logged in, and have the link stored once the answer has been sent."""
        sessions: set[str] = request.environ.pop(_SESSIONS, set())
        if (person := self._person()) is None:
            return response
        new = []
        for session_id in sessions:
            if len(self._known) >= REMEMBERED:
                self._known = {}
            before, _ = self._known.get(session_id, (None, 0.0))
            self._known[session_id] = person, monotonic()
            if before != person:
                new.append(session_id)
        if not new:
            return response
        link = partial(self._link, new, person)
        if self._app.testing:
            link()  # Flask's test client does not close answers, and a test reads the table next
        else:
            response.call_on_close(link)
        return response

    def _person(self) -> Person | None:
        """Return who is logged in. None if nobody is, or nobody knows."""
        try:
            return _person_of(self._ask())
        except Exception as error:
            self._registration.counters.note("identify_user_failed")
            if not self._has_failed:  # it would fill the log: every event asks
                self._has_failed = True
                log_raised("tcs_events.identify_user_failed", error)
            return None

    def _link(self, sessions: list[str], person: Person) -> None:
        """Link the sessions. A failure breaks nothing, and is tried again with a later event."""
        for session_id in sessions:
            try:
                self._registration.linker.link(session_id, person, first_stands=True)
            except TcsEventsError as error:
                answer_error(error)  # for its line in the log
                self._known[session_id] = Person(), monotonic()
            except Exception as error:
                log_raised("tcs_events.identify_failed", error)


def _person_of(answer: object) -> Person | None:
    """Return the person of an id, an address, or a tuple of both. None and "" are nobody.

    Raises:
        ValueError: it is something else.
    """
    person = Person()
    for value in answer if isinstance(answer, tuple | list) else (answer,):
        if value is None or value == "":
            continue
        if isinstance(value, bool) or not isinstance(value, str | int | UUID):
            raise ValueError("neither an id nor an e-mail address")
        text = str(value)
        field = "user_id" if known_email(text) is None else "email"
        if getattr(person, field) is not None:
            raise ValueError("two ids, or two e-mail addresses")
        if len(text) > USER_ID_MAX_LENGTH and field == "user_id":
            raise ValueError(f"an id of more than {USER_ID_MAX_LENGTH} characters")
        if not text.isprintable() or not text.strip():
            raise ValueError("an id that is not printable")
        person = person._replace(**{field: text})
    return None if person == Person() else person


def _asking(paths: Iterable[str]) -> Callable[[], object]:
    """Return a function that follows paths such as `current_user.id` or `g.user.email`."""
    return lambda: tuple(_at(path) for path in paths)


def _at(path: str) -> object:
    """Return what is at a path. None if nobody is logged in.

    That is so if an object on the way is None, or says that it is not authenticated.
    """
    first, *names = path.split(".")
    found: object
    if first == "g":
        found = g.get(names.pop(0))
    else:
        from flask_login import current_user

        found = current_user
    for name in names:
        if found is None or not getattr(found, "is_authenticated", True):
            return None
        found = getattr(found, name)
    return found() if callable(found) else found


def check_no_middleware(registration: Registration) -> None:
    """Refuse `EventsMiddleware` where the user of a request is to be known.

    Raises:
        ConfigError: the setting needs requests that Flask sees.
    """
    if registration.settings.identify_user not in (None, BY_HAND):
        raise ConfigError(
            "EventsMiddleware answers before the login of the app is known, so that"
            " TCS_EVENTS_IDENTIFY_USER has no effect. Leave the middleware out, or set"
            f" TCS_EVENTS_IDENTIFY_USER = {BY_HAND!r} and call tcs_events.identify when a user logs"
            " in."
        )
