"""Takes the body of a request, stores its events and returns the answer, for all faces.

Every event ends as exactly one `Outcome`, and is counted once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from time import perf_counter
from typing import TYPE_CHECKING, Any, Protocol

from tcs_events.errors import EventInvalid, StoreUnavailable, TcsEventsError
from tcs_events.event import Event, Outcome
from tcs_events.intake.answers import Answer, answer, answer_error, refused_types
from tcs_events.intake.reader import Reader, batch_items, corrections, count_of
from tcs_events.intake.sender import Sender, address_of, sender_of
from tcs_events.stores import Store
from tcs_events.stores.contract import Result
from tcs_events.watch.counters import Counters, Ended, outcome_of
from tcs_events.watch.log import log
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

Screen = Callable[[Sender], tuple[Outcome, str] | None]
"""Returns how the events of a sender end if they must not be stored, and why; else None."""


class Limits(Protocol):
    """Limits what one client and one session may send."""

    def check_client(self, address: str, events: int) -> None:
        """Count the events of a client.

        Raises:
            RateLimited: there are too many.
        """

    def check_sessions(self, events: Mapping[str, int]) -> None:
        """Count the events of sessions. `events` is the number of events by session.

        Raises:
            RateLimited: one session has too many.
        """


class BotMarks(Protocol):
    """Which sessions reports are to leave out."""

    def mark(self, sender: Sender, session_ids: Iterable[str], at: datetime) -> None:
        """Remember the sessions, if it is a crawler that sends them.

        Raises:
            StoreUnavailable: that was not possible; then nothing of them may be stored either.
        """


Rejected = tuple[Any, EventInvalid]
"""What was sent, parsed, and why it was refused."""


class Rejections(Protocol):
    """Where refused events are kept, for whoever mends what refused them."""

    def keep(self, rejected: Sequence[Rejected], received_at: datetime) -> None:
        """Keep them if that can be done now; nothing is raised where it cannot."""


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Collector:
    """Takes request bodies and answers them.

    Args:
        reader: makes events of bodies.
        store: keeps events.
        identity_store: keeps who a session belongs to.
        max_batch_events: a larger batch is refused whole.
        counters: are told how every event ends.
        screen: whose events are not stored at all; None is nobody's.
        limits: how much may be sent; None is without limit.
        bot_marks: remembers the sessions of crawlers whose events are stored; None for none.
        rejections: keeps refused events; None keeps none.
        accepted_log_level: of the line of each stored event: "info", "debug" or "off".
        clock: the time in UTC.
    """

    def __init__(
        self,
        reader: Reader,
        store: Store,
        identity_store: Store,
        max_batch_events: int,
        counters: Counters,
        screen: Screen | None = None,
        limits: Limits | None = None,
        bot_marks: BotMarks | None = None,
        rejections: Rejections | None = None,
        accepted_log_level: str = "info",
        clock: Callable[[], datetime] = _utc_now,
    ) -> None:
        self._reader = reader
        self._store = store
        self._identity_store = identity_store
        self._max_batch_events = max_batch_events
        self._counters = counters
        self._screen = screen
        self._limits = limits
        self._bot_marks = bot_marks
        self._rejections = rejections
        self._accepted_log_level = accepted_log_level
        self._clock = clock
        # Bound once: an unbound logger binds itself anew for each line, also for one that the
        # host's level leaves out.
        self._log = log.bind()

    def collect(self, body: bytes, environ: WSGIEnvironment) -> Answer:
        """Answer the body of one `POST /api/events`: 202 once its event is safely stored.

        A repeated `event_id` is answered like the first: the client has nothing left to do. Of
        `environ`, only who sends is looked at, and only where a setting asks.
        """
        began = perf_counter()
        ended, parsed, event, now = BROKEN, None, None, self._clock()
        try:
            if self._screen is not None and (ignored := self._screen(sender_of(environ))):
                ended = ignored
                return _ignored(ignored)
            if self._limits is not None:
                self._limits.check_client(address_of(environ), 1)
            parsed, size = self._reader.parse(body), len(body)
            del body  # the values take as much again, and the row does
            event = self._reader.event(parsed, now)
            if self._limits is not None:
                self._limits.check_sessions({event.session_id: 1})
            if self._bot_marks is not None:
                self._bot_marks.mark(sender_of(environ), (event.session_id,), now)
            [result] = self._store.append([event], size)
            if isinstance(result, TcsEventsError):
                raise result
            ended = result, ""
            self._note_corrections(parsed.data, event.email)
        except TcsEventsError as error:
            ended = outcome_of(error)
            if parsed is not None and isinstance(error, EventInvalid):
                self._keep([(parsed.data, error)], now)
            sent = parsed.data if parsed is not None else None
            return answer_error(error, [event] if event else [], sent=sent)
        finally:
            self._counters.end(((*ended, 1),), perf_counter() - began)
        self._log.at(
            self._accepted_log_level,
            _STORED[result],
            event_type=event.event_type,
            event_id=str(event.event_id),
        )
        return ACCEPTED

    def collect_batch(self, body: bytes, environ: WSGIEnvironment) -> Answer:
        """Answer the body of one `POST /api/events/batch`, with a verdict for each event.

        202 once all good events are safely stored; 422 where none was good.
        """
        began = perf_counter()
        received = 1  # what cannot be read counts as one
        ended: list[Ended] = []
        events: list[Event] = []
        try:
            parsed, size = self._reader.parse(body), len(body)
            del body
            received = count_of(parsed.data)
            if self._screen is not None and (ignored := self._screen(sender_of(environ))):
                ended = [(*ignored, received)]
                return _ignored(ignored, accepted=0, duplicates=0, rejected=[])
            if self._limits is not None:
                self._limits.check_client(address_of(environ), received)
            items = batch_items(parsed.data, self._max_batch_events)
            now = self._clock()
            verdicts: list[Event | Result] = []
            for item in items:
                try:
                    verdicts.append(self._reader.event(parsed.part(item), now))
                except EventInvalid as error:
                    # A new one: that which was raised holds on to all that its traceback saw.
                    verdicts.append(EventInvalid(error.errors))
            events = [verdict for verdict in verdicts if isinstance(verdict, Event)]
            if self._limits is not None:
                self._limits.check_sessions(Counter(event.session_id for event in events))
            if self._bot_marks is not None:
                self._bot_marks.mark(
                    sender_of(environ), {event.session_id for event in events}, now
                )
            stored = iter(self._store.append(events, size) if events else [])
            results = [next(stored) if isinstance(one, Event) else one for one in verdicts]
            ended = _ended(results)
            for result in results:
                if isinstance(result, StoreUnavailable):
                    raise result
            refused: list[Rejected] = []
            for item, verdict, result in zip(items, verdicts, results, strict=True):
                if isinstance(result, EventInvalid):
                    refused.append((item, result))
                elif isinstance(verdict, Event):
                    self._note_corrections(item, verdict.email)
            self._keep(refused, now)
        except TcsEventsError as error:
            ended = ended or [(*outcome_of(error), received)]
            return answer_error(error, events)
        finally:
            self._counters.end(ended or [(*BROKEN, received)], perf_counter() - began)
        return _batch_answer(results, [item for item, _ in refused])

    def identify(self, body: bytes, environ: WSGIEnvironment) -> Answer:
        """Answer the body of one `POST /api/events/identify`: 202 once the link is safely stored.

        A repeated link is answered like the first, which stands. No event is changed.
        """
        began = perf_counter()
        ended = BROKEN
        try:
            if self._screen is not None and (ignored := self._screen(sender_of(environ))):
                ended = ignored
                return _ignored(ignored)
            if self._limits is not None:
                self._limits.check_client(address_of(environ), 1)
            now = self._clock()
            parsed = self._reader.parse(body)
            identity = self._reader.identity(parsed, now)
            if self._limits is not None:
                self._limits.check_sessions({identity.session_id: 1})
            if self._bot_marks is not None:
                self._bot_marks.mark(sender_of(environ), (identity.session_id,), now)
            [result] = self._identity_store.append([identity], len(body))
            if isinstance(result, TcsEventsError):
                raise result
            ended = result, ""
            self._note_corrections(parsed.data, identity.email)
        except TcsEventsError as error:
            ended = outcome_of(error)
            return answer_error(error)
        finally:
            self._counters.end_identity(*ended, perf_counter() - began)
        log.info("tcs_events.session_identified", is_new=result is Outcome.ACCEPTED)
        return ACCEPTED

    def _note_corrections(self, sent: Any, email: str | None) -> None:
        """Count the fields of a stored event that were corrected or left out."""
        for name in corrections(sent, email):
            self._counters.note(name)

    def _keep(self, rejected: Sequence[Rejected], received_at: datetime) -> None:
        if rejected and self._rejections is not None:
            self._rejections.keep(rejected, received_at)


def refuse(error: TcsEventsError, counters: Counters, *, explain: bool = False) -> Answer:
    """Answer a request that fails before the collector sees it. It counts as one event.

    With `explain` the answer says what is wrong, for a developer. Otherwise it only asks to send
    the event again.
    """
    counters.end(((*outcome_of(error), 1),), 0.0)
    return answer_error(error, explain=explain)


def _ignored(ignored: tuple[Outcome, str], **more: object) -> Answer:
    outcome, reason = ignored
    log.debug(f"tcs_events.event_{outcome}", reason=reason)
    return answer(202, {"status": "ignored", "reason": reason, **more})


def _ended(results: Sequence[Result]) -> list[Ended]:
    counts = Counter(
        (result, "") if isinstance(result, Outcome) else outcome_of(result) for result in results
    )
    return [(*end, events) for end, events in counts.items()]


def _batch_answer(results: Sequence[Result], refused: Sequence[Any]) -> Answer:
    rejected = [
        {"index": place, "errors": result.errors}
        for place, result in enumerate(results)
        if isinstance(result, EventInvalid)
    ]
    accepted = sum(result is Outcome.ACCEPTED for result in results)
    duplicates = sum(result is Outcome.DUPLICATE for result in results)
    fields = {field for one in results if isinstance(one, EventInvalid) for field in one.errors}
    # Only lines of batches that are refused whole are limited: a flood costs its sender nothing.
    if accepted or duplicates or log_lines.allows("batch_answered"):
        log.info(
            "tcs_events.batch_answered",
            accepted=accepted,
            duplicates=duplicates,
            rejected=len(rejected),
            fields=sorted(fields),
            event_types=refused_types(refused),
        )
    return answer(
        202 if accepted + duplicates else 422,
        {"accepted": accepted, "duplicates": duplicates, "rejected": rejected},
    )
