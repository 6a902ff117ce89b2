"""How far visitors go, whether they come back, and what one of them did."""

from __future__ import annotations

import contextlib
from typing import cast

import click
import sqlalchemy as sa

from tcs_events import reports
from tcs_events.cli import options
from tcs_events.cli.columns import Printed
from tcs_events.cli.command import command
from tcs_events.cli.completion import complete_step
from tcs_events.cli.funnel_over_days import print_json_of, print_tables_of
from tcs_events.cli.heading import print_answer, print_heading, print_nothing, print_notices
from tcs_events.cli.output import (
    Share,
    SoFar,
    bar,
    print_json,
    print_line,
    print_paragraph,
    print_table,
)
from tcs_events.cli.visible import visible
from tcs_events.counts.conditions import Condition
from tcs_events.host.reports import current_reports
from tcs_events.reports import Cohort, Period, SavedFunnel, Step
from tcs_events.reports.funnel import FUNNEL_COLUMNS, keep_asked
from tcs_events.reports.over_days import Per
from tcs_events.reports.retention import COHORT_COLUMNS, CohortUnit
from tcs_events.reports.timeline import TIMELINE_COLUMNS

_STEP = Printed(FUNNEL_COLUMNS, "step", "visits", "of_first", "of_previous")
_COHORT = Printed(COHORT_COLUMNS, "starts_on", "size")
_EVENT = Printed(TIMELINE_COLUMNS, "at", "session_id", "is_known", "event_type", "payload")


@command("funnel")
@click.argument(
    "steps", nargs=-1, type=options.read_step, metavar="STEP...", shell_complete=complete_step
)
@click.option(
    "--saved",
    metavar="NAME",
    type=options.read_text,
    help="Ask a saved funnel by its name, instead of giving steps.",
)
@options.of_funnel
@options.limit(20, "values of --break-down; the others are one row")
@options.of_period
@options.as_json
def funnel(
    steps: tuple[Step, ...],
    saved: str | None,
    within: str | None,
    per: Per,
    break_down: str | None,
    limit: int,
    period: Period,
    as_json: bool,
) -> None:
    """Count how many took the given steps in this order.

    Anything may happen in between. The first step is in the period; the others follow within 24
    hours, or within the time of --within. A visit is a visitor's day.

    A step is an event type, with conditions on its payload if you
    like:

    \b
        flask tcs-events funnel{steps}

    From now on these steps are counted ahead, so that asking again is fast. With --within, they are
    read from the events.
    """  # noqa: D301 - to click, a real backspace means: keep these lines as they are
    if saved is not None:
        if steps or within or break_down or per != "visitor":
            raise click.UsageError("Give steps or --saved, and only one of them.")
        steps, within, per, break_down = _saved(saved)
    if not steps:
        raise click.UsageError("Missing argument 'STEP...': give the steps, or --saved NAME.")
    if within is not None:
        over_days = reports.funnel(period, steps, within, per, break_down, limit)
        print_notices(over_days.notices)
        (print_json_of if as_json else print_tables_of)(over_days, period)
        return
    if per != "visitor" or break_down is not None:
        raise click.UsageError("--per and --break-down need the time allowed, such as --within 7d.")
    with contextlib.suppress(sa.exc.DBAPIError):  # a read-only database can still be asked
        keep_asked(current_reports(), steps)
    rows = reports.funnel(period, steps)
    print_notices(rows.notices)
    if as_json:
        print_answer([_STEP.by_name(row) for row in rows], period)
        return
    print_heading(period)
    print_table(
        (*_STEP.titles, ""),
        [(*_STEP.cells(row), bar(row.sessions, rows[0].sessions)) for row in rows],
    )


def _saved(name: str) -> tuple[tuple[Step, ...], str | None, Per, str | None]:
    for funnel in reports.saved_funnels():
        if funnel.name == name:
            return tuple(funnel.steps), funnel.within, funnel.per, funnel.break_down
    raise click.UsageError(f"There is no saved funnel {visible(name)}: `funnels` lists them.")


