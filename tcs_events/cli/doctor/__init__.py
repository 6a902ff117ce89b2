"""Would an event be stored? One file per kind of thing that is looked at."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator

import click
import sqlalchemy as sa
from flask import Flask, current_app

from tcs_events.cli import options
from tcs_events.cli.command import command, explain
from tcs_events.cli.doctor.addresses import address_findings
from tcs_events.cli.doctor.counts import count_findings
from tcs_events.cli.doctor.database import database_findings
from tcs_events.cli.doctor.extras import extras_finding
from tcs_events.cli.doctor.finding import COLOURS, WRONG, Finding
from tcs_events.cli.doctor.limits import limit_findings
from tcs_events.cli.doctor.place import place_findings
from tcs_events.cli.doctor.schema import schema_findings
from tcs_events.cli.doctor.storing import storing_findings
from tcs_events.cli.output import print_json
from tcs_events.cli.stdout import stdout
from tcs_events.database.connection import within
from tcs_events.database.troubles import problem_of
from tcs_events.errors import TcsEventsError
from tcs_events.host import registration_of

LOOK_SECONDS = 20.0
"""How long all questions of one kind may take: there are a hundred about the tables."""


@command("doctor", needs_tables=False)
@options.as_json
def doctor(as_json: bool) -> None:
    """Check that an event would be stored, and safely so.

    Says what to do if not, and exits with 1 then; a hint is no reason for that. Stores nothing.
    JSON: "findings", each "ok", "hint" or "wrong".
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
    # Our own requests below are no visitor's.
    registration.tally.stop()
    try:
        engine = registration.store.engine
    except TcsEventsError as error:
        yield Finding("database", WRONG, str(error))
        return
    address = f"database {registration.store.address}"
    answers = yield from _asked(address, lambda: database_findings(registration, address))
    yield from place_findings(app, engine)
    if answers:
        schema = yield from _asked("tables", lambda: schema_findings(engine, registration.tables))
        if schema:
            yield from _asked("storing an event", lambda: storing_findings(registration))
            refresher = registration.refresher
            yield from _asked("counts", lambda: count_findings(engine, refresher))
    yield from address_findings(app, registration)
    yield from limit_findings(registration.settings)
    yield extras_finding()


def _asked(what: str, ask: Callable[[], list[Finding]]) -> Generator[Finding, None, bool]:
    """Give what a question to the database finds; return whether it is well."""
    try:
        findings = within(LOOK_SECONDS, ask)
    except (TcsEventsError, sa.exc.SQLAlchemyError) as error:
        known = problem_of(error)
        words = f"{known.problem}; {known.remedy}" if known else explain(error)
        findings = [Finding(what, WRONG, words)]
    yield from findings
    return all(finding.level != WRONG for finding in findings)
