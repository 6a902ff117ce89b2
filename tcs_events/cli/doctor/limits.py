"""Do the processes count together what each client and session sends?"""

from __future__ import annotations

from tcs_events.cli.doctor.finding import HINT, Finding
from tcs_events.settings import Settings


def limit_findings(settings: Settings) -> list[Finding]:
    """Ask Redis, where the limits are counted there; an empty list where nothing is."""
    if settings.client_limit is None and settings.session_limit is None:
        return []
    from tcs_events.intake.rate_limits import MEMORY, windows_at

    if settings.limit_storage == MEMORY:
        return [Finding("limits, counted by each process for itself")]
    what = "limits, counted in Redis"
    try:
        windows_at(settings.limit_storage).get_sliding_window("doctor", 1)
    except Exception as error:  # of whatever package is behind it
        reason = type(getattr(error, "storage_error", error)).__name__
        remedy = f"it does not answer ({reason}), and nothing is limited; see that it runs, is"
        return [Finding(what, HINT, f"{remedy} reachable and has room")]
    return [Finding(what)]
