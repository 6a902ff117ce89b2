"""Stores the refused events that are kept and would be accepted now."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

import sqlalchemy as sa

from tcs_events.errors import EventInvalid
from tcs_events.event import Event, Outcome
from tcs_events.intake.reader import Reader
from tcs_events.models import UserEvent, UserEventRejection
from tcs_events.stores import SqlStore
from tcs_events.stores.contract import Result

BATCH_ROWS = 200


@dataclass(slots=True)
class Replayed:
    """What became of the refused events that are kept."""

    stored: int = 0
    duplicates: int = 0
    """Their `event_id` had been stored before."""
    refused: int = 0
    """Still not allowed, or too long to have been kept whole; their rows stay."""


def count_kept(store: SqlStore) -> int:
    """Return how many refused events are kept."""
    with store.engine.connect() as connection:
        return connection.scalar(sa.select(sa.func.count(UserEventRejection.id))) or 0


def replay(
    store: SqlStore,
    reader: Reader,
    *,
    max_bytes: int,
    is_dry_run: bool = False,
    progress: Callable[[int], None] = lambda rows: None,
) -> Replayed:
    """Store what is allowed now, as of the moment at which it was refused, and delete its row.

    The reader is that of the endpoint, so that an event becomes what it would have become there.
    One whose JSON is longer than `max_bytes`, the limit of a body, is still refused.

    An event without an `event_id` has one that is made of its row's id: whoever is killed after
    storing it and before deleting the row stores it once all the same. With `is_dry_run`, nothing
    is stored or deleted, and what would be is counted. `progress` is told of each batch of rows.

    Raises:
        StoreUnavailable: the database is gone; what was not stored yet is still kept.
    """
    replayed, seen = Replayed(), set[UUID]()
    for rows in _batches(store):
        events = [_event(reader, row, max_bytes) for row in rows]
        good = [event for event in events if event is not None]
        if not good:
            results: list[Result] = []
        elif is_dry_run:
            results = _would_end(store, good, seen)
        else:
            results = store.append(good)
        ended = iter(results)
        done = []
        for row, event in zip(rows, events, strict=True):
            match next(ended) if event is not None else None:
                case Outcome.ACCEPTED:
                    replayed.stored += 1
                case Outcome.DUPLICATE:
                    replayed.duplicates += 1
                case _:
                    replayed.refused += 1
                    continue
            done.append(row.id)
        if done and not is_dry_run:
            _delete(store, done)
        progress(len(rows))
    return replayed


def _batches(store: SqlStore) -> Iterator[Sequence[sa.Row[Any]]]:
    """Give all rows, oldest first, that are there at the beginning."""
    table = UserEventRejection.__table__.c
    columns = (table.id, table.rejection_id, table.received_at, table.sample)
    last_id = 0
    with store.engine.connect() as connection:
        end = connection.scalar(sa.select(sa.func.max(table.id))) or 0
    while True:
        query = sa.select(*columns).where(table.id > last_id, table.id <= end)
        with store.engine.connect() as connection:
            rows = connection.execute(query.order_by(table.id).limit(BATCH_ROWS)).all()
        if not rows:
            return
        last_id = rows[-1].id
        yield rows


def _event(reader: Reader, row: sa.Row[Any], max_bytes: int) -> Event | None:
    if row.sample is None or len(body := row.sample.encode()) > max_bytes:
        return None
    try:
        parsed = reader.parse(body)
        data = parsed.data
        if "event_id" not in data:
            made = uuid5(NAMESPACE_URL, f"tcs_events:rejection:{row.rejection_id}")
            data["event_id"] = str(made)
        return reader.event(parsed, data, row.received_at)
    except EventInvalid:
        return None


def _would_end(store: SqlStore, events: Sequence[Event], seen: set[UUID]) -> list[Result]:
    ids = [event.event_id for event in events]
    query = sa.select(UserEvent.event_id).where(UserEvent.event_id.in_(ids))
    with store.engine.connect() as connection:
        seen.update(connection.scalars(query))
    results: list[Result] = []
    for event_id in ids:
        results.append(Outcome.DUPLICATE if event_id in seen else Outcome.ACCEPTED)
        seen.add(event_id)
    return results


def _delete(store: SqlStore, ids: Sequence[int]) -> None:
    with store.engine.begin() as connection:
        connection.execute(sa.delete(UserEventRejection).where(UserEventRejection.id.in_(ids)))
