"""Stores events that were refused and kept, and that are valid now."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

import sqlalchemy as sa
from sqlalchemy import Engine

from tcs_events.errors import EventInvalid
from tcs_events.event import Event, Outcome, Record
from tcs_events.intake.reader import Reader
from tcs_events.models import UserEvent, UserEventRejection
from tcs_events.stores import Store
from tcs_events.stores.contract import Result

BATCH_ROWS = 200


@dataclass(slots=True)
class Replayed:
    """How many of the kept events had which outcome."""

    stored: int = 0
    duplicates: int = 0
    """Their `event_id` was stored before. Their rows are deleted too."""
    refused: int = 0
    """Still refused, or too long to be kept whole. Their rows stay."""


def count_kept(engine: Engine) -> int:
    """Return how many refused events are kept."""
    with engine.connect() as connection:
        return connection.scalar(sa.select(sa.func.count(UserEventRejection.id))) or 0


def replay(
    engine: Engine,
    store: Store,
    reader: Reader,
    *,
    max_bytes: int,
    is_dry_run: bool = False,
    accepted: Callable[[Sequence[Record]], None] = lambda records: None,
    progress: Callable[[int], None] = lambda rows: None,
) -> Replayed:
    """Store the kept events that are valid now, and delete their rows.

    They get the time at which they were refused. An event without an `event_id` gets one made from
    its row, so that it is stored once even if the process is killed before the row is deleted.

    Args:
        engine: the engine of the database, which has the kept events.
        store: the store of the events.
        reader: the reader of the endpoint, so that the same is stored as there.
        max_bytes: the limit of a body. An event whose JSON is longer is still refused.
        is_dry_run: only count what would be stored and deleted.
        accepted: called with the records of the events that were stored, batch by batch.
        progress: called with the number of rows after each batch of them.

    Raises:
        StoreUnavailable: the database failed. Events that are not stored yet are still kept.
    """
    replayed, seen = Replayed(), set[UUID]()
    for rows in _batches(engine):
        events = [_event(reader, row, max_bytes) for row in rows]
        valid = [event for event in events if event is not None]
        if not valid:
            results: list[Result] = []
        elif is_dry_run:
            results = _expected(engine, valid, seen)
        else:
            records = [event.record() for event in valid]
            results = store.append(records)
            accepted(
                [
                    record
                    for record, result in zip(records, results, strict=True)
                    if result is Outcome.ACCEPTED
                ]
            )
        outcomes = iter(results)
        done_ids = []
        for row, event in zip(rows, events, strict=True):
            match next(outcomes) if event is not None else None:
                case Outcome.ACCEPTED:
                    replayed.stored += 1
                case Outcome.DUPLICATE:
                    replayed.duplicates += 1
                case _:
                    replayed.refused += 1
                    continue
            done_ids.append(row.id)
        if done_ids and not is_dry_run:
            _delete(engine, done_ids)
        progress(len(rows))
    return replayed


def _batches(engine: Engine) -> Iterator[Sequence[sa.Row[Any]]]:
    """Yield the rows that exist at the start, oldest first."""
    table = UserEventRejection.__table__.c
    columns = (table.id, table.rejection_id, table.received_at, table.sample)
    last_read_id = 0
    # Without the rows that are added meanwhile, so that the replay comes to an end.
    with engine.connect() as connection:
        end_id = connection.scalar(sa.select(sa.func.max(table.id))) or 0
    while True:
        query = sa.select(*columns).where(table.id > last_read_id, table.id <= end_id)
        # No transaction is open while the events of the batch are stored.
        with engine.connect() as connection:
            rows = connection.execute(query.order_by(table.id).limit(BATCH_ROWS)).all()
        if not rows:
            return
        last_read_id = rows[-1].id
        yield rows


def _event(reader: Reader, row: sa.Row[Any], max_bytes: int) -> Event | None:
    if row.sample is None or len(body := row.sample.encode()) > max_bytes:
        return None
    try:
        data, unsure = reader.parse(body)
        if "event_id" not in data:
            event_id = uuid5(NAMESPACE_URL, f"tcs_events:rejection:{row.rejection_id}")
            data["event_id"] = str(event_id)
        return reader.event(data, unsure, row.received_at)
    except EventInvalid:
        return None


def _expected(engine: Engine, events: Sequence[Event], seen: set[UUID]) -> list[Result]:
    """Return the outcomes that the events would have. `seen` holds the ids of earlier batches."""
    ids = [event.event_id for event in events]
    query = sa.select(UserEvent.event_id).where(UserEvent.event_id.in_(ids))
    with engine.connect() as connection:
        seen.update(connection.scalars(query))
    results: list[Result] = []
    for event_id in ids:
        results.append(Outcome.DUPLICATE if event_id in seen else Outcome.ACCEPTED)
        seen.add(event_id)
    return results


def _delete(engine: Engine, ids: Sequence[int]) -> None:
    with engine.begin() as connection:
        connection.execute(sa.delete(UserEventRejection).where(UserEventRejection.id.in_(ids)))
