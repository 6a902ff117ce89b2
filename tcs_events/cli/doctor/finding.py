"""The result of one check."""

from __future__ import annotations

from dataclasses import dataclass

OK, HINT, WRONG = "ok", "hint", "wrong"
COLOURS = {OK: "green", HINT: "yellow", WRONG: "red"}


@dataclass(frozen=True, slots=True)
class Finding:
    """What was checked, and how it is. Only `wrong` keeps events from being stored safely."""

    what: str
    level: str = OK
    remedy: str = ""
    """The problem and what to do about it; "" if there is none."""
