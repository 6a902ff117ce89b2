"""What commands print around a report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Sized

import click
from flask import current_app

from tcs_events.cli.output import print_json, print_line, print_wrapped
from tcs_events.cli.visible import visible
from tcs_events.event_types.marketplace import has_role
from tcs_events.event_types.roles import Click, FilterChange, Impression, Role, Search
from tcs_events.host import registration_of
from tcs_events.reports import Period

_EXAMPLES: dict[type[Role], str] = {
    Search: 'Search(query="text")',
    Click: 'Click(item="id")',
    Impression: 'Impression(item="id")',
    FilterChange: 'FilterChange(filter="name", value="value")',
}
"""How a role is written, with the fields that it needs."""


def print_heading(period: Period) -> None:
    """Print the period and the time zone of its days."""
    zone = registration_of(current_app).settings.timezone
    print_line(f"{period.first} to {period.last} ({zone.key})")
    print_line()


def print_answer(
    answer: Sequence[object] | Mapping[str, object], period: Period, zone: str | None = None
) -> None:
    """Print the answer of a question about a period as one JSON object.

    Args:
        answer: its lists by name, or its only list, which is named `rows`.
        period: the days that were asked about.
        zone: their time zone; None for that of the reports.
    """
    named = answer if isinstance(answer, Mapping) else {"rows": answer}
    timezone = zone or registration_of(current_app).settings.timezone.key
    print_json({"period": period, "timezone": timezone, **named})


def print_notices(notices: Sequence[str]) -> None:
    """Print notices on stderr, because stdout may be JSON."""
    for notice in notices:
        click.echo(visible(notice), err=True)


def print_nothing(period: Period, plural: str, *roles: type[Role]) -> None:
    """Print that the period has none of something, such as "events".

    If it is about roles, and no event type of the host has one of them, print that instead.
    """
    print_wrapped(undeclared(*roles) or f"No {plural} from {period.first} to {period.last}.")


def warn_if_undeclared(rows: Sized, *roles: type[Role]) -> None:
    """Say on stderr if there are no rows because no event type has one of the roles."""
    if not rows and (told := undeclared(*roles)):
        click.echo(told, err=True)


def undeclared(*roles: type[Role]) -> str:
    """Return a sentence that says how to declare a role; "" if an event type has one of them."""
    if not roles or has_role(registration_of(current_app).settings.event_types, *roles):
        return ""
    names = [role.__name__ for role in roles]
    named = " or ".join(filter(None, (", ".join(names[:-1]), names[-1])))
    return (
        f"Nothing is counted, because no event type has the role {named}. Declare one:"
        f' EventType("...", role={_EXAMPLES[roles[0]]}).'
    )


def warn_if_incomplete() -> None:
    """Say on stderr if the counts are not complete. To call after the report was asked."""
    if registration_of(current_app).refresher.refreshed_at() is None:
        click.echo(
            "All events are being counted again; until that is done, numbers are too low.",
            err=True,
        )
