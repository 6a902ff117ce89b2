"""Checks whether an event would be stored. One file for each kind of check."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator

import click
import sqlalchemy as sa
from flask import Flask, current_app

from tcs_events.cli import options
from tcs_events.cli.command import command, in_one_line
from tcs_events.cli.doctor.addresses import address_findings
from tcs_events.cli.doctor.counts import count_findings
from tcs_events.cli.doctor.database import database_findings
from tcs_events.cli.doctor.day_files import day_file_findings
from tcs_events.cli.doctor.extras import extras_finding
from tcs_events.cli.doctor.finding import COLOURS, WRONG, Finding
from tcs_events.cli.doctor.limits import limit_findings
from tcs_events.cli.doctor.place import place_findings
from tcs_events.cli.doctor.rights import rights_findings
from tcs_events.cli.doctor.schema import schema_findings
from tcs_events.cli.doctor.storing import storing_findings
from tcs_events.cli.output import print_json
from tcs_events.cli.stdout import stdout
from tcs_events.database.in_thread import run_with_timeout
from tcs_events.database.troubles import problem_of
from tcs_events.errors import TcsEventsError
from tcs_events.host import registration_of

LOOK_SECONDS = 20.0
"""The time limit for one kind of check. Checking the tables takes about a hundred statements."""


@command("doctor", needs_tables=False)
@options.as_json
def doctor(as_json: bool) -> None:
    """Check that events would be stored, and stored safely.

    Says what to do about each problem. Exits with 1 if something is wrong; a hint does not count.
    Stores nothing. JSON has "findings", each with the level "ok", "hint" or "wrong".
    """
    app = current_app._get_current_object()  # type: ignore[attr-defined]
    findings = list(_findings(app))
    is_wrong = any(finding.level == WRONG for finding in findings)
    if as_json:
        print_json({"status": WRONG if is_wrong else "ok", "findings": findings})
    else:
        for finding in findings:
            text = f"{finding.level:<7}{finding.what}"
            click.secho(
                f"{text}: {finding.remedy}" if finding.remedy else text,
                stdout(),
                fg=COLOURS[finding.level],
            )
    if is_wrong:
        raise SystemExit(1)


def _findings(app: Flask) -> Iterator[Finding]:
    registration = registration_of(app)
    # The requests that the checks send are not a visitor's, so they must not be counted.
    registration.tally.stop()
    try:
        engine = registration.database.engine
    except TcsEventsError as error:
        yield Finding("database", WRONG, str(error))
        return
    address = f"database {registration.database.address}"
    is_reachable = yield from _asked(address, lambda: database_findings(registration, address))
    yield from place_findings(app, engine)
    may_store = is_reachable and (
        yield from _asked("rights", lambda: rights_findings(engine, registration.tables))
    )
    if may_store:
        has_schema = yield from _asked(
            "tables", lambda: schema_findings(engine, registration.tables)
        )
        if has_schema:
            yield from _asked("storing an event", lambda: storing_findings(registration))
            refresher = registration.refresher
            yield from _asked("counts", lambda: count_findings(engine, refresher))
            keeper = registration.day_keeper
            yield from _asked("files of days", lambda: day_file_findings(keeper))
    yield from address_findings(app)
    yield from limit_findings(registration.settings)
    yield extras_finding()


def _asked(what: str, ask: Callable[[], list[Finding]]) -> Generator[Finding, None, bool]:
    """Give the findings of a check that asks the database; return whether none is wrong."""
    try:
        findings = run_with_timeout(LOOK_SECONDS, ask)
    except (TcsEventsError, sa.exc.SQLAlchemyError) as error:
        problem = problem_of(error)
        words = str(problem) if problem else in_one_line(error)
        findings = [Finding(what, WRONG, words)]
    yield from findings
    return all(finding.level != WRONG for finding in findings)
