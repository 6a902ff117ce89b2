"""What a figure is: a promise, how often it was put to the test, and a control that breaks it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One line of the table: what was measured of a figure, on one database or in one way."""

    measured_on: str
    measured: str
    """The numbers, with N: `0 lost of 1,000`."""
    met: bool
    """Whether the target was met."""
    control: str
    """What the same check said of a host that breaks the promise."""
    control_failed: bool
    """It has to: a check that cannot fail says nothing."""


@dataclass(frozen=True)
class Figure:
    number: str
    what: str
    target: str
    unit: str = ""
    """What N counts."""
    full: int = 0
    quick: int = 0
    run: Callable[[int], list[Row]] | None = None
    """Measures with this N; None where nobody has written that yet."""
