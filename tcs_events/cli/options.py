"""Options that several commands share, and the readers of their values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import wraps
from typing import Any, get_args

import click
from flask import current_app

from tcs_events.cli.completion import complete_property, complete_type
from tcs_events.cli.worded import WordedOption
from tcs_events.counts.conditions import Condition, check_field, conditions_of
from tcs_events.counts.days import date_in
from tcs_events.host import registration_of
from tcs_events.host.reports import current_reports
from tcs_events.reports import Period, Step, step
from tcs_events.reports.over_days import Per, within_of
from tcs_events.reports.period import MAX_DAYS
from tcs_events.reports.types import known_types
from tcs_events.reports.who import Who

DEFAULT_DAYS = 30
YEARS = range(1970, 9999)
"""Years whose days begin and end within Python's range of dates in every time zone."""
MAX_ROWS = 1_000_000
"""The largest `--limit`: more rows would not fit into memory, and nobody reads them."""
DAY = "YYYY-MM-DD"

Function = Callable[..., Any]
Decorator = Callable[[Function], Function]


def read_text(text: str) -> str:
    """Return the text if a database can hold it. A shell may pass bytes that are not UTF-8.

    Raises:
        click.BadParameter: it is not UTF-8, or has a NUL character.
    """
    if "\0" in text or any("\ud800" <= char <= "\udfff" for char in text):
        raise click.BadParameter(f"{text!r} is not UTF-8 text.")
    return text


def check_types(names: Sequence[str]) -> None:
    """Check that each event type is accepted or has stored events.

    Raises:
        click.BadParameter: a type is neither; the message lists all known types.
    """
    known = known_types(current_reports()) if names else []
    for event_type in names:
        if event_type not in known:
            raise click.BadParameter(
                f"there is no event type {event_type!r}; the types are {', '.join(known)}.",
                param_hint="--type",
            )


def read_step(text: str) -> Step:
    """Return a step of a funnel from its text.

    Raises:
        click.BadParameter: the text is not a step.
    """
    try:
        return step(read_text(text))
    except ValueError as error:
        raise click.BadParameter(f"{error}.") from None


def read_type(text: str) -> str:
    """Return the name of an event type.

    Raises:
        click.BadParameter: no event type can have this name.
    """
    try:
        return Step(read_text(text)).event_type
    except ValueError as error:
        raise click.BadParameter(f"{error}.") from None


def read_conditions(
    context: click.Context, parameter: click.Parameter, texts: Sequence[str]
) -> tuple[Condition, ...]:
    """Return the conditions of an option that may be repeated.

    Raises:
        click.BadParameter: a text is not a condition.
    """
    try:
        return conditions_of([read_text(text) for text in texts])
    except ValueError as error:
        raise click.BadParameter(f"{error}.") from None


def read_within(text: str) -> str:
    """Return the time allowed for the steps of a funnel.

    Raises:
        click.BadParameter: the text is not such a time.
    """
    try:
        within_of(text)
    except ValueError as error:
        raise click.BadParameter(f"{error}.") from None
    return text


def read_property(text: str) -> str:
    """Return the name of a property.

    Raises:
        click.BadParameter: no condition can name it.
    """
    try:
        check_field(read_text(text))
    except ValueError as error:
        raise click.BadParameter(f"{error}.") from None
    return text


def read_day(text: str) -> date:
    """Return the date of a text such as 2026-03-01.

    Raises:
        click.BadParameter: the text is not a date, or its year is out of range.
    """
    try:
        day = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).date()
    except ValueError:
        raise click.BadParameter(f"{text!r} is not a date; write it as 2026-03-01.") from None
    if day.year not in YEARS:
        raise click.BadParameter(f"{text!r} is not a date from {YEARS[0]} to {YEARS[-1]}.")
    return day


as_json = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON document, for programs."
)
dry_run = click.option(
    "--dry-run", is_flag=True, help="Count what would be deleted, and delete nothing."
)
force = click.option("--force", is_flag=True, help="Replace the file if it exists.")
types = click.option(
    "--type",
    "types",
    multiple=True,
    metavar="TYPE",
    type=read_text,
    shell_complete=complete_type,
    help="Only events of this type; may be repeated.",
)
where = click.option(
    "--where",
    multiple=True,
    metavar="CONDITION",
    callback=read_conditions,
    shell_complete=complete_property,
    help="Only events with this property, such as plan=pro or price>=10; may be repeated.",
)
who = click.option(
    "--who",
    type=click.Choice(get_args(Who)),
    help="Only visitors who are new in the period, came before, or have an address or user id.",
)
min_sessions = click.option(
    "--min-sessions",
    metavar="N",
    type=click.IntRange(1, MAX_ROWS),
    help="Leave out or do not judge what fewer visits did. Default: TCS_EVENTS_MIN_SESSIONS.",
)


