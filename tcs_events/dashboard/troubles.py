"""Turns errors into pages that readers understand: never a traceback, and no SQL."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from flask import Response, current_app, request
from sqlalchemy import exc

from tcs_events.dashboard.asked import BadParameter
from tcs_events.dashboard.rendering import json_response, render
from tcs_events.database.troubles import class_of
from tcs_events.errors import (
    DatabaseMissing,
    NotCounted,
    QuestionTimeout,
    StoreUnavailable,
    TableMissing,
    TcsEventsError,
    UnknownEventType,
)
from tcs_events.host import registration_of
from tcs_events.intake.answers import log_trouble
from tcs_events.watch.log import log

DATABASE_ERRORS = (exc.DBAPIError, exc.TimeoutError, StoreUnavailable, DatabaseMissing)


class NoSuchPage(Exception):
    """There is no page at this address. The message lists the names that exist."""

    def __init__(self, kind: str, names: Sequence[str]) -> None:
        super().__init__(f"There is no such {kind}. The {kind}s are {', '.join(names)}.")


def in_words(view: Callable[[], Response]) -> Response:
    """Return the view's answer, or a page that says why there is none.

    Error handlers of the blueprint would not do: they would also catch what the host's access rule
    raises.
    """
    try:
        return view()
    except (BadParameter, UnknownEventType) as error:
        return bad_parameter(error)
    except NoSuchPage as error:
        return not_found(str(error))
    except QuestionTimeout as error:
        log.warning("tcs_events.question_timeout", timeout_ms=error.timeout_ms)
        return _later("This took too long", str(error))
    except NotCounted as error:
        return _later("The events are still to be counted", str(error))
    except DATABASE_ERRORS as error:
        return database_error(error)


def bad_parameter(error: Exception) -> Response:
    """Answer 400: a parameter in the address is invalid."""
    return _answer(400, "There is a mistake in this address", str(error))


def not_found(message: str = "The link may be old, or mistyped.") -> Response:
    """Answer 404: there is no page at this address."""
    return _answer(404, "There is no such page", message)


def method_not_allowed() -> Response:
    """Answer 405: the dashboard can only be read."""
    answer = _answer(405, "This can only be read", "Nothing here can be changed.")
    answer.headers["Allow"] = "GET, HEAD, OPTIONS"
    return answer


def database_error(error: Exception) -> Response:
    """Answer 503: the database does not answer. The page says what to do about it."""
    trouble = _trouble(error)
    log_trouble(trouble)
    remedy = trouble.remedy if isinstance(trouble, StoreUnavailable) else str(trouble)
    title = "A table is missing"
    if isinstance(trouble, DatabaseMissing):
        title = "This app has no database"
    elif not isinstance(trouble, TableMissing):
        title = "The database does not answer"
    return _later(title, remedy[0].upper() + remedy[1:].rstrip(".") + ".")


def _later(title: str, message: str) -> Response:
    answer = _answer(503, title, message)
    answer.headers["Retry-After"] = str(StoreUnavailable.retry_after_seconds)
    return answer


def _trouble(error: Exception) -> TcsEventsError:
    """Return our error for one of the database: `TableMissing` if one of our tables is."""
    if isinstance(error, TcsEventsError):
        return error
    try:
        registration = registration_of(current_app)
        if missing := registration.database.missing_tables(registration.needed_tables):
            return TableMissing(missing[0])
    except TcsEventsError as found:
        return found
    return StoreUnavailable(class_of(error))


def _answer(status: int, title: str, message: str) -> Response:
    if request.path.endswith(".json"):
        return json_response({"errors": {"_schema": [message]}}, status)
    return render("trouble.html", status=status, title=title, message=message)
