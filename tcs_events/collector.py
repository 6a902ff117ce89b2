"""Bytes in, verdict out: what every face of the endpoint does, whatever speaks HTTP for it."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from marshmallow import Schema, ValidationError

from tcs_events import strict_json
from tcs_events.errors import (
    BodyTooLarge,
    DatabaseMissing,
    EventInvalid,
    StoreUnavailable,
    TableMissing,
    TcsEventsError,
)
from tcs_events.event import Event, Outcome
from tcs_events.stores import Store

log = structlog.get_logger("tcs_events")


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer, in no framework's terms. `body` becomes JSON."""

    status: int
    body: dict[str, Any]
    headers: dict[str, str] = field(default_factory=dict)


ACCEPTED = Answer(202, {"status": "accepted"})


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Collector:
    """Takes request bodies and answers them."""

    def __init__(
        self, schema: Schema, store: Store, clock: Callable[[], datetime] = _utc_now
    ) -> None:
        self._schema = schema
        self._store = store
        self._clock = clock

    def collect(self, body: bytes) -> Answer:
        """Answer the body of one `POST /api/events`: 202 once its event is safely stored.

        A repeated `event_id` is answered like the first: the client has nothing left to do.
        """
        event = None
        try:
            event = self._read(body)
            [outcome] = self._store.append([event])
        except TcsEventsError as error:
            return answer_error(error, event)
        log.info(
            f"tcs_events.event_{outcome}",
            event_type=event.event_type,
            event_id=str(event.event_id),
        )
        return ACCEPTED

    def _read(self, body: bytes) -> Event:
        """Return the event in `body`.

        Raises:
            EventInvalid: there is none that is allowed.
        """
        try:
            data = self._schema.load(strict_json.loads(body))  # type: ignore[arg-type]
        except strict_json.NotStrictJson as error:
            raise EventInvalid({"_schema": [str(error)]}) from None
        except ValidationError as error:
            messages = error.normalized_messages()  # type: ignore[no-untyped-call]
            raise EventInvalid(messages) from None
        received_at = self._clock()
        return Event(
            event_id=data.get("event_id") or uuid.uuid4(),
            session_id=data["session_id"],
            event_type=data["event_type"],
            payload=data["payload"],
            email=data["email"],
            created_at=received_at - timedelta(milliseconds=data["age_ms"]),
            received_at=received_at,
        )


def answer_error(error: TcsEventsError, event: Event | None = None) -> Answer:
    """Turn an error into its log lines and its answer: the one place where it gets a status."""
    match error:
        case EventInvalid():
            log.info(f"tcs_events.event_{Outcome.INVALID}", fields=sorted(error.errors))
            return Answer(422, {"errors": error.errors})
        case BodyTooLarge():
            log.info(f"tcs_events.event_{Outcome.INVALID}", limit_bytes=error.limit_bytes)
            return Answer(413, {"errors": {"_schema": [str(error)]}})
    log_trouble(error)
    log.error(f"tcs_events.event_{Outcome.FAILED}", event_id=str(event.event_id) if event else None)
    return Answer(
        503,
        {"errors": {"_schema": ["The event was not stored. Send it again later."]}},
        {"Retry-After": str(StoreUnavailable.retry_after_seconds)},
    )


def log_trouble(error: TcsEventsError) -> None:
    """Say in the log what keeps events from being stored, and what to do about it."""
    match error:
        case TableMissing():
            log.error("tcs_events.table_missing", table=error.table, remedy=error.remedy)
        case StoreUnavailable():
            log.error("tcs_events.store_unavailable", reason=error.reason, remedy=error.remedy)
        case DatabaseMissing():
            log.error("tcs_events.database_missing", remedy=str(error))
        case _:
            log.error("tcs_events.misconfigured", remedy=str(error))
