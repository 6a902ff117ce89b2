"""Checks where the rate limits are counted: in Redis for all processes, or in each alone."""

from __future__ import annotations

from tcs_events.cli.doctor.finding import HINT, Finding
from tcs_events.settings import Settings


def limit_findings(settings: Settings) -> list[Finding]:
    """Check that Redis answers, if limits are counted there. No findings without limits."""
    if settings.client_limit is None and settings.session_limit is None:
        return []
    from tcs_events.intake.rate_limits import MEMORY, windows_at

    if settings.limit_storage == MEMORY:
        return [Finding("limits, counted by each process for itself")]
    what = "limits, counted in Redis"
    try:
        windows_at(settings.limit_storage).get_sliding_window("doctor", 1)
    except Exception as error:  # its type depends on the Redis client that is installed
        reason = type(getattr(error, "storage_error", error)).__name__
        remedy = f"it does not answer ({reason}), so nothing is limited; check that it runs, is"
        return [Finding(what, HINT, f"{remedy} reachable and has free memory")]
    return [Finding(what)]
