"""The commands that ask a funnel, and keep funnels by name."""

from __future__ import annotations

import contextlib

import click
import sqlalchemy as sa

from tcs_events import reports
from tcs_events.cli import options
from tcs_events.cli.columns import Printed
from tcs_events.cli.command import command
from tcs_events.cli.completion import complete_step
from tcs_events.cli.funnel_over_days import print_json_of, print_tables_of
from tcs_events.cli.heading import print_answer, print_heading, print_notices
from tcs_events.cli.output import (
    bar,
    print_json,
    print_line,
    print_table,
)
from tcs_events.cli.visible import visible
from tcs_events.counts.conditions import Condition
from tcs_events.host.reports import current_reports
from tcs_events.reports import Period, SavedFunnel, Step
from tcs_events.reports.funnel import FUNNEL_COLUMNS, keep_asked
from tcs_events.reports.over_days import Per
from tcs_events.reports.who import Who

_STEP = Printed(FUNNEL_COLUMNS, "step", "visits", "of_first", "of_previous")


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
@options.where
@options.who
@options.limit(20, "values of --break-down; the others are one row")
@options.of_period
@options.as_json
def funnel(
    steps: tuple[Step, ...],
    saved: str | None,
    within: str | None,
    per: Per,
    break_down: str | None,
    where: tuple[Condition, ...],
    who: Who | None,
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
    read from the events, unless they are saved. If that takes too long, the numbers are estimates
    from some visitors, with their margins. --where and --who need --within; the conditions of
    --where are about the first step.
    """  # noqa: D301 - to click, a real backspace means: keep these lines as they are
    if saved is not None:
        if steps or within or break_down or per != "visitor":
            raise click.UsageError("Give steps or --saved, and only one of them.")
        steps, within, per, break_down = _saved(saved)
    if not steps:
        raise click.UsageError("Missing argument 'STEP...': give the steps, or --saved NAME.")
    if within is not None:
        over_days = reports.funnel(
            period, steps, within, per, break_down, limit, where=where, who=who
        )
        print_notices(over_days.notices)
        (print_json_of if as_json else print_tables_of)(over_days, period)
        return
    if per != "visitor" or break_down is not None or where or who is not None:
        raise click.UsageError(
            "--per, --break-down, --where and --who need the time allowed, such as --within 7d."
        )
    with contextlib.suppress(sa.exc.DBAPIError):  # a read-only database can still be asked
        keep_asked(current_reports(), steps)
    rows = reports.funnel(period, steps)
    print_notices(rows.notices)
    if as_json:
        print_answer({"steps": [_STEP.by_name(row) for row in rows]}, period)
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
                    _counted(each),
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
        "per": _counted(saved),
        "break_down": saved.break_down,
    }


def _counted(saved: SavedFunnel) -> str:
    """Return what counts once. Only a funnel with a time allowed counts anything but visits."""
    return saved.per if saved.within else "visit"
