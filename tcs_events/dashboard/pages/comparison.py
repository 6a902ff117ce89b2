"""The period before, to compare with."""

from __future__ import annotations

from tcs_events.dashboard.asked import Asked
from tcs_events.reports import Period


def period_before(asked: Asked) -> Period | None:
    """Return the period before the one that is shown, if the two can be compared.

    It is None if it begins before the first event: its counts would be too low, and the comparison
    would look like growth. It is also None if today is all that is shown: the part of a day cannot
    be compared with a whole one.
    """
    if asked.period.first >= asked.today:
        return None
    first, before = asked.reports.first_day(), asked.period.before()
    return before if first is not None and first <= before.first else None
