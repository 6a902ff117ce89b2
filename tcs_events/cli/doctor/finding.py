"""What the doctor says of one thing."""

from __future__ import annotations

from dataclasses import dataclass

OK, HINT, WRONG = "ok", "hint", "wrong"
COLOURS = {OK: "green", HINT: "yellow", WRONG: "red"}


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that was looked at. Only what is wrong keeps events from being stored safely."""

    what: str
    level: str = OK
    remedy: str = ""
    """What is the matter, and what to do about it: "" where it is well."""
