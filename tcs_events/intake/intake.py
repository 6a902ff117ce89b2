"""Decides whether events may be stored, and stores them. It knows nothing of HTTP.

Every way in leads through `Intake.take`: one event, a batch, and who a session belongs to.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from tcs_events.errors import EventInvalid, StoreUnavailable, TcsEventsError
from tcs_events.event import Event, Identity, Outcome
from tcs_events.intake.reader import Parsed, corrections
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


class Taken(NamedTuple):
    """What became of one item."""

    sent: Any
    """The item as it was sent, parsed."""
    record: Event | Identity | None
    """What was read from it. None if it is not allowed."""
    result: Outcome | TcsEventsError
    """ACCEPTED, DUPLICATE, or why it was not stored."""


class Intake:
    """Takes items of one kind: events, or the owners of sessions.

    Args:
        read: makes a record of an item, for the time it was received; `Reader.event` is one.
        store: keeps the records.
        counters: are told which fields of stored records were corrected.
        screen: whose items are not stored at all. None is nobody's.
        limits: how much may be sent. None is without limit.
        bot_marks: remembers the sessions of crawlers whose items are stored. None marks none.
        rejections: keeps refused items. None keeps none.
    """

    def __init__(
        self,
        read: Callable[[Parsed, datetime], Event | Identity],
        store: Store,
        counters: Counters,
        screen: Screen | None = None,
        limits: Limits | None = None,
        bot_marks: BotMarks | None = None,
        rejections: Rejections | None = None,
    ) -> None:
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

    def take(
        self, items: Sequence[Parsed], sender: Sender, now: datetime, size_bytes: int = 0
    ) -> list[Taken]:
        """Read the items, and store those that are allowed. What is ACCEPTED is durable.

        Returns one `Taken` for each item, in the same order. If the store or a limit takes none of
        them now, all have that error: they can be sent again together.

        Args:
            items: what was sent.
            sender: who sent it.
            now: when it was received, in UTC.
            size_bytes: the length of the request body, for the limit on waiting bytes.
        """
        read = [self._record(item, now) for item in items]
        records = [record for record in read if not isinstance(record, EventInvalid)]
        try:
            results = iter(self._stored(records, sender, now, size_bytes))
        except TcsEventsError as error:
            return [
                Taken(item.data, None if isinstance(record, EventInvalid) else record, error)
                for item, record in zip(items, read, strict=True)
            ]
        return [
            Taken(item.data, None, record)
            if isinstance(record, EventInvalid)
            else Taken(item.data, record, next(results))
            for item, record in zip(items, read, strict=True)
        ]

    def settle(self, taken: Sequence[Taken], received_at: datetime) -> None:
        """Count the corrections of stored items, and keep the refused ones.

        Nothing is done if one of them can still be stored: then the client sends all of them again.
        This is not part of `take`, because keeping takes time. The caller first counts how the
        items ended, so that a request that is interrupted here is counted right.
        """
        if any(isinstance(item.result, StoreUnavailable) for item in taken):
            return
        refused: list[Rejected] = []
        for sent, record, result in taken:
            if isinstance(result, EventInvalid):
                refused.append((sent, result))
            elif record is not None and isinstance(result, Outcome):
                for name in corrections(sent, record.email):
                    self._counters.note(name)
        if refused and self._rejections is not None:
            self._rejections.keep(refused, received_at)

    def _record(self, item: Parsed, now: datetime) -> Event | Identity | EventInvalid:
        try:
            return self._read(item, now)
        except EventInvalid as error:
            # Not the raised error itself: its traceback would keep every local value of the
            # reader alive, for each refused event of a batch.
            return EventInvalid(error.errors)

    def _stored(
        self,
        records: Sequence[Event | Identity],
        sender: Sender,
        now: datetime,
        size_bytes: int,
    ) -> Sequence[Outcome | TcsEventsError]:
        """Store the records of one sender; raises what the limits, the marks and the store do."""
        if self._limits is not None:
            self._limits.check_sessions(Counter(record.session_id for record in records))
        if self._bot_marks is not None:
            self._bot_marks.mark(sender, {record.session_id for record in records}, now)
        return self._store.append(records, size_bytes) if records else []
