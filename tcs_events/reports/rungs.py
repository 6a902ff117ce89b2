"""What may keep an expert from being clicked."""

from __future__ import annotations

from enum import StrEnum


class Rung(StrEnum):
    """How far an expert gets with visitors: the first rung that is missing."""

    NEVER_RETURNED = "never_returned"
    """No query returned the expert."""
    NEVER_FIRST = "never_first"
    """Returned, but never among the first."""
    NEVER_CLICKED = "never_clicked"
    """Before enough visitors, and clicked by none."""
    UNDER_CLICKED = "under_clicked"
    """Clicked less than the positions predict, by more than chance explains."""
