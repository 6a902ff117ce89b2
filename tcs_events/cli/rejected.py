"""The events that were refused, and what can be done about them."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import partial
from typing import Any

import click
import sqlalchemy as sa
from flask import current_app

from tcs_events.cli import options
from tcs_events.cli.command import command
from tcs_events.cli.output import print_json, print_line, print_table
from tcs_events.database.stored_json import read_columns
from tcs_events.host import registration_of
from tcs_events.host_reports import current_reports
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
    """Of the newest one, as its sample."""
    sample: Any


@command("rejected")
@options.limit(20, "reasons")
@options.as_json
def rejected(limit: int, as_json: bool) -> None:
    """List the events that were refused, by reason and type.

    Kept where TCS_EVENTS_KEEP_REJECTED says so; the sample is the newest one.
    """
    groups = _groups(limit)
    if as_json:
        print_json([asdict(group) for group in groups])
        return
    if not groups:
        print_line("No refused event is kept." + _hint())
        return
    print_table(
        ("refused", "event type", "events", "last", "sample"),
        [
            (one.reason, one.event_type, one.events, one.last_at, one.sample or "too long")
            for one in groups
        ],
        optional=("last",),
        keep=("events",),
    )


def _hint() -> str:
    if registration_of(current_app).settings.keep_rejected:
        return ""
    return " TCS_EVENTS_KEEP_REJECTED says how many to keep; it is 0."


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
    with current_reports().events() as connection:
        groups = connection.execute(grouped).all()
        columns = read_columns(row.__table__, ("id", "errors", "sample"))
        newest = sa.select(*columns).where(row.id.in_([group.newest for group in groups]))
        samples = {one.id: one for one in connection.execute(newest)}
    return [
        _Group(
            reason=one.reason,
            event_type=one.event_type,
            events=one.events,
            first_at=one.first_at,
            last_at=one.last_at,
            errors=samples[one.newest].errors if one.newest in samples else {},
            sample=_parsed(samples[one.newest].sample) if one.newest in samples else None,
        )
        for one in groups
    ]


def _parsed(sample: str | None) -> Any:
    return None if sample is None else json.loads(sample)


@command("replay")
@click.option("--dry-run", is_flag=True, help="Say what would be stored, and change nothing.")
@options.as_json
def replay(dry_run: bool, as_json: bool) -> None:
    """Store the refused events that the schemas of now allow.

    At the time at which they happened; they are deleted from the refused ones. What their texts
    held of addresses and long numbers was not kept.
    """
    replayed = _replay(dry_run)
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
    replay_kept = partial(
        replay_all,
        registration.store,
        registration.reader,
        max_bytes=registration.settings.max_body_bytes,
        is_dry_run=is_dry_run,
    )
    if not sys.stderr.isatty():
        return replay_kept()
    kept = count_kept(registration.store)
    with click.progressbar(length=kept, label="Replaying", file=sys.stderr) as bar:
        return replay_kept(progress=bar.update)
