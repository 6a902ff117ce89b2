"""The answers of the endpoint, without a web framework. Each error gets its status here."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakSet

from tcs_events.errors import (
    BodyEncoded,
    BodyTooLarge,
    ColumnsMissing,
    DatabaseMissing,
    EventInvalid,
    RateLimited,
    StoreUnavailable,
    TableMissing,
    TcsEventsError,
)
from tcs_events.event import Outcome, Record, event_type_of, id_text
from tcs_events.intake.scrub import scrub_text
from tcs_events.settings import PLAIN_WORD
from tcs_events.watch.log import log
from tcs_events.watch.log_lines import TROUBLES_PER_SECOND, log_lines

MARK = ("X-TCS-Events", "1")
"""The header of all our answers. By it a client knows that a 422 is ours and final, and does not
come from a proxy or a hook of the host."""

_JSON = ("Content-Type", "application/json")
_RETRY_AFTER = ("Retry-After", str(StoreUnavailable.retry_after_seconds))


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer."""

    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...]


def answer(status: int, body: dict[str, Any], *headers: tuple[str, str]) -> Answer:
    """Return an answer with a JSON body."""
    text = json.dumps(body).encode()
    length = ("Content-Length", str(len(text)))
    return Answer(status, text, (_JSON, length, MARK, *headers))


def method_not_allowed(allowed: Sequence[str]) -> Answer:
    """Answer 405: our route does not allow this method."""
    message = f"This address takes {' and '.join(allowed)}."
    return answer(405, {"errors": {"_schema": [message]}}, ("Allow", ", ".join(allowed)))


def host_not_served() -> Answer:
    """Answer 421: Flask refuses the `Host` header. See RFC 9110, section 15.5.20.

    A 400 would be final, and the host may only have forgotten one of its domains.
    """
    message = "This host name is not served here. If it should be, add it to TRUSTED_HOSTS."
    return answer(421, {"errors": {"_schema": [message]}})


def answer_health(report: dict[str, Any]) -> Answer:
    """Answer with a health report: 200, or 503 if the report has problems."""
    no_store = ("Cache-Control", "no-store")
    if not report["problems"]:
        return answer(200, report, no_store)
    return answer(503, report, no_store, _RETRY_AFTER)


def answer_error(
    error: TcsEventsError,
    events: Sequence[Record] = (),
    *,
    sent: Any = None,
    explain: bool = False,
) -> Answer:
    """Log an error, and return its answer.

    Args:
        error: the error.
        events: the records of the events that were not stored because of it.
        sent: the refused event as it was sent. The log names its type.
        explain: whether the answer may say what is wrong with the app.
    """
    match error:
        case EventInvalid():
            log_refused(Outcome.INVALID, fields=sorted(error.errors), **_refused_type(sent))
            return answer(422, {"errors": error.errors, "details": error.details})
        case BodyTooLarge():
            log_refused(Outcome.INVALID, limit_bytes=error.limit_bytes)
            return answer(413, {"errors": {"_schema": [str(error)]}})
        case BodyEncoded():
            log_refused(Outcome.INVALID, fields=["content_encoding"])
            # https://www.rfc-editor.org/rfc/rfc9110#section-12.5.3
            accepts = ("Accept-Encoding", "identity")
            return answer(415, {"errors": {"_schema": [str(error)]}}, accepts)
        case RateLimited():
            log_refused(Outcome.LIMITED, by=error.by)
            retry_after = ("Retry-After", str(error.retry_after_seconds))
            return answer(429, {"errors": {"_schema": [str(error)]}}, retry_after)
    if _is_news(error) and log_lines.allows(type(error).__name__, TROUBLES_PER_SECOND):
        log_trouble(error)
    if len(events) == 1:
        [event] = events
        log_refused(Outcome.FAILED, event_type=event_type_of(event), event_id=id_text(event))
    elif events:
        log_refused(Outcome.FAILED, events=len(events))
    message = str(error) if explain else "The event was not stored. Send it again later."
    return answer(
        503,
        {"errors": {"_schema": [message]}},
        _RETRY_AFTER,
    )


MAX_TYPES_LOGGED = 10


def refused_types(sent: Iterable[Any]) -> list[str]:
    """Return the types of refused events for the log, at most ten.

    A developer may have misspelt a type, so the log should show it. But any text may have been
    sent, also a personal one, so only plain words without long numbers are returned.
    """
    types = [event.get("event_type") for event in sent if isinstance(event, dict)]
    texts = {event_type for event_type in types if isinstance(event_type, str)}
    return sorted(filter(_is_plain, texts))[:MAX_TYPES_LOGGED]


def _is_plain(text: str) -> bool:
    return PLAIN_WORD.fullmatch(text) is not None and scrub_text(text) == text


def _refused_type(sent: Any) -> dict[str, str]:
    types = refused_types([sent])
    return {"event_type": types[0]} if types else {}


def log_refused(outcome: Outcome, **keys: object) -> None:
    """Log how a request ended, unless there are too many such lines."""
    if log_lines.allows(f"event_{outcome}"):
        level = log.error if outcome is Outcome.FAILED else log.info
        level(f"tcs_events.event_{outcome}", **keys)


_logged: WeakSet[TcsEventsError] = WeakSet()
"""Errors that were logged. All requests that waited for one commit share its error object."""


def _is_news(error: TcsEventsError) -> bool:
    return error not in _logged and not (isinstance(error, StoreUnavailable) and not error.is_news)


def log_trouble(error: TcsEventsError) -> None:
    """Log why events cannot be stored, and the remedy.

    Each error is logged once: thousands of requests may get it until the trouble is over.
    """
    if not _is_news(error):
        return
    _logged.add(error)
    match error:
        case ColumnsMissing():
            log.error(
                "tcs_events.columns_missing",
                table=error.table,
                columns=error.columns,
                remedy=error.remedy,
            )
        case TableMissing():
            log.error("tcs_events.table_missing", table=error.table, remedy=error.remedy)
        case StoreUnavailable():
            log.error("tcs_events.store_unavailable", reason=error.reason, remedy=error.remedy)
        case DatabaseMissing():
            log.error("tcs_events.database_missing", remedy=str(error))
        case _:
            log.error("tcs_events.misconfigured", remedy=str(error))
