"""Keeps refused events, so that they can be replayed once the cause is fixed.

Refused events are not validated, so they are kept with care: a limited number of rows, few writes
per second, and no e-mail addresses or long numbers in the texts of a payload.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from time import monotonic
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Engine

from tcs_events.database.forks import ensure_own_state, in_each_child
from tcs_events.database.in_thread import run_with_timeout
from tcs_events.errors import EventInvalid, StoreUnavailable
from tcs_events.event import (
    EMAIL_MAX_LENGTH,
    REASON_MAX_LENGTH,
    SESSION_ID_MAX_LENGTH,
    Outcome,
    Rejection,
    new_event_id,
)
from tcs_events.intake.intake import Rejected
from tcs_events.intake.scrub import scrub_text
from tcs_events.models import UserEventRejection
from tcs_events.settings import EVENT_TYPE_MAX_LENGTH
from tcs_events.stores import Store
from tcs_events.strict_json import MAX_DEPTH
from tcs_events.watch.counters import Counters
from tcs_events.watch.log import log

SAMPLE_MAX_BYTES = 8 * 1024
ERRORS_MAX_BYTES = 4 * 1024
NAME_MAX_LENGTH = 100
WRITES_PER_SECOND = 20
ROWS_PER_WRITE = 50
"""How many refused events of one batch are kept."""
TIMEOUT_MS = 300
"""How long a write may take. The answer waits for it, but does not depend on it."""
PAUSE_SECONDS = 5.0
"""How long nothing is written after a write has failed."""

LEFT_OUT = "Not kept: it may quote the event."
# A replay needs these fields as they were sent.
_AS_SENT = ("session_id", "event_id", "email", "event_type", "age_ms")


class KeptRejections:
    """The newest refused events, in a table of the host's database.

    Args:
        store: the store of the table.
        engine: the engine of its database.
        keep: the most rows to keep.
        counters: count the events as `rejections_kept`, as `rejections_left_out` if there are too
            many, or as `rejections_failed`.
    """

    def __init__(self, store: Store, engine: Engine, keep: int, counters: Counters) -> None:
        self._store = store
        self._engine = engine
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
        """Keep refused events if that is possible now. Nothing is raised if it is not."""
        if not self._may_write():
            self._count(left_out=len(rejected))
            return
        batch = rejected[:ROWS_PER_WRITE]
        try:
            rows = [rejection_of(data, error, received_at).record() for data, error in batch]
            results = self._store.append(rows)
            run_with_timeout(TIMEOUT_MS / 1000, self._trim)
        except Exception as error:  # A failure must not change the answer to the event.
            self._fail(error)
            self._count(failed=len(rejected))
            return
        self._is_failing = False
        kept = results.count(Outcome.ACCEPTED)
        self._count(kept=kept, failed=len(batch) - kept, left_out=len(rejected) - len(batch))

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
            # Only the class of the error is logged, because its text may quote the event.
            trouble = error if isinstance(error, StoreUnavailable) else StoreUnavailable("")
            reason = trouble.reason or type(getattr(error, "orig", None) or error).__name__
            log.warning("tcs_events.rejections_not_kept", reason=reason, remedy=trouble.remedy)

    def _count(self, **events: int) -> None:
        for name, number in events.items():
            if number:
                self._counters.note(f"rejections_{name}", number)

    def _trim(self) -> None:
        """Delete the oldest rows if there are too many."""
        row_id = UserEventRejection.id
        surplus = sa.select(row_id).order_by(row_id.desc()).offset(self._keep).limit(1)
        # Two transactions: in SQLite, one that has read cannot write once another has written.
        # https://www.sqlite.org/rescode.html#busy_snapshot
        with self._engine.connect() as connection:
            last_surplus_id = connection.scalar(surplus)
        if last_surplus_id is not None:
            with self._engine.begin() as connection:
                connection.execute(sa.delete(UserEventRejection).where(row_id <= last_surplus_id))


def rejection_of(data: Any, error: EventInvalid, received_at: datetime) -> Rejection:
    """Return the record that is kept of a refused event."""
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
    """Return a JSON value with the e-mail addresses and long numbers in its texts replaced.

    Raises:
        RecursionError: the value is nested deeper than an event may be.
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
    """Return the length of an event as JSON, and the JSON to keep. None is for what cannot be."""
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
    """Return JSON that every database accepts. A NUL is always written as an escape."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:  # A lone surrogate, which must be written as an escape.
        return json.dumps(value, separators=(",", ":"))
    return text


def _text(value: object, length: int) -> str | None:
    return _storable(value)[:length] if isinstance(value, str) else None


def _storable(text: str) -> str:
    """Return the text without what PostgreSQL or a driver refuses: NUL and lone surrogates."""
    text = text.replace("\0", "\N{REPLACEMENT CHARACTER}")
    return (
        text
        if text.isascii()
        else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    )


def _paths(errors: Mapping[str, object]) -> Iterator[str]:
    """Yield the names of the refused fields: of a payload, those of its fields."""
    for name, messages in errors.items():
        if isinstance(messages, dict):
            yield from (_name(f"{name}.{inner_name}") for inner_name in messages)
        else:
            yield _name(name)


def _name(text: object) -> str:
    return scrub_text(_storable(str(text)))[:NAME_MAX_LENGTH]


def _errors(errors: Mapping[str, object], data: Any) -> dict[str, object]:
    """Return the messages by field, without those that may quote what was sent.

    Our own messages quote nothing. Those of a payload schema of the host may. `data` is None if it
    was too long: then all messages about the payload are left out.
    """
    sent = data.get("payload") if data is not None else ...
    kept = {
        _name(name): _without_quotes(messages, sent) if name == "payload" else messages
        for name, messages in errors.items()
    }
    if len(json.dumps(kept, default=str)) > ERRORS_MAX_BYTES:
        return {name: [LEFT_OUT] for name in kept}
    return kept


def _without_quotes(errors: object, sent: Any) -> object:
    """Return the messages that do not quote what was sent. `...` is for a value that is unknown."""
    if isinstance(errors, dict):
        return {
            _name(name): _without_quotes(messages, _sent_at(sent, name))
            for name, messages in errors.items()
        }
    if isinstance(errors, list):
        return [_without_quotes(message, sent) for message in errors]
    message = _storable(str(errors))
    is_quoting = sent is ... or any(text in message for text in _texts(sent))
    return LEFT_OUT if is_quoting else scrub_text(message)


def _sent_at(sent: Any, name: object) -> Any:
    """Return what was sent under a name, None if nothing was."""
    if sent is ...:
        return sent
    if name == "_schema":
        return sent  # The message is about the value as a whole.
    if isinstance(sent, dict):
        return sent.get(name)
    if isinstance(sent, list) and isinstance(name, int) and name < len(sent):
        return sent[name]
    return None


def _texts(sent: Any) -> Iterator[str]:
    """Yield every part of a value that a message may quote."""
    if isinstance(sent, dict | list):
        for item in [*sent, *sent.values()] if isinstance(sent, dict) else sent:
            yield from _texts(item)
    elif sent not in (None, ""):
        yield str(sent)
