"""All errors of the package, as one small tree.

Two kinds must not be confused. After a *final* error (`EventInvalid`, `BodyTooLarge`,
`BodyEncoded`) the browser drops the event. After a *temporary* error (`StoreUnavailable`,
`RateLimited`) it keeps the event and sends it again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import date
from itertools import islice

ErrorMessages = dict[str, object]
"""Messages by field name, as marshmallow gives them. Nested like the payload."""

REQUIRED, TYPE, NOT_ALLOWED, UNPLANNED = "required", "type", "not_allowed", "unplanned"
"""The codes of refusals: a field is missing, has the wrong type, has a value that is not allowed,
or is a field or an event type that nobody declared."""
MAX_DETAILS = 100
"""A body may have thousands of wrong fields, and the answer must stay small."""
_PLAIN_NAME = re.compile(r"[^.\[\]\"\s]+")


class Message(str):
    """A message of `EventInvalid`, with its code. The code stays when the wording changes."""

    code: str

    def __new__(cls, text: object, code: str = NOT_ALLOWED) -> Message:
        message = super().__new__(cls, text)
        message.code = code
        return message

    def format(self, *args: object, **kwargs: object) -> Message:
        """Return the message with its gaps filled in, as marshmallow does it. The code stays."""
        return Message(super().format(*args, **kwargs), self.code)


def _details(errors: object, path: str) -> Iterator[dict[str, str]]:
    if isinstance(errors, dict):
        for name, inner in errors.items():
            yield from _details(inner, _path(path, name))
    elif isinstance(errors, list | tuple):
        for inner in errors:
            yield from _details(inner, path)
    else:
        code = getattr(errors, "code", NOT_ALLOWED)
        yield {"path": path, "code": code, "message": str(errors)}


def _path(path: str, name: object) -> str:
    if name == "_schema":  # marshmallow's name for the object as a whole
        return path
    if isinstance(name, int):
        return f"{path}[{name}]"
    if isinstance(name, str) and _PLAIN_NAME.fullmatch(name):
        return f"{path}.{name}" if path else name
    return f"{path}[{json.dumps(str(name))}]"


class TcsEventsError(Exception):
    """The base of every error of this package."""


class ConfigError(TcsEventsError):
    """The configuration of the app cannot work. The message names the key and what to do."""


class DatabaseMissing(ConfigError):
    """The app has no Flask-SQLAlchemy, so events cannot be stored."""

    def __init__(self) -> None:
        super().__init__(
            "tcs_events found no database on this app. Add `db.init_app(app)` with your"
            " `db = SQLAlchemy()`; an app without one can use `from tcs_events import db`."
        )


class EventInvalid(TcsEventsError):
    """The event is not allowed, and never will be. `errors` says why, by field."""

    def __init__(self, errors: ErrorMessages) -> None:
        super().__init__("invalid: " + ", ".join(sorted(errors)))
        self.errors = errors

    @property
    def details(self) -> list[dict[str, str]]:
        """The same as a list: `{"path": ..., "code": ..., "message": ...}` for each message.

        The path is the field's, such as `payload.rooms[2].price`. A name that is not one word is in
        brackets, `payload["a b"]`, and "" is the body as a whole. The code is one of `required`,
        `type`, `not_allowed` and `unplanned`. There are at most 100.
        """
        return list(islice(_details(self.errors, ""), MAX_DETAILS))


class BodyTooLarge(TcsEventsError):
    """The request body is longer than `limit_bytes`."""

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(f"The body is larger than {limit_bytes} bytes.")
        self.limit_bytes = limit_bytes


class BodyEncoded(TcsEventsError):
    """The request body is compressed. It is never unpacked, because it may become huge."""

    def __init__(self) -> None:
        super().__init__("The body has a Content-Encoding. Send it as it is.")


class RateLimited(TcsEventsError):
    """Too many events came from one client or session (`by`). They may be sent again later."""

    def __init__(self, by: str, retry_after_seconds: int) -> None:
        super().__init__(f"Too many events from one {by}. Send it again later.")
        self.by = by
        self.retry_after_seconds = retry_after_seconds


class QuestionTimeout(TcsEventsError):
    """A question took longer than `TCS_EVENTS_REPORT_TIMEOUT_MS`, and was stopped."""

    def __init__(self, timeout_ms: int) -> None:
        super().__init__(
            f"The question took longer than {timeout_ms / 1000:g} s and was given up. Ask for fewer"
            " days, or set TCS_EVENTS_REPORT_TIMEOUT_MS."
        )
        self.timeout_ms = timeout_ms


class UnknownEventType(TcsEventsError, ValueError):
    """A question names an event type that is neither accepted nor stored."""

    def __init__(self, event_type: str, ending: str = ".") -> None:
        super().__init__(f"There is no event of type {event_type}{ending}")
        self.event_type = event_type


class NotCounted(TcsEventsError):
    """There are too many events to count them while somebody waits for the answer."""

    def __init__(self) -> None:
        super().__init__(
            "There are too many events to count them while you wait. Run `flask tcs-events rollup`"
            " once, or `flask tcs-events worker`, which keeps the counts fresh."
        )


class CountingEnded(TcsEventsError):
    """A process that counted a share of a day has ended. Nothing of the day was stored."""

    def __init__(self, pid: int | None, exit_code: int | None, day: date) -> None:
        how = "has ended"
        if exit_code is not None:
            how = f"ended with {exit_code}" if exit_code >= 0 else f"got signal {-exit_code}"
        super().__init__(
            f"Process {pid} {how} while it counted a share of {day}."
            " That day and those after it are left to the next count: run it again, perhaps with"
            " fewer processes."
        )


class StoreUnavailable(TcsEventsError):
    """The event was not stored now. The same event may be stored later.

    `reason` is the class of the database's error, never its text, which may quote the event.
    `remedy` says what to do.
    """

    retry_after_seconds = 5
    remedy = "see that the database runs, is reachable and has room, and that nothing locks it"
    """What to do if nothing more is known."""

    def __init__(self, reason: str, remedy: str = "", *, is_news: bool = True) -> None:
        super().__init__(f"The event could not be stored: {reason}.")
        self.reason = reason
        self.remedy = remedy or self.remedy
        self.is_news = is_news
        """False if this was logged already and no event was stored since."""

    def again(self) -> StoreUnavailable:
        """Return a new error like this one, marked as already logged."""
        return StoreUnavailable(self.reason, self.remedy, is_news=False)


class TableMissing(StoreUnavailable):
    """The database has no such `table`."""

    remedy = "run `db.create_all()` in an app context, or `flask db migrate` and `flask db upgrade`"

    def __init__(self, table: str, *, is_news: bool = True) -> None:
        super().__init__(f"there is no table {table}", is_news=is_news)
        self.table = table

    def again(self) -> TableMissing:
        return TableMissing(self.table, is_news=False)

    def __str__(self) -> str:
        return f"There is no table {self.table}; {self.remedy}."


class ColumnsMissing(StoreUnavailable):
    """The `table` lacks `columns` that this version needs."""

    remedy = "run `flask db migrate` and `flask db upgrade`; `db.create_all()` adds no columns"

    def __init__(self, table: str, columns: list[str], *, is_news: bool = True) -> None:
        super().__init__(f"the table {table} has no column {', '.join(columns)}", is_news=is_news)
        self.table = table
        self.columns = columns

    def again(self) -> ColumnsMissing:
        return ColumnsMissing(self.table, self.columns, is_news=False)
