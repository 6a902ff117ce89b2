"""Would an event be stored?"""

from __future__ import annotations

from collections.abc import Iterator

import click
from flask import Flask, current_app

from tcs_events.cli.command import command
from tcs_events.errors import TableMissing, TcsEventsError
from tcs_events.registration import Registration, registration_of
from tcs_events.stores import SqlStore

Finding = tuple[str, str]
"""What was looked at, and the trouble with it: "" where there is none."""


@command("doctor", needs_tables=False)
def doctor() -> None:
    """Check that an event would be stored.

    Says what to do if not, and exits with 1 then. Stores nothing.
    """
    findings = list(_findings(current_app._get_current_object()))  # type: ignore[attr-defined]
    for what, trouble in findings:
        if trouble:
            click.secho(f"wrong  {what}: {trouble}", fg="red")
        else:
            click.secho(f"ok     {what}", fg="green")
    if any(trouble for _, trouble in findings):
        raise SystemExit(1)


def _findings(app: Flask) -> Iterator[Finding]:
    registration = registration_of(app)
    try:
        yield f"database {registration.store.address}", ""
    except TcsEventsError as error:
        yield "database", str(error)
        return
    for store in (registration.store, registration.identity_store):
        yield f"table {store.table_name}", _trouble_with_table(store)
    yield from _endpoint_findings(app, registration)


def _trouble_with_table(store: SqlStore) -> str:
    try:
        missing = store.missing_columns()
    except TableMissing as error:
        return f"it is not there; {error.remedy}"
    except TcsEventsError as error:
        return str(error)
    if missing:
        return f"it lacks {', '.join(missing)}; add them with `flask db migrate` and `upgrade`"
    return ""


def _endpoint_findings(app: Flask, registration: Registration) -> Iterator[Finding]:
    """Send each mounted endpoint a body it must refuse, and see who answers.

    Only the real chain of hooks can tell whether the host lets a visitor's event through.
    """
    for path in registration.ingestion_routes(app):
        answer = app.test_client().post(path, data=b"")
        reached = answer.status_code == 422 and answer.is_json
        yield (
            f"endpoint POST {path}",
            ""
            if reached
            else f"the app answers {answer.status_code} before tcs_events can; in your"
            f" before_request, return None when request.blueprint == {registration.name_on(app)!r}",
        )
