"""One event of the host's own Python: the same walk as that of a browser's event."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from time import perf_counter
from uuid import UUID

from flask import Flask

from tcs_events.errors import (
    REQUIRED,
    TYPE,
    BodyTooLarge,
    EventInvalid,
    Message,
    StoreUnavailable,
    TcsEventsError,
)
from tcs_events.host.registration import Registration, in_context_of
from tcs_events.intake.answers import answer_error
from tcs_events.intake.collector import BROKEN, end_of, log_ignored, log_stored
from tcs_events.intake.intake import Intake, Taken, Verdict
from tcs_events.intake.reader import Parsed
from tcs_events.intake.sender import Sender
from tcs_events.tracking.after_commit import Lock, run_after
from tcs_events.tracking.as_json import json_of
from tcs_events.watch.counters import outcome_of
from tcs_events.watch.log import log, log_raised

MILLISECOND = timedelta(milliseconds=1)
END_TRANSACTION = (
    "end the transaction of your own connection to the SQLite file, which nobody else can write to"
    " meanwhile"
)


class Recording:
    """An event that is recorded now, or once a transaction of the host has ended.

    Args:
        app: the host.
        registration: the state of the extension on it.
        sent: the fields of the event, without its age.
        sender: whose opt-out counts.
        verdict: how the event ends whatever it holds. None if it can be stored.
        at: when the event happened. None is when it is stored.
    """

    def __init__(
        self,
        app: Flask,
        registration: Registration,
        sent: Mapping[str, object],
        sender: Sender,
        verdict: Verdict | None,
        at: datetime | None,
    ) -> None:
        self._app = app
        self._registration = registration
        self._sent = sent
        self._sender = sender
        self._verdict = verdict
        self._at = at
        self._lock: Lock | None = None
        self._body = b""
        self._problem: TcsEventsError | None = None
        try:
            # Now: the host may change the payload before its transaction ends.
            self._body = self._written()
        except TcsEventsError as error:
            self._problem = error

    def _written(self) -> bytes:
        at = self._at
        if at is not None and not (isinstance(at, datetime) and at.utcoffset() is not None):
            message = "Is no time with a time zone, such as `datetime.now(UTC)`."
            raise EventInvalid({"at": [Message(message, TYPE)]})
        if "session_id" not in self._sent and self._verdict is None:
            message = "Outside a request, pass the visitor's session: `session_id=...`."
            raise EventInvalid({"session_id": [Message(message, REQUIRED)]})
        body = json_of(self._sent)
        if len(body) > (limit := self._registration.settings.max_body_bytes):
            raise BodyTooLarge(limit)
        return body

    def foreseen(self) -> Verdict | Exception | None:
        """Return why the event will not be stored, if that is certain already."""
        try:
            if verdict := self._verdict or self._intake.admit(self._sender, 1):
                return verdict
            self._registration.reader.event(*self._parsed(), datetime.now(UTC))
        except Exception as error:  # a schema of the host may raise anything
            return error
        return None

    def now(self) -> UUID | None:
        """Record the event. Return its id, or None if its sender is one whose events are not kept.

        Raises:
            TcsEventsError: it is not stored. This is counted and logged.
        """
        began = perf_counter()
        ended = BROKEN
        try:
            if verdict := self._verdict or self._intake.admit(self._sender, 1):
                ended = verdict
                log_ignored(verdict)
                return None
            taken, received_at = self._taken()
            ended = end_of(taken.result)
            self._intake.settle([taken], received_at)
        except TcsEventsError as error:
            ended = outcome_of(error)
            answer_error(error, sent=self._sent)  # for its line in the log
            self._intake.unread(error, 1, self._sent)
            if isinstance(error, EventInvalid):
                self._registration.announcer.rejected([(self._sent, error.errors)])
            raise
        finally:
            self._registration.counters.end(((*ended, 1),), perf_counter() - began)
        if isinstance(taken.result, TcsEventsError):
            records = [] if taken.record is None else [taken.record]
            answer_error(taken.result, records, sent=taken.sent)
            raise taken.result
        log_stored(taken, log, self._registration.settings.accepted_log_level)
        return None if taken.record is None else UUID(taken.record[0])

    def later(self, find_lock: Callable[[], Lock | None]) -> Callable[[], None]:
        """Return what records the event when a transaction of the host has ended. It never raises.

        The host would take an error there for one of its own transaction.

        Args:
            find_lock: returns the lock that must be released before the event can be stored.
        """
        self._at = self._at or datetime.now(UTC)
        self._lock = find_lock()

        def record() -> None:
            try:
                with in_context_of(self._app):
                    # It may have been another session that has committed.
                    if (lock := find_lock()) is not None:
                        run_after(lock.session, record, only_if_committed=False)
                    else:
                        self.now()
            except TcsEventsError:
                pass  # counted and logged
            except Exception as error:
                log_raised("tcs_events.track_failed", error)

        return record

    @property
    def _intake(self) -> Intake:
        return self._registration.events_from_python

    def _parsed(self) -> Parsed:
        if self._problem is not None:
            raise self._problem
        return self._registration.reader.parse(self._body)

    def _taken(self) -> tuple[Taken, datetime]:
        """Return what has become of the event, and when it was received.

        Raises:
            EventInvalid: it cannot be written as JSON.
        """
        data, unsure = self._parsed()
        now = datetime.now(UTC)
        if self._at is not None:
            now -= (now - self._at) % MILLISECOND  # so that `created_at` is `at` to the microsecond
            data["age_ms"] = (now - self._at) // MILLISECOND
        if self._lock is not None and self._lock.is_held:
            # A test, for one, may roll back all that it does on a connection of its own.
            record = self._registration.reader.event(data, unsure, now).record()
            return Taken(record, StoreUnavailable("HostsTransaction", END_TRANSACTION)), now
        [taken] = self._intake.take([data], unsure, self._sender, now, len(self._body))
        return taken, now