@command("funnels")
@click.argument(
    "steps", nargs=-1, type=options.read_step, metavar="[STEP...]", shell_complete=complete_step
)
@click.option("--save", metavar="NAME", type=options.read_text, help="Save the steps by this name.")
@click.option(
    "--delete", metavar="NAME", type=options.read_text, help="Delete the funnel of this name."
)
@options.of_funnel
@options.as_json
def funnels(
    steps: tuple[Step, ...],
    save: str | None,
    delete: str | None,
    within: str | None,
    per: Per,
    break_down: str | None,
    as_json: bool,
) -> None:
    """List the saved funnels; save or delete one.

    The page of the funnel links to the saved ones, and `funnel --saved NAME` asks one. A saved
    funnel of the same name is replaced.

    \b
        flask tcs-events funnels --save searches{steps}
    """  # noqa: D301 - to click, a real backspace means: keep these lines as they are
    if save is None and (steps or within or break_down or per != "visitor"):
        raise click.UsageError("To save these steps, give them a name: --save NAME.")
    if delete is not None:
        if save is not None:
            raise click.UsageError("Give --save or --delete, and only one of them.")
        if not reports.delete_funnel(delete):
            raise click.UsageError(f"There is no saved funnel {visible(delete)}.")
    if save is not None:
        try:
            reports.save_funnel(save, steps, within, per, break_down)
        except ValueError as error:
            raise click.UsageError(visible(f"{error}.")) from None
    saved = reports.saved_funnels()
    if as_json:
        print_json({"rows": list(map(_document, saved))})
    elif not saved:
        print_line("No funnel is saved.")
    else:
        print_table(
            ("name", "steps", "within", "per", "break down by"),
            [
                (
                    each.name,
                    ", then ".join(map(str, each.steps)),
                    each.within or "24h",
                    each.per if each.within else "visit",
                    each.break_down,
                )
                for each in saved
            ],
            optional=("break down by", "per"),
            keep=("steps", "within"),
        )


def _document(saved: SavedFunnel) -> dict[str, object]:
    return {
        "name": saved.name,
        "steps": list(map(str, saved.steps)),
        "within": saved.within,
        "per": saved.per,
        "break_down": saved.break_down,
    }


@command("retention")
@options.unit("day", "week", default="week")
@click.option(
    "--returning",
    type=options.read_step,
    metavar="STEP",
    shell_complete=complete_step,
    help="What counts as coming back. Default: any event.",
)
@options.one_type(
    "Group visitors by their first event of this type. Default: by their first visit.",
    options.read_type,
)
@options.where
@options.of_period
@options.as_json
def retention(
    unit: str,
    returning: Step | None,
    event_type: str | None,
    where: tuple[Condition, ...],
    period: Period,
    as_json: bool,
) -> None:
    """Count the visitors who came back.

    Visitors are grouped by the day or week of their first visit, or of their first event of a type.
    A * marks a day or week that is not over, or only partly in the period: its number may grow.
    """
    if where and event_type is None:
        raise click.UsageError("--where needs --type: it is about the events of one type.")
    cohorts = reports.retention(period, cast(CohortUnit, unit), returning, event_type, where)
    print_notices(cohorts.notices)
    if as_json:
        print_answer({"unit": unit, "rows": cohorts}, period)
    elif not cohorts:
        print_nothing(period, "visitors")
    else:
        print_heading(period)
        longest = max(len(cohort.returned) for cohort in cohorts)
        print_table(
            (*_COHORT.titles, *(f"+{later}" for later in range(1, longest))),
            [
                (
                    cohort.starts_on,
                    *_cells(cohort),
                    *("" for _ in range(longest - len(cohort.returned))),
                )
                for cohort in cohorts
            ],
            keep=_COHORT.titles_of("size"),
        )
        if not all(all(cohort.is_complete) for cohort in cohorts):
            print_paragraph(f"* so far: the {unit} is not over, or only partly in the period.")


def _cells(cohort: Cohort) -> list[float]:
    numbers = [cohort.size, *(Share(count / cohort.size) for count in cohort.returned[1:])]
    return [
        number if complete else SoFar(number)
        for number, complete in zip(numbers, cohort.is_complete, strict=True)
    ]


@command("timeline")
@click.argument("session_id", required=False, metavar="[SESSION]", type=options.read_text)
@click.option(
    "--email",
    metavar="ADDRESS",
    type=options.read_text,
    help="A person: events with this address, and sessions linked to it.",
)
@click.option(
    "--user",
    "user_id",
    metavar="ID",
    type=options.read_text,
    help="A logged-in user: events of the sessions linked to this id.",
)
@options.limit(500, "events, the newest ones")
@options.as_json
def timeline(
    session_id: str | None, email: str | None, user_id: str | None, limit: int, as_json: bool
) -> None:
    """Print the events of a session or a person, oldest first."""
    match session_id, email, user_id:
        case str(), None, None:
            events = reports.session_timeline(session_id, limit)
        case None, str(), None:
            events = reports.person_timeline(email, limit)
        case None, None, str():
            events = reports.user_timeline(user_id, limit)
        case _:
            raise click.UsageError("Give a session, --email or --user, and only one of them.")
    if as_json:
        print_json({"rows": events})
    elif not events:
        print_line("No events.")
    else:
        print_table(
            _EVENT.titles,
            map(_EVENT.cells, events),
            optional=_EVENT.titles_of("is_known"),
            keep=_EVENT.titles_of("event_type"),
        )
