"""The command that says whether visitors come back."""

from __future__ import annotations

from typing import cast

import click

from tcs_events import reports
from tcs_events.cli import options
from tcs_events.cli.columns import Printed
from tcs_events.cli.command import command
from tcs_events.cli.completion import complete_step
from tcs_events.cli.heading import print_answer, print_heading, print_nothing, print_notices
from tcs_events.cli.output import Share, SoFar, print_paragraph, print_table
from tcs_events.counts.conditions import Condition
from tcs_events.reports import Cohort, Period, Step
from tcs_events.reports.retention import COHORT_COLUMNS, CohortUnit

_COHORT = Printed(COHORT_COLUMNS, "starts_on", "size")


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
