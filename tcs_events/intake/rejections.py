"""Keeps events that were refused, for those who mend what refused them and replay what was lost.

What nobody has validated is kept with care: a bounded number of rows, few writes a second, and no
addresses and long numbers in the texts of a payload.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from time import monotonic
from typing import Any

import sqlalchemy as sa

from tcs_events.database.connection import within
from tcs_events.database.forks import ensure_own_state, in_each_child
from tcs_events.errors import EventInvalid, StoreUnavailable
from tcs_events.event import (
    EMAIL_MAX_LENGTH,
    REASON_MAX_LENGTH,
    SESSION_ID_MAX_LENGTH,
    Outcome,
    Rejection,
    new_event_id,
)
from tcs_events.intake.collector import Rejected
from tcs_events.intake.scrub import scrub_text
from tcs_events.models import UserEventRejection
from tcs_events.settings import EVENT_TYPE_MAX_LENGTH
from tcs_events.stores import SqlStore
from tcs_events.strict_json import MAX_DEPTH
from tcs_events.watch.counters import Counters
from tcs_events.watch.log import log

SAMPLE_MAX_BYTES = 8 * 1024
ERRORS_MAX_BYTES = 4 * 1024
NAME_MAX_LENGTH = 100
WRITES_PER_SECOND = 20
ROWS_PER_WRITE = 50
"""Of one batch, so many refused events are kept."""
TIMEOUT_MS = 300
"""The answer waits for the write, and must not wait long for what it does not depend on."""
PAUSE_SECONDS = 5.0
"""After a write that failed none is tried for so long."""

LEFT_OUT = "Not kept: it may quote the event."
_AS_SENT = ("session_id", "event_id", "email", "event_type", "age_ms")


class KeptRejections:
    """The newest refused events, in a table of the host's database.

    Args:
        store: of the table.
        keep: how many rows there are at most.
        counters: where it is noted how many were `rejections_kept`, `rejections_left_out` as too
            many, and `rejections_failed`.
    """

    def __init__(self, store: SqlStore, keep: int, counters: Counters) -> None:
        self._store = store
        self._keep = keep
        self._counters = counters
        self._reset()
        in_each_child(self._reset)

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._second, self._writes = 0, 0
        self._paused_until = 0.0
        self._is_failing = False

    def keep(self, rejected: Sequence[Rejected], received_at: datetime) -> None:
        """Keep them if that can be done now; nothing is raised where it cannot."""
        if not self._may_write():
            self._count(left_out=len(rejected))
            return
        some = rejected[:ROWS_PER_WRITE]
        try:
            rows = [rejection_of(data, error, received_at) for data, error in some]
            results = self._store.append(rows)
            within(TIMEOUT_MS / 1000, self._trim)
        except Exception as error:  # whatever it is: the event is refused all the same
            self._fail(error)
            self._count(failed=len(rejected))
            return
        self._is_failing = False
        kept = results.count(Outcome.ACCEPTED)
        self._count(kept=kept, failed=len(some) - kept, left_out=len(rejected) - len(some))

    def _may_write(self) -> bool:
        ensure_own_state()
        now = monotonic()
        with self._lock:
            if now < self._paused_until:
                return False
            if self._second != int(now):
                self._second, self._writes = int(now), 0
            self._writes += 1
            return self._writes <= WRITES_PER_SECOND

    def _fail(self, error: Exception) -> None:
        with self._lock:
            self._paused_until = monotonic() + PAUSE_SECONDS
            was_failing, self._is_failing = self._is_failing, True
        if not was_failing:
            trouble = error if isinstance(error, StoreUnavailable) else StoreUnavailable("")
            reason = trouble.reason or type(getattr(error, "orig", None) or error).__name__
            log.warning("tcs_events.rejections_not_kept", reason=reason, remedy=trouble.remedy)

    def _count(self, **events: int) -> None:
        for name, number in events.items():
            if number:
                self._counters.note(f"rejections_{name}", number)

    def _trim(self) -> None:
        """Let the oldest rows go, if there are too many."""
        row_id = UserEventRejection.id
        surplus = sa.select(row_id).order_by(row_id.desc()).offset(self._keep).limit(1)
        # Two transactions: SQLite lets none that has read write after somebody else has.
        with self._store.engine.connect() as connection:
            newest = connection.scalar(surplus)
        if newest is not None:
            with self._store.engine.begin() as connection:
                connection.execute(sa.delete(UserEventRejection).where(row_id <= newest))


def rejection_of(data: Any, error: EventInvalid, received_at: datetime) -> Rejection:
    """Return what is kept of a refused event."""
    size_bytes, sample = _size_and_sample(data)
    field = data.get if isinstance(data, dict) else {}.get
    return Rejection(
        rejection_id=new_event_id(),
        received_at=received_at,
        event_type=_text(field("event_type"), EVENT_TYPE_MAX_LENGTH),
        session_id=_text(field("session_id"), SESSION_ID_MAX_LENGTH),
        email=_text(field("email"), EMAIL_MAX_LENGTH),
        reason=_storable(", ".join(sorted(_paths(error.errors))))[:REASON_MAX_LENGTH],
        errors=_errors(error.errors, data if sample is not None else None),
        size_bytes=size_bytes,
        sample=sample,
    )


def redacted(value: Any) -> Any:
    """Return a JSON value with the addresses and long numbers in its texts replaced.

    Raises:
        RecursionError: it is nested deeper than an event may be.
    """
    return _redacted(value, MAX_DEPTH)


def _redacted(value: Any, levels: int) -> Any:
    if isinstance(value, str):
        return scrub_text(value)
    if isinstance(value, dict | list) and not levels:
        raise RecursionError
    if isinstance(value, dict):
        below = levels - 1
        return {scrub_text(name): _redacted(item, below) for name, item in value.items()}
    if isinstance(value, list):
        return [_redacted(item, levels - 1) for item in value]
    return value


def _size_and_sample(data: Any) -> tuple[int | None, str | None]:
    """Return how long the JSON of an event is, and what is kept of it, if that is not too long."""
    try:
        size_bytes = len(_json(data).encode())
        if size_bytes > SAMPLE_MAX_BYTES or not isinstance(data, dict):
            return size_bytes, None
        kept: dict[str, Any] = {}
        for name, item in data.items():
            is_as_sent = name in _AS_SENT and not isinstance(item, dict | list)
            kept |= {name: item} if is_as_sent else redacted({name: item})
    except (RecursionError, ValueError):
        return None, None
    sample = _json(kept)
    return size_bytes, sample if len(sample.encode()) <= SAMPLE_MAX_BYTES else None


def _json(value: Any) -> str:
    """Return JSON that any database takes. In it a NUL is an escape anyway."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:  # half a surrogate pair
        return json.dumps(value, separators=(",", ":"))
    return text


