"""Decides whether events may be stored, and stores them. It knows nothing of HTTP.

Every way in leads through `Intake.take`: one event, a batch, and who a session belongs to.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from operator import itemgetter
from typing import Any, NamedTuple, Protocol

from tcs_events.errors import EventInvalid, StoreUnavailable, TcsEventsError
from tcs_events.event import Event, Identity, Outcome, Record
from tcs_events.intake.reader import as_sent, corrections
from tcs_events.intake.sender import Sender
from tcs_events.stores import Store
from tcs_events.watch.counters import Counters

Verdict = tuple[Outcome, str]
"""How events end that are not stored because of their sender, and why."""

Screen = Callable[[Sender], Verdict | None]
"""Returns how the events of a sender end if they must not be stored, else None."""


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
    """The sessions that reports leave out."""

    def mark(self, sender: Sender, session_ids: Iterable[str], at: datetime) -> None:
        """Remember the sessions if their sender is a crawler.

        Raises:
            StoreUnavailable: that was not possible. Their events must not be stored then, or
                reports would count a crawler as a visitor.
        """


Rejected = tuple[Any, EventInvalid]
"""What was sent, parsed, and why it was refused."""


class Rejections(Protocol):
    """Where refused events are kept, so that they can be stored once the cause is fixed."""

    def keep(self, rejected: Sequence[Rejected], received_at: datetime) -> None:
        """Keep them if that is possible now. Nothing is raised if it is not."""


class Announcer(Protocol):
    """Tells the host's code what became of events. Nothing is raised."""

    def accepted(self, records: Iterable[Record]) -> None:
        """Tell of new events."""

    def rejected(self, refused: Iterable[tuple[Any, dict[str, Any]]]) -> None:
        """Tell of events that were refused for good, with their errors."""


class Taken(NamedTuple):
    """What became of one item."""

    record: Record | None
    """What was read from it. None if it is not allowed."""
    result: Outcome | TcsEventsError
    """ACCEPTED, DUPLICATE, or why it was not stored."""
    corrections: Sequence[str] = ()
    """The names under which corrections are counted if it is stored."""
    sent: Any = None
    """The item as it was sent, parsed, if it is refused."""


class Intake:
    """Takes items of one kind: events, or the owners of sessions.

    Args:
        read: makes a record of an item; `Reader.event` is one.
        store: keeps the records.
        counters: are told which fields of stored records were corrected.
        screen: whose items are not stored at all. None is nobody's.
        limits: how much may be sent. None is without limit.
        bot_marks: remembers the sessions of crawlers whose items are stored. None marks none.
        rejections: keeps refused items. None keeps none.
        announcer: is told of stored and of refused items. None tells nobody.
    """

    def __init__(
        self,
        read: Callable[[Any, bool, datetime], Event | Identity],
        store: Store,
        counters: Counters,
        screen: Screen | None = None,
        limits: Limits | None = None,
        bot_marks: BotMarks | None = None,
        rejections: Rejections | None = None,
        announcer: Announcer | None = None,
    ) -> None:
        self._announcer = announcer
        self._read = read
        self._store = store
        self._counters = counters
        self._screen = screen
        self._limits = limits
        self._bot_marks = bot_marks
        self._rejections = rejections

    def admit(self, sender: Sender, items: int) -> Verdict | None:
        """Decide about a sender before any of the items is read.

        Returns None if the items may be taken. Otherwise the verdict says how they end.

        Raises:
            RateLimited: the client has sent too much.
        """
        if self._screen is not None and (verdict := self._screen(sender)):
            return verdict
        if self._limits is not None:
            self._limits.check_client(sender.address, items)
        return None

    def unread(self, error: TcsEventsError, items: int, sent: Any = None) -> None:
        """Hear why items were not taken, before `take`. `DebugIntake` tells a developer."""

    def take(
        self, items: list[Any], unsure: bool, sender: Sender, now: datetime, size_bytes: int = 0
    ) -> list[Taken]:
        """Read the items, and store those that are allowed. What is ACCEPTED is durable.

        Returns one `Taken` for each item, in the same order. If the store or a limit takes none of
        them now, all have that error: they can be sent again together.

        Args:
            items: what was sent, parsed. The list is empty afterwards: thousands of values that
                wait for a commit would be visited by Python's garbage collector again and again.
            unsure: whether their texts may hold NUL or half an emoji.
            sender: who sent it.
            now: when it was received, in UTC.
            size_bytes: the length of the request body, for the limit on waiting bytes.
        """
        read, corrected = self._read_all(items, unsure, now)
        items.clear()
        records = [each for each in read if not isinstance(each, Taken)]
        try:
            results = iter(self._stored(records, sender, now, size_bytes))
        except TcsEventsError as error:
            return [each if isinstance(each, Taken) else Taken(each, error) for each in read]
        return [
            each
            if isinstance(each, Taken)
            else _taken(each, next(results), corrected.get(place, ()))
            for place, each in enumerate(read)
        ]

    def _read_all(
        self, items: Sequence[Any], unsure: bool, now: datetime
    ) -> tuple[list[Record | Taken], dict[int, Sequence[str]]]:
        """Return a record of each item, or how it was refused, and the corrections by place."""
        read: list[Record | Taken] = []
        corrected: dict[int, Sequence[str]] = {}
        for place, item in enumerate(items):
            try:
                found = self._read(item, unsure, now)
            except EventInvalid as error:
                # Not the raised error itself: its traceback would keep every local value of the
                # reader alive, for each refused event of a batch.
                read.append(Taken(None, EventInvalid(error.errors), sent=item))
                continue
            read.append(found.record())
            if names := corrections(item, found.email):
                corrected[place] = names
        return read, corrected

    def settle(self, taken: Sequence[Taken], received_at: datetime) -> None:
        """Tell of stored items, count their corrections, and keep the refused ones.

        If one of them can still be stored, only the new ones are told of: then the client sends all
        of them again.

        This is not part of `take`, because keeping takes time. The caller first counts how the
        items ended, so that a request that is interrupted here is counted right.
        """
        if self._announcer is not None:
            self._announcer.accepted(
                item.record
                for item in taken
                if item.result is Outcome.ACCEPTED and item.record is not None
            )
        if any(isinstance(item.result, StoreUnavailable) for item in taken):
            return
        refused: list[Rejected] = []
        for _, result, corrected, sent in taken:
            if isinstance(result, EventInvalid):
                refused.append((sent, result))
            elif corrected and isinstance(result, Outcome):
                for name in corrected:
                    self._counters.note(name)
        if refused and self._announcer is not None:
            self._announcer.rejected((sent, error.errors) for sent, error in refused)
        if refused and self._rejections is not None:
            self._rejections.keep(refused, received_at)

    def _stored(
        self,
        records: Sequence[Record],
        sender: Sender,
        now: datetime,
        size_bytes: int,
    ) -> Sequence[Outcome | TcsEventsError]:
        """Store the records of one sender; raises what the limits, the marks and the store do."""
        if self._limits is not None:
            self._limits.check_sessions(Counter(map(_session_id, records)))
        if self._bot_marks is not None:
            self._bot_marks.mark(sender, set(map(_session_id, records)), now)
        return self._store.append(records, size_bytes) if records else []


_session_id = itemgetter(Event._fields.index("session_id"))
"""Returns the session of a record of an event or an identity."""


def _taken(record: Record, result: Outcome | TcsEventsError, corrections: Sequence[str]) -> Taken:
    sent = as_sent(record) if isinstance(result, EventInvalid) else None
    return Taken(record, result, corrections, sent)
