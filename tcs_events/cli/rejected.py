"""The commands that list refused events and store them after all."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import click
import sqlalchemy as sa
from flask import current_app

from tcs_events.cli import options
from tcs_events.cli.bars import progress_bar
from tcs_events.cli.command import command
from tcs_events.cli.output import print_json, print_line, print_table
from tcs_events.database.schemas import full_name, has_table
from tcs_events.database.stored_json import read_columns
from tcs_events.errors import TableMissing
from tcs_events.host import registration_of
from tcs_events.host.reports import current_reports
from tcs_events.intake.replay import Replayed, count_kept
from tcs_events.intake.replay import replay as replay_all
from tcs_events.models import UserEventRejection


@dataclass(frozen=True, slots=True)
class _Group:
    """The events of one type that were refused for one reason."""

    reason: str
    event_type: str | None
    events: int
    first_at: datetime
    last_at: datetime
    errors: dict[str, Any]
    """The errors of the newest one."""
    sample: Any
    """The newest one as it was sent; None if it was too long to keep."""


@command("rejected")
@options.limit(20, "reasons")
@options.as_json
def rejected(limit: int, as_json: bool) -> None:
    """List the refused events by reason and event type.

    They are kept only if TCS_EVENTS_KEEP_REJECTED is set. The sample is the newest one.
    """
    groups = _groups(limit) if _has_table() else []
    if as_json:
        print_json({"rows": groups})
        return
    if not groups:
        print_line("No refused event is kept." + _hint())
        return
    print_table(
        ("reason", "event type", "events", "last", "sample"),
        [
            (
                group.reason,
                group.event_type,
                group.events,
                group.last_at,
                group.sample or "too long",
            )
            for group in groups
        ],
        optional=("last",),
        keep=("events",),
    )


def _hint() -> str:
    if registration_of(current_app).settings.keep_rejected:
        return ""
    return " TCS_EVENTS_KEEP_REJECTED is 0; set it to the number of refused events to keep."


def _has_table() -> bool:
    """Return whether refused events have a table in the database.

    Raises:
        TableMissing: they have none, and the settings say to keep them.
    """
    registration, table = registration_of(current_app), UserEventRejection.__table__
    with registration.database.engine.connect() as connection:
        if has_table(connection, table):
            return True
    if table.name in registration.tables:
        raise TableMissing(full_name(registration.database.engine, table))
    return False


def _groups(limit: int) -> list[_Group]:
    row = UserEventRejection
    count = sa.func.count().label("events")
    grouped = (
        sa.select(
            row.reason,
            row.event_type,
            count,
            sa.func.min(row.received_at).label("first_at"),
            sa.func.max(row.received_at).label("last_at"),
            sa.func.max(row.id).label("newest"),
        )
        .group_by(row.reason, row.event_type)
        .order_by(count.desc(), row.reason, row.event_type)
        .limit(limit)
    )
    # Two queries: one that also returned the newest sample of each group would have to sort all
    # rows with their samples, which take up to 8 KiB each.
    with current_reports().events() as connection:
        groups = connection.execute(grouped).all()
        columns = read_columns(row.__table__, ("id", "errors", "sample"))
        newest = sa.select(*columns).where(row.id.in_([group.newest for group in groups]))
        samples = {rejection.id: rejection for rejection in connection.execute(newest)}
    return [
        _Group(
            reason=group.reason,
            event_type=group.event_type,
            events=group.events,
            first_at=group.first_at,
            last_at=group.last_at,
            # A row may have been deleted between the two queries.
            errors=samples[group.newest].errors if group.newest in samples else {},
            sample=_parsed(samples[group.newest].sample) if group.newest in samples else None,
        )
        for group in groups
    ]


def _parsed(sample: str | None) -> Any:
    return None if sample is None else json.loads(sample)


@command("replay")
@click.option("--dry-run", is_flag=True, help="Count what would be stored, and change nothing.")
@options.as_json
def replay(dry_run: bool, as_json: bool) -> None:
    """Store the refused events that today's schemas accept.

    They keep the time at which they happened, and are then no longer among the refused events.
    E-mail addresses and long numbers in their texts were not kept, so those are missing.
    """
    replayed = _replay(dry_run) if _has_table() else Replayed()
    if as_json:
        print_json({**asdict(replayed), "dry_run": dry_run})
        return
    verb = "Would store" if dry_run else "Stored"
    print_line(
        f"{verb} {replayed.stored:,}; {replayed.duplicates:,} were stored before;"
        f" {replayed.refused:,} are still refused."
    )


def _replay(is_dry_run: bool) -> Replayed:
    registration = registration_of(current_app)
    engine = registration.database.engine
    with progress_bar("Replaying", lambda: count_kept(engine)) as draw:
        return replay_all(
            engine,
            registration.store,
            registration.reader,
            max_bytes=registration.settings.max_body_bytes,
            is_dry_run=is_dry_run,
            accepted=registration.announcer.accepted,
            progress=draw,
        )
