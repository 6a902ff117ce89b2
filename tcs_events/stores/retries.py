"""Stores records that nobody waits for: a slow database gets more time."""

from __future__ import annotations

from collections.abc import Sequence
from time import sleep

from tcs_events.errors import ColumnsMissing, StoreUnavailable, TableMissing
from tcs_events.event import Record
from tcs_events.stores.contract import Result, Store

ATTEMPTS = 6
"""How often records are tried while the database does not answer."""
FIRST_PAUSE_SECONDS = 1.0
"""The pause after the first attempt. Each next one is twice as long: 31 seconds in all."""


def append_with_retries(store: Store, records: Sequence[Record]) -> list[Result]:
    """Store records as `Store.append` does. If the database does not answer, wait and try again.

    Nothing is stored twice, because the records keep their ids.

    Raises:
        StoreUnavailable: the database does not answer, not even half a minute later; or a table or
            column is missing, at once.
    """
    pause = FIRST_PAUSE_SECONDS
    for _ in range(ATTEMPTS - 1):
        try:
            return store.append(records)
        except (TableMissing, ColumnsMissing):
            raise
        except StoreUnavailable:
            sleep(pause)
            pause *= 2
    return store.append(records)