def _text(value: object, length: int) -> str | None:
    return _storable(value)[:length] if isinstance(value, str) else None


def _storable(text: str) -> str:
    """Return the text without what PostgreSQL or a driver refuses: NUL, half a surrogate pair."""
    text = text.replace("\0", "\N{REPLACEMENT CHARACTER}")
    return (
        text
        if text.isascii()
        else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    )


def _paths(errors: Mapping[str, object]) -> Iterator[str]:
    """Give the names of the fields that were refused, and of those in them."""
    for name, below in errors.items():
        if isinstance(below, dict):
            yield from (_name(f"{name}.{inner}") for inner in below)
        else:
            yield _name(name)


def _name(text: object) -> str:
    return scrub_text(_storable(str(text)))[:NAME_MAX_LENGTH]


def _errors(errors: Mapping[str, object], data: Any) -> dict[str, object]:
    """Return why, by field, without quoting what was sent. `data` is None where it was too long.

    Our own messages quote nothing. Those of a schema of the host, all below `payload`, may.
    """
    sent = data.get("payload") if data is not None else None
    kept = {
        _name(name): _without_quotes(below, sent if data is not None else ...)
        if name == "payload"
        else below
        for name, below in errors.items()
    }
    if len(json.dumps(kept, default=str)) > ERRORS_MAX_BYTES:
        return {name: [LEFT_OUT] for name in kept}
    return kept


def _without_quotes(errors: object, sent: Any) -> object:
    """Return the messages that do not hold what was sent at their place; all of it is `...`."""
    if isinstance(errors, dict):
        return {
            _name(name): _without_quotes(below, _at(sent, name)) for name, below in errors.items()
        }
    if isinstance(errors, list):
        return [_without_quotes(one, sent) for one in errors]
    message = _storable(str(errors))
    is_quoting = sent is ... or any(text in message for text in _texts(sent))
    return LEFT_OUT if is_quoting else scrub_text(message)


def _at(sent: Any, name: object) -> Any:
    """Return what was sent under a name, None where nothing was."""
    if sent is ...:
        return sent
    if name == "_schema":
        return sent  # whatever the message is about, it is in here
    if isinstance(sent, dict):
        return sent.get(name)
    if isinstance(sent, list) and isinstance(name, int) and name < len(sent):
        return sent[name]
    return None


def _texts(sent: Any) -> Iterator[str]:
    """Give all that a message may quote of a value."""
    if isinstance(sent, dict | list):
        for item in [*sent, *sent.values()] if isinstance(sent, dict) else sent:
            yield from _texts(item)
    elif sent not in (None, ""):
        yield str(sent)