def of_funnel(function: Function) -> Function:
    """Add `--within`, `--per` and `--break-down`."""
    for option in reversed(
        [
            click.option(
                "--within",
                metavar="TIME",
                type=read_within,
                help="Count visitors instead of visits, whose other steps follow within this time:"
                " 12h, 7d, up to 90d.",
            ),
            click.option(
                "--per",
                type=click.Choice(get_args(Per)),
                default="visitor",
                show_default=True,
                help="With --within: what counts once. Sessions linked to one user or address are"
                " a person.",
            ),
            click.option(
                "--break-down",
                metavar="PROPERTY",
                type=read_property,
                shell_complete=complete_property,
                help="With --within: also for each value of this property of the first step, such"
                " as plan.",
            ),
        ]
    ):
        function = option(function)
    return function


def one_type(text: str, read: Callable[[str], str] = read_text) -> Decorator:
    """Add `--type`, which is given at most once, and pass it as `event_type`, or None.

    Args:
        text: its help.
        read: how its value is read: as any text, or with `read_type` if it becomes a step.
    """
    return click.option(
        "--type",
        "event_type",
        metavar="TYPE",
        type=read,
        shell_complete=complete_type,
        help=text,
    )


def unit(*units: str, default: str) -> Decorator:
    """Add `--unit`: the unit of time. Its name in 0.1.0, `--by`, is read too, and not shown."""

    def decorate(function: Function) -> Function:
        choice = click.Choice(units)

        @click.option(
            "--unit", type=choice, default=default, show_default=True, help="The unit of time."
        )
        @click.option("--by", type=choice, hidden=True)
        # `wraps` also copies the options that click has already attached to the function.
        @wraps(function)
        def with_unit(*args: object, unit: str, by: str | None, **values: object) -> Any:
            return function(*args, unit=by or unit, **values)

        return with_unit

    return decorate


def limit(default: int | None, plural: str) -> Decorator:
    """Add `--limit`: the most rows to show. `plural` says what they are, such as "queries"."""
    return click.option(
        "--limit",
        cls=WordedOption,
        metavar="N",
        type=click.IntRange(1, MAX_ROWS),
        default=default,
        show_default=default is not None,
        help=f"At most N {plural}.",
    )


def of_period(function: Function) -> Function:
    """Add `--days`, `--from` and `--to`, and pass a `period`. The default is the last 30 days."""
    return _with_period(function, DEFAULT_DAYS)


def of_any_period(function: Function) -> Function:
    """Add the same options, but pass None if none is given, which means all events."""
    return _with_period(function, None)


def _with_period(function: Function, default_days: int | None) -> Function:
    default = f"default: {default_days}" if default_days else "default: all days"

    @click.option(
        "--days",
        metavar="N",
        type=click.IntRange(1, MAX_DAYS),
        help=f"The last N days up to --to ({default}).",
    )
    @click.option("--from", "first", type=read_day, metavar=DAY, help="The first day.")
    @click.option("--to", "last", type=read_day, metavar=DAY, help="The last day; default: today.")
    # `wraps` also copies the options that click has already attached to the function.
    @wraps(function)
    def with_period(
        *args: object, days: int | None, first: date | None, last: date | None, **values: object
    ) -> Any:
        if default_days is None and days is None and first is None and last is None:
            return function(*args, period=None, **values)
        period = read_period(days, first, last, default_days or DEFAULT_DAYS)
        return function(*args, period=period, **values)

    return with_period


def read_period(
    days: int | None, first: date | None, last: date | None, default_days: int
) -> Period:
    """Return the period that the options give.

    Raises:
        click.UsageError: the options contradict each other, or the period is invalid.
    """
    if days is not None and first is not None:
        raise click.UsageError("--days and --from both say where to begin; give one of them.")
    zone = registration_of(current_app).settings.timezone
    last = last or date_in(zone, datetime.now(UTC))
    first = first or last - timedelta(days=(days or default_days) - 1)
    try:
        return Period(first, last)
    except ValueError as error:
        # The errors of Python functions begin in lower case; click shows a sentence.
        raise click.UsageError(f"{error}.".capitalize()) from None
