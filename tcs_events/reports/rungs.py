"""What may keep an item from being clicked."""

from __future__ import annotations

from enum import StrEnum


class Rung(StrEnum):
    """The first step towards a click that an item did not reach."""

    NEVER_RETURNED = "never_returned"
    """No query returned the item."""
    NEVER_FIRST = "never_first"
    """Returned, but never among the first."""
    NEVER_CLICKED = "never_clicked"
    """Shown in enough visits, and clicked in none."""
    UNDER_CLICKED = "under_clicked"
    """Clicked less than others at the same positions, by more than chance explains."""


OF_RETURNED = (Rung.NEVER_RETURNED, Rung.NEVER_FIRST)
"""The rungs that only searches tell which say what items they returned."""
