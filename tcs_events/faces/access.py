"""Who may see more than a stranger: asked of a function of the host."""

from __future__ import annotations

from inspect import iscoroutine

from flask import current_app
from werkzeug.exceptions import HTTPException

from tcs_events.settings import Access
from tcs_events.watch.log import log
from tcs_events.watch.log_lines import TROUBLES_PER_SECOND, log_lines


def lets_in(access: Access | None) -> bool:
    """Tell whether the current request may see more. Where the function fails, it may not.

    Only True lets in: a truthy thing may be a response, or the coroutine of an `async` function.
    """
    if access is None:
        return False
    try:
        verdict = current_app.ensure_sync(access)()
    except HTTPException:  # abort(403), which is a way to say no
        return False
    except Exception as error:  # health must answer, whatever is wrong with the host's function
        if log_lines.allows("health_access_failed", TROUBLES_PER_SECOND):
            log.error("tcs_events.health_access_failed", reason=type(error).__name__)
        return False
    if iscoroutine(verdict):
        verdict.close()
    return verdict is True
