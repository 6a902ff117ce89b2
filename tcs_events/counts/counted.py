"""The counts of a day, or of a share of its sessions, before they are stored."""

from __future__ import annotations

from collections import Counter
from dataclasses import fields
from typing import Any, NamedTuple

from tcs_events.counts.facts import Facts
from tcs_events.counts.fingerprints import Fingerprints
from tcs_events.counts.funnels import Reached
from tcs_events.counts.visitors import Came
from tcs_events.counts.visits import Retention


class Counted(NamedTuple):
    """The counts of a day or of a share of it."""

    facts: Facts
    reached: Reached
    """The sessions that took each step of a funnel on the day."""
    fingerprints: Fingerprints
    """Which events of each session were counted."""

    def add(self, share: Counted) -> None:
        """Add the counts of a share to these."""
        self.facts.events += share.facts.events
        self.facts.visits |= share.facts.visits
        for name in ("activity", "uses", "demand", "exposure"):
            _add(getattr(self.facts, name), getattr(share.facts, name))
        self.facts.properties.add(share.facts.properties)
        for step, sessions in share.reached.items():
            self.reached[step] = self.reached.get(step, 0) + sessions
        self.fingerprints.update(share.fingerprints)


class CountedVisits(NamedTuple):
    """What was counted of the stored visits of a day, or of a share of its sessions."""

    came: Counter[Came]
    """How the visitors came."""
    retention: Retention


def _add(counts: dict[Any, Any], others: dict[Any, Any]) -> None:
    names = [field.name for field in fields(next(iter(others.values())))] if others else []
    for key, other in others.items():
        counted = counts.get(key)
        if counted is None:
            counts[key] = other
            continue
        for name in names:
            setattr(counted, name, getattr(counted, name) + getattr(other, name))
