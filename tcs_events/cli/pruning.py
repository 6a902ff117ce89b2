"""The command that deletes old events."""

from __future__ import annotations

import re
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from functools import partial

import click
from flask import current_app

from tcs_events.cli import options
from tcs_events.cli.bars import progress_bar
from tcs_events.cli.command import command
from tcs_events.cli.output import print_json, print_line
from tcs_events.cli.stopping import said_at_the_end
from tcs_events.counts.days import day
from tcs_events.host import registration_of
from tcs_events.rights.deleting import Deleter
from tcs_events.rights.places import EVENTS, PLACES, Place, counted
from tcs_events.rights.prune import count_older, count_prunable
from tcs_events.rights.prune import prune as delete_older

UNITS = {"h": "hours", "d": "days", "w": "weeks"}
_AGE = re.compile(r"([1-9][0-9]{0,4})([hdw])", re.ASCII)


def read_age(text: str) -> timedelta | date:
    """Return the age of a text such as 90d, or the date of one such as 2026-03-01.

    Raises:
        click.BadParameter: the text is neither.
    """
    if match := _AGE.fullmatch(text):
        return timedelta(**{UNITS[match[2]]: int(match[1])})
    try:
        return options.read_day(text)
    except click.BadParameter:
        raise click.BadParameter(
            f"{text!r} is not an age; write it as 90d, 12h or 13w, or as a day: 2026-03-01."
        ) from None


@command("prune")
@click.option(
    "--older-than",
    "age",
    required=True,
    metavar="AGE",
    type=read_age,
    help="Such as 90d, 12h or 13w; or YYYY-MM-DD, the first day to keep.",
)
@options.dry_run
@options.as_json
def prune(age: timedelta | date, dry_run: bool, as_json: bool) -> None:
    """Delete the events that happened longer ago than AGE.

    Also deletes refused events of that age, and identities, user links and crawler marks of
    that age whose session has no events left. Deletes a few rows at a time, so that new events are
    stored meanwhile. You may stop it and run it again.
    """
    registration = registration_of(current_app)
    engine, zone = registration.database.engine, registration.settings.timezone
    before = datetime.now(UTC) - age if isinstance(age, timedelta) else day(age, zone).start
    if before > datetime.now(UTC):
        raise click.BadParameter(f"{age} is in the future.", param_hint="--older-than")
    before = before.astimezone(zone)
    if dry_run:
        _say("Would delete", Counter(count_prunable(engine, before)), before, as_json, False)
        return
    counts = Counter({place.name: 0 for place in PLACES})
    with (
        said_at_the_end(counts, partial(_say, "Deleted", counts, before, as_json)),
        progress_bar("Deleting", lambda: count_older(engine, before)) as draw,
    ):

        def on_deleted(place: Place, rows: int) -> None:
            counts[place.name] += rows
            if place is EVENTS:
                draw(rows)

        deleter = Deleter(engine, zone, on_deleted, registration.day_keeper)
        delete_older(engine, deleter, before)


def _say(verb: str, counts: Counter[str], before: datetime, as_json: bool, is_done: bool) -> None:
    if as_json:
        print_json({**counts, "before": before, "is_done": is_done})
        return
    events, *rest, last = counted(counts)
    words = ", ".join([f"{events} from before {before:%Y-%m-%d %H:%M} ({before.tzinfo})", *rest])
    print_line(f"{verb} {words}, and {last}.")
