"""Bytes in, verdict out: what every face of the endpoint does, whatever speaks HTTP for it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
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
from tcs_events.event import Event, Identity, Outcome, identity_id, new_event_id
from tcs_events.precheck import Precheck
from tcs_events.schemas import EventSchema, IdentitySchema
from tcs_events.stores import Store

log = structlog.get_logger("tcs_events")


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer, in no framework's terms."""

    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...]


def answer(status: int, body: dict[str, Any], *headers: tuple[str, str]) -> Answer:
    """Return an answer with a JSON body."""
    text = json.dumps(body).encode()
    length = ("Content-Length", str(len(text)))
    return Answer(status, text, (("Content-Type", "application/json"), length, *headers))


ACCEPTED = answer(202, {"status": "accepted"})
_STORED = {
    Outcome.ACCEPTED: "tcs_events.event_accepted",
    Outcome.DUPLICATE: "tcs_events.event_duplicate",
}


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Collector:
    """Takes request bodies and answers them."""

    def __init__(
        self,
        schema: EventSchema,
        store: Store,
        identity_store: Store,
        max_batch_events: int,
        clock: Callable[[], datetime] = _utc_now,
    ) -> None:
        self._schema = schema
        self._precheck = Precheck(schema)
        self._store = store
        self._identity_schema = IdentitySchema()
        self._identity_store = identity_store
        self._max_batch_events = max_batch_events
        self._clock = clock
        # Bound once: an unbound logger binds itself anew for each line, also for one that the
        # host's level leaves out.
        self._log = log.bind()

    def collect(self, body: bytes) -> Answer:
        """Answer the body of one `POST /api/events`: 202 once its event is safely stored.

        A repeated `event_id` is answered like the first: the client has nothing left to do.
        """
        event = None
        try:
            data, unsure = _parse(body)
            event = self._read(data, unsure, self._clock())
            [result] = self._store.append([event], len(body))
            if isinstance(result, TcsEventsError):
                raise result
        except TcsEventsError as error:
            return answer_error(error, [event] if event else [])
        # Debug: at a thousand events a second, a line for each is for nobody to read.
        self._log.debug(_STORED[result], event_type=event.event_type, event_id=str(event.event_id))
        return ACCEPTED

    def collect_batch(self, body: bytes) -> Answer:
        """Answer the body of one `POST /api/events/batch`, with a verdict for each event.

        202 once all good events are safely stored; 422 where none was good.
        """
        events: list[Event] = []
        refused: dict[int, EventInvalid] = {}
        try:
            data, unsure = _parse(body)
            items = self._items(data)
            now = self._clock()
            places = []
            for place, item in enumerate(items):
                try:
                    events.append(self._read(item, unsure, now))
                    places.append(place)
                except EventInvalid as error:
                    refused[place] = error
            results = self._store.append(events, len(body)) if events else []
            for result in results:
                if isinstance(result, StoreUnavailable):
                    raise result
        except TcsEventsError as error:
            return answer_error(error, events)
        counts = {Outcome.ACCEPTED: 0, Outcome.DUPLICATE: 0}
        for place, result in zip(places, results, strict=True):
            if isinstance(result, EventInvalid):
                refused[place] = result
            elif isinstance(result, Outcome):
                counts[result] += 1
        rejected = [{"index": place, "errors": refused[place].errors} for place in sorted(refused)]
        accepted, duplicates = counts[Outcome.ACCEPTED], counts[Outcome.DUPLICATE]
        log.info(
            "tcs_events.batch_answered",
            accepted=accepted,
            duplicates=duplicates,
            rejected=len(rejected),
            fields=sorted({field for refusal in refused.values() for field in refusal.errors}),
        )
        return answer(
            202 if accepted + duplicates else 422,
            {"accepted": accepted, "duplicates": duplicates, "rejected": rejected},
        )

    def identify(self, body: bytes) -> Answer:
        """Answer the body of one `POST /api/events/identify`: 202 once the link is safely stored.

        A repeated link is answered like the first, which stands. No event is changed.
        """
        try:
            data, unsure = _parse(body)
            _check(data, unsure)
            loaded = _loaded(self._identity_schema, data)
            now = self._clock()
            session_id, email = loaded["session_id"], loaded["email"]
            identity = Identity(
                identity_id=identity_id(session_id, email),
                session_id=session_id,
                email=email,
                created_at=now - timedelta(milliseconds=loaded["age_ms"]),
                received_at=now,
            )
            [result] = self._identity_store.append([identity], len(body))
            if isinstance(result, TcsEventsError):
                raise result
        except TcsEventsError as error:
            return answer_error(error)
        log.info("tcs_events.session_identified", is_new=result is Outcome.ACCEPTED)
        return ACCEPTED

    def _items(self, data: Any) -> list[Any]:
        """Return what is in the envelope of a batch.

        Raises:
            EventInvalid: it is no batch, or one that is empty or too large.
        """
        items = data.get("events") if isinstance(data, dict) else None
        if not isinstance(items, list):
            raise EventInvalid({"events": ["Must be a list of events."]})
        if not 0 < len(items) <= self._max_batch_events:
            raise EventInvalid(
                {"events": [f"Must be 1 to {self._max_batch_events} events, not {len(items)}."]}
            )
        return items

    def _read(self, data: Any, unsure: bool, received_at: datetime) -> Event:
        """Return the event that parsed JSON holds.

        Raises:
            EventInvalid: it is not allowed.
        """
        _check(data, unsure)
        return self._precheck(data, received_at) or self._load(data, received_at)

    def _load(self, data: Any, received_at: datetime) -> Event:
        """Let the schema decide."""
        loaded = _loaded(self._schema, data)
        return Event(
            event_id=loaded.get("event_id") or new_event_id(),
            session_id=loaded["session_id"],
            event_type=loaded["event_type"],
            payload=loaded["payload"],
            email=loaded["email"],
            created_at=received_at - timedelta(milliseconds=loaded["age_ms"]),
            received_at=received_at,
        )


