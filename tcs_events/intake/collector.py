"""Takes the body of a request, stores its events and returns the answer, for all faces.

Every event ends as exactly one `Outcome`, and is counted once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from time import perf_counter
from typing import TYPE_CHECKING

from tcs_events.errors import EventInvalid, TcsEventsError
from tcs_events.event import Outcome, Record, event_type_of, id_text
from tcs_events.intake.answers import Answer, answer, answer_error, refused_types
from tcs_events.intake.intake import Intake, Taken, Verdict
from tcs_events.intake.reader import Reader, batch_items, count_of
from tcs_events.intake.recent import RecentEvents
from tcs_events.intake.sender import sender_of
from tcs_events.watch.counters import Counters, Ended, outcome_of
from tcs_events.watch.log import Log, log
from tcs_events.watch.log_lines import log_lines

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment


ACCEPTED = answer(202, {"status": "accepted"})
_STORED = {
    Outcome.ACCEPTED: "tcs_events.event_accepted",
    Outcome.DUPLICATE: "tcs_events.event_duplicate",
}

BROKEN = Outcome.FAILED, "error"
"""The end of an event whose request broke off, by an error of ours or because it was ended."""


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Collector:
    """Takes request bodies and answers them.

    Args:
        reader: parses bodies.
        events: takes what was sent as events.
        identities: takes what was sent as the owners of sessions.
        max_batch_events: a larger batch is refused whole.
        counters: are told how every event ends.
        accepted_log_level: of the line of each stored event: "info", "debug" or "off".
        clock: the time in UTC.
    """

    def __init__(
        self,
        reader: Reader,
        events: Intake,
        identities: Intake,
        max_batch_events: int,
        counters: Counters,
        accepted_log_level: str = "info",
        clock: Callable[[], datetime] = _utc_now,
    ) -> None:
        self._reader = reader
        self._events = events
        self._identities = identities
        self._max_batch_events = max_batch_events
        self._counters = counters
        self._accepted_log_level = accepted_log_level
        self._clock = clock
        # Bound once: an unbound logger binds itself anew for each line, also for one that the
        # host's level leaves out.
        self._log = log.bind()

    def collect(self, body: bytes, environ: WSGIEnvironment) -> Answer:
        """Answer the body of one `POST /api/events`: 202 once its event is safely stored.

        A repeated `event_id` is answered like the first: the client has nothing left to do. Of
        `environ`, only who sends is looked at.
        """
        began, now, sender = perf_counter(), self._clock(), sender_of(environ)
        ended = BROKEN
        try:
            if verdict := self._events.admit(sender, 1):
                ended = verdict
                return _ignored(verdict)
            (data, unsure), size = self._reader.parse(body), len(body)
            # The parsed values take as much memory again, and so does the row.
            del body
            [taken] = self._events.take([data], unsure, sender, now, size)
            ended = end_of(taken.result)
            self._events.settle([taken], now)
        except TcsEventsError as error:
            ended = outcome_of(error)
            self._events.unread(error, 1)
            return answer_error(error)
        finally:
            self._counters.end(((*ended, 1),), perf_counter() - began)
        if isinstance(taken.result, TcsEventsError):
            return answer_error(taken.result, _events_in([taken]), sent=taken.sent)
        log_stored(taken, self._log, self._accepted_log_level)
        return ACCEPTED

    def collect_batch(self, body: bytes, environ: WSGIEnvironment) -> Answer:
        """Answer the body of one `POST /api/events/batch`, with a verdict for each event.

        202 once all good events are safely stored; 422 where none was good.
        """
        began, now, sender = perf_counter(), self._clock(), sender_of(environ)
        received = 1  # what cannot be read counts as one
        ended: list[Ended] = []
        try:
            (data, unsure), size = self._reader.parse(body), len(body)
            del body
            received = count_of(data)
            if verdict := self._events.admit(sender, received):
                ended = [(*verdict, received)]
                return _ignored(verdict, accepted=0, duplicates=0, rejected=[])
            items = batch_items(data, self._max_batch_events)
            taken = self._events.take(items, unsure, sender, now, size)
            ended = _ended(taken)
            self._events.settle(taken, now)
        except TcsEventsError as error:
            ended = ended or [(*outcome_of(error), received)]
            self._events.unread(error, received)
            return answer_error(error)
        finally:
            self._counters.end(ended or [(*BROKEN, received)], perf_counter() - began)
        for item in taken:
            if isinstance(item.result, TcsEventsError) and not isinstance(
                item.result, EventInvalid
            ):
                return answer_error(item.result, _events_in(taken))
        return _batch_answer(taken)

    def identify(self, body: bytes, environ: WSGIEnvironment) -> Answer:
        """Answer the body of one `POST /api/events/identify`: 202 once the link is safely stored.

        A repeated link is answered like the first, which stands. No event is changed.
        """
        began, now, sender = perf_counter(), self._clock(), sender_of(environ)
        ended = BROKEN
        try:
            if verdict := self._identities.admit(sender, 1):
                ended = verdict
                return _ignored(verdict)
            (data, unsure), size = self._reader.parse(body), len(body)
            [taken] = self._identities.take([data], unsure, sender, now, size)
            ended = end_of(taken.result)
            self._identities.settle([taken], now)
        except TcsEventsError as error:
            ended = outcome_of(error)
            return answer_error(error)
        finally:
            self._counters.end_identity(*ended, perf_counter() - began)
        if isinstance(taken.result, TcsEventsError):
            return answer_error(taken.result)
        log.info("tcs_events.session_identified", is_new=taken.result is Outcome.ACCEPTED)
        return ACCEPTED


def refuse(
    error: TcsEventsError,
    counters: Counters,
    recent: RecentEvents | None = None,
    *,
    explain: bool = False,
) -> Answer:
    """Answer a request that fails before the collector sees it. It counts as one event.

    With `explain` the answer says what is wrong, for a developer. Otherwise it only asks to send
    the event again.
    """
    counters.end(((*outcome_of(error), 1),), 0.0)
    if recent is not None:
        recent.add_unread(error, 1, _utc_now())
    return answer_error(error, explain=explain)


def _ignored(verdict: Verdict, **more: object) -> Answer:
    log_ignored(verdict)
    return answer(202, {"status": "ignored", "reason": verdict[1], **more})


def log_ignored(verdict: Verdict) -> None:
    """Log that the events of a sender are not stored."""
    outcome, reason = verdict
    log.debug(f"tcs_events.event_{outcome}", reason=reason)


def log_stored(taken: Taken, to: Log, level: str) -> None:
    """Log that an event is stored, if lines of this level are written: "info" or "debug"."""
    if taken.record is not None and isinstance(taken.result, Outcome) and to.is_on(level):
        to.at(
            level,
            _STORED[taken.result],
            event_type=event_type_of(taken.record),
            event_id=id_text(taken.record),
        )


def end_of(result: Outcome | TcsEventsError) -> tuple[Outcome, str]:
    """Return how an event ended, and the reason."""
    return (result, "") if isinstance(result, Outcome) else outcome_of(result)


def _ended(taken: Sequence[Taken]) -> list[Ended]:
    counts = Counter(end_of(item.result) for item in taken)
    return [(*end, events) for end, events in counts.items()]


def _events_in(taken: Sequence[Taken]) -> list[Record]:
    return [item.record for item in taken if item.record is not None]


def _batch_answer(taken: Sequence[Taken]) -> Answer:
    refused = [
        (place, item.sent, item.result)
        for place, item in enumerate(taken)
        if isinstance(item.result, EventInvalid)
    ]
    accepted = sum(item.result is Outcome.ACCEPTED for item in taken)
    duplicates = sum(item.result is Outcome.DUPLICATE for item in taken)
    # Only lines of batches that are refused whole are limited: a flood costs its sender nothing.
    if accepted or duplicates or log_lines.allows("batch_answered"):
        log.info(
            "tcs_events.batch_answered",
            accepted=accepted,
            duplicates=duplicates,
            rejected=len(refused),
            fields=sorted({field for _, _, error in refused for field in error.errors}),
            event_types=refused_types(sent for _, sent, _ in refused),
        )
    rejected = [
        {"index": place, "errors": error.errors, "details": error.details}
        for place, _, error in refused
    ]
    return answer(
        202 if accepted + duplicates else 422,
        {"accepted": accepted, "duplicates": duplicates, "rejected": rejected},
    )
