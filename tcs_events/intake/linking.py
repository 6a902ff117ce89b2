"""Links a session to a person, as the host's own code says."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from time import perf_counter
from typing import Any, NamedTuple
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import exc

from tcs_events.database.host_database import HostDatabase
from tcs_events.database.in_thread import run_with_timeout
from tcs_events.database.troubles import unavailable
from tcs_events.errors import REQUIRED, EventInvalid, Message, TcsEventsError
from tcs_events.event import (
    Identity,
    Outcome,
    Record,
    UserLink,
    folded_address,
    identity_id,
    user_address_id,
    user_link_id,
)
from tcs_events.intake.collector import BROKEN, log_ignored
from tcs_events.intake.intake import Verdict
from tcs_events.intake.reader import Reader
from tcs_events.models import UserEventIdentity, UserEventUser
from tcs_events.stores import Store
from tcs_events.watch.counters import Counters, outcome_of
from tcs_events.watch.log import log
from tcs_events.watch.log_lines import TROUBLES_PER_SECOND, log_lines

ANOTHER_USER: Verdict = (Outcome.INVALID, "another_user")
"""The end of a link to a person whose session is another person's."""
RESET_REMEDY = (
    "call tcsEvents.reset() in the page when a user logs out, so that the next user of the browser"
    " gets a session of their own"
)


class Person(NamedTuple):
    """Whom a session is linked to, by an address, a user id, or both."""

    email: str | None = None
    user_id: str | None = None


class Linker:
    """Stores links between sessions and persons.

    Args:
        reader: checks what the host's code gives.
        identities: keeps links to addresses.
        user_links: returns the store that keeps links to user ids; raises `ConfigError` if the app
            has no table for them.
        database: the database of both.
        timeout_seconds: how long the database may take to answer.
        counters: are told how every link ends.
    """

    def __init__(
        self,
        reader: Reader,
        identities: Store,
        user_links: Callable[[], Store],
        database: HostDatabase,
        timeout_seconds: float,
        counters: Counters,
    ) -> None:
        self._reader = reader
        self._identities = identities
        self._user_links = user_links
        self._database = database
        self._timeout_seconds = timeout_seconds
        self._counters = counters

    def link(
        self,
        session_id: str | None,
        person: Person,
        *,
        verdict: Verdict | None = None,
        first_stands: bool = False,
    ) -> bool:
        """Link a session to a person. Returns True once the link is stored, also if it was before.

        A session has one user: if it is linked to another user id, nothing is stored and False is
        returned. Several addresses are stored, as the browser's `identify` does.

        Args:
            session_id: the session. None is refused.
            person: whom it belongs to.
            verdict: how the link ends whatever it holds. None if it can be stored.
            first_stands: whether another address counts as another person, too, without a user id.

        Raises:
            ConfigError: there is a user id, and the app has no table for it.
            EventInvalid: something is not allowed.
            StoreUnavailable: the database cannot store the link now.
        """
        began, ended = perf_counter(), BROKEN
        try:
            ended = verdict or self._linked(session_id, person, first_stands)
        except TcsEventsError as error:
            ended = outcome_of(error)
            raise
        finally:
            self._counters.end_identity(*ended, perf_counter() - began)
        if verdict is not None:
            log_ignored(verdict)
        elif ended == ANOTHER_USER:
            self._counters.note("sessions_of_another_user")
            if log_lines.allows("session_of_another_user", TROUBLES_PER_SECOND):
                log.warning("tcs_events.session_of_another_user", remedy=RESET_REMEDY)
        else:
            log.info("tcs_events.session_identified", is_new=ended[0] is Outcome.ACCEPTED)
        return ended[0] in (Outcome.ACCEPTED, Outcome.DUPLICATE)

    def _linked(self, session_id: str | None, person: Person, first_stands: bool) -> Verdict:
        session_id, email, user_id = self._checked(session_id, person)
        now = datetime.now(UTC)
        outcomes = []
        if user_id is not None:
            users, link_id = self._user_links(), user_link_id(session_id)
            link = UserLink(link_id, session_id, user_id, None, now, now)
            outcomes.append(_stored(users, link.record()))
            if outcomes[0] is Outcome.DUPLICATE and self._user_of(link_id) != user_id:
                return ANOTHER_USER
            if email is not None:
                tie = link._replace(
                    link_id=user_address_id(session_id, user_id, email), email=email
                )
                outcomes.append(_stored(users, tie.record()))
        if email is not None:
            if first_stands and user_id is None and (known := self._addresses_of(session_id)):
                folded = {folded_address(address) for address in known}
                is_known = folded_address(email) in folded
                return (Outcome.DUPLICATE, "") if is_known else ANOTHER_USER
            identity = Identity(identity_id(session_id, email), session_id, email, now, now)
            outcomes.append(_stored(self._identities, identity.record()))
        is_new = Outcome.ACCEPTED in outcomes
        return Outcome.ACCEPTED if is_new else Outcome.DUPLICATE, ""

    def _checked(
        self, session_id: str | None, person: Person
    ) -> tuple[str, str | None, str | None]:
        if session_id is None:
            message = "Outside a request, pass the visitor's session: `session_id=...`."
            raise EventInvalid({"session_id": [Message(message, REQUIRED)]})
        if person == Person():
            message = "Give an e-mail address, a user_id, or both."
            raise EventInvalid({"email": [Message(message, REQUIRED)]})
        checked = self._reader.person({"session_id": session_id, **person._asdict()})
        return checked["session_id"], checked["email"], checked["user_id"]

    def _user_of(self, link_id: UUID) -> str | None:
        """Return the user id of a link. None if it has been deleted meanwhile."""
        query = sa.select(UserEventUser.user_id).where(UserEventUser.link_id == link_id)
        return next(iter(self._texts(query, "user_event_users")), None)

    def _addresses_of(self, session_id: str) -> list[str]:
        return self._texts(
            sa.select(UserEventIdentity.email).where(UserEventIdentity.session_id == session_id),
            "user_event_identities",
        )

    def _texts(self, query: sa.Select[Any], table: str) -> list[str]:
        def read() -> list[str]:
            with self._database.engine.connect() as connection:
                return list(connection.scalars(query))

        try:
            return run_with_timeout(self._timeout_seconds, read)
        except (exc.DBAPIError, exc.TimeoutError) as error:
            raise unavailable(error, table, "session_id") from None


def _stored(store: Store, record: Record) -> Outcome:
    """Store a record; raise why that is not possible."""
    [result] = store.append([record])
    if isinstance(result, TcsEventsError):
        raise result
    return result