def _parse(body: bytes) -> tuple[Any, bool]:
    try:
        return strict_json.parse(body)
    except strict_json.NotStrictJson as error:
        raise EventInvalid({"_schema": [str(error)]}) from None


def _check(data: Any, unsure: bool) -> None:
    try:
        strict_json.check(data) if unsure else strict_json.check_numbers(data)
    except strict_json.NotStrictJson as error:
        raise EventInvalid({"_schema": [str(error)]}) from None


def _loaded(schema: Schema, data: Any) -> dict[str, Any]:
    """Let a schema decide."""
    try:
        loaded: dict[str, Any] = schema.load(data)
    except ValidationError as error:
        messages = error.normalized_messages()  # type: ignore[no-untyped-call]
        raise EventInvalid(messages) from None
    return loaded


def answer_error(error: TcsEventsError, events: Sequence[Event] = ()) -> Answer:
    """Turn an error into its log lines and its answer: the one place where it gets a status."""
    match error:
        case EventInvalid():
            _log_invalid(error)
            return answer(422, {"errors": error.errors})
        case BodyTooLarge():
            log.info(f"tcs_events.event_{Outcome.INVALID}", limit_bytes=error.limit_bytes)
            return answer(413, {"errors": {"_schema": [str(error)]}})
    log_trouble(error)
    failed = partial(log.error, f"tcs_events.event_{Outcome.FAILED}")
    for event in events:
        failed(event_type=event.event_type, event_id=str(event.event_id))
    return answer(
        503,
        {"errors": {"_schema": ["The event was not stored. Send it again later."]}},
        ("Retry-After", str(StoreUnavailable.retry_after_seconds)),
    )


def _log_invalid(error: EventInvalid) -> None:
    log.info(f"tcs_events.event_{Outcome.INVALID}", fields=sorted(error.errors))


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
