"""Asks a function of the host whether a request may see the counts."""

from __future__ import annotations

from inspect import iscoroutine

from flask import current_app
from werkzeug.exceptions import HTTPException

from tcs_events.settings import Access
from tcs_events.watch.log import log
from tcs_events.watch.log_lines import TROUBLES_PER_SECOND, log_lines


def lets_in(access: Access | None) -> bool:
    """Return whether the current request may see the counts. If the function fails, it may not.

    Only True counts as yes: a truthy value may be a response, or a coroutine.
    """
    if access is None:
        return False
    try:
        verdict = current_app.ensure_sync(access)()
    except HTTPException:  # abort(403) says no
        return False
    except Exception as error:  # health must answer even if the host's function is broken
        if log_lines.allows("health_access_failed", TROUBLES_PER_SECOND):
            log.error("tcs_events.health_access_failed", reason=type(error).__name__)
        return False
    if iscoroutine(verdict):
        verdict.close()  # Python warns about a coroutine that is neither awaited nor closed.
    return verdict is True
