"""Stores events that are written out in a test."""

from __future__ import annotations

from collections.abc import Sequence

from tcs_events.event import Event
from tcs_events.stores.contract import Result, Store


def append(store: Store, events: Sequence[Event]) -> list[Result]:
    """Store events, and return how each ended."""
    return store.append([event.record() for event in events])
