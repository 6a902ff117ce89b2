"""The words for what reports count, shared by the pages, the commands and the files.

A visitor is a `session_id`. A visit is one visitor on one day, so visits add up over days. An event
is a row of `user_events`.
"""

from __future__ import annotations

from typing import Final

from tcs_events.reports.rungs import Rung

A_VISIT: Final = "a visit is a visitor's day"
NOT_AVAILABLE: Final = "Not available"
HIDDEN: Final = "Hidden by filters"
ASKED_AGAIN: Final = "Asked again"
AS_TYPED: Final = "As typed"
LEFT_WITH_NOTHING: Final = "Left with nothing"
SET_TO: Final = "Set to"

RUNGS: Final = {
    Rung.NEVER_RETURNED: ("Never returned", "no query returned them"),
    Rung.NEVER_FIRST: ("Never among the first", "returned, but never in the first five places"),
    Rung.NEVER_CLICKED: ("Never clicked", "shown in enough visits, and clicked in none"),
    Rung.UNDER_CLICKED: (
        "Clicked too rarely",
        "clicked less than others at the same places, by more than chance explains",
    ),
}
"""The title and the meaning of each rung."""
