"""Reads the query string: the period, and the parameters of a page."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import TypeVar

from werkzeug.datastructures import MultiDict

from tcs_events.dashboard.filters import NO_FILTERS, Filters, read_filters
from tcs_events.dashboard.parameters import (
    PARAMETER_MAX_LENGTH,
    BadParameter,
    checked,
    checked_texts,
)
from tcs_events.errors import NotCounted
from tcs_events.event_types.marketplace import has_role
from tcs_events.event_types.roles import Role
from tcs_events.event_types.words import Words, words_of
from tcs_events.reports import Period, Reports
from tcs_events.reports.exposure import Catalogue
from tcs_events.reports.period import MAX_DAYS

Word = TypeVar("Word", bound=str)

PERIODS: dict[str, dict[str, str]] = {
    "today": {"days": "1"},
    "yesterday": {"period": "yesterday"},
    "7 days": {"days": "7"},
    "30 days": {"days": "30"},
    "90 days": {"days": "90"},
    "12 months": {"days": "365"},
    "all": {"period": "all"},
}
"""The periods that have a link of their own, and their URL parameters."""
NAMED = ("", "yesterday", "all")
"""The values of the parameter `period`, for what a number of days cannot say; "" for none."""
DEFAULT_DAYS = 30
FIRST_YEAR, LAST_YEAR = 1970, 2999
MAX_PAGE = 100
PERIOD_NAMES = ("days", "from", "to", "period")
EXACT = "exact"
"""The URL parameter that asks a page for exact numbers, however long they take. No link keeps it.
"""
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


@dataclass(frozen=True)
class Asked:
    """What a URL asks for."""

    args: MultiDict[str, str]
    reports: Reports
    """Answers the question. All that one page asks of it shares one time limit."""
    period: Period
    days: int | None
    """The number of days up to today; None when the URL says otherwise."""
    catalogue: Catalogue | None = None
    cut_from: Period | None = None
    """The period that was asked for, when it is longer than the page can show; else None."""
    filters: Filters = NO_FILTERS
    """What the URL narrows the counts down to. A page follows those that its `Page` names."""
    named: str = ""
    """The word for the period in the URL, one of `NAMED`."""

    @property
    def period_args(self) -> dict[str, str]:
        """The period as URL parameters: the one that was asked for, even if the page cut it."""
        if self.named:
            return {"period": self.named}
        if self.days is not None:
            return {"days": str(self.days)}
        return _dates(self.cut_from or self.period)

    @property
    def is_exact(self) -> bool:
        """Whether the URL asks for exact numbers where the page would show estimates."""
        return self.args.get(EXACT) == "yes"

    @property
    def today(self) -> date:
        """The day that is not over yet, in the time zone of the reports."""
        return self.reports.last_days(1).last

    @property
    def earlier(self) -> Period | None:
        """The period of the same length just before the one that was asked for; None for none."""
        before = (self.cut_from or self.period).before()
        return None if self.named == "all" or before.first.year < FIRST_YEAR else before

    @property
    def later(self) -> Period | None:
        """The period of the same length just after it, up to today at most; None for none."""
        period = self.cut_from or self.period
        days = min(period.days, (self.today - period.last).days)
        if self.named == "all" or days < 1:
            return None
        return Period(period.first + timedelta(days=days), period.last + timedelta(days=days))

    def args_of(self, period: Period) -> dict[str, str]:
        """Return another period as URL parameters: one up to today as a number of days."""
        return {"days": str(period.days)} if period.last == self.today else _dates(period)

    @property
    def words(self) -> Words:
        """The host's words for an item."""
        return words_of(self.reports.settings.event_types)

    def has(self, *roles: type[Role]) -> bool:
        """Return whether the host has an event type with one of these roles; True for no roles."""
        return not roles or has_role(self.reports.settings.event_types, *roles)

    def text(self, name: str, max_length: int = PARAMETER_MAX_LENGTH) -> str:
        """Return a parameter without surrounding spaces, "" if it is missing."""
        return checked(name, self.args.get(name, ""), max_length)

    def texts(self, name: str, max_count: int) -> list[str]:
        """Return all values of a parameter that may be repeated, without empty ones."""
        return checked_texts(name, self.args.getlist(name), max_count)

    def choice(self, name: str, choices: Sequence[Word]) -> Word:
        """Return a parameter that has a few choices; the first is the default."""
        text = self.text(name) or choices[0]
        for choice in choices:
            if text == choice:
                return choice
        raise BadParameter(
            f"“{name}” must be one of {', '.join(filter(None, choices))}, not “{text}”."
        )

    def number(self, name: str, default: int, maximum: int) -> int:
        """Return a parameter that is a whole number from 1 to `maximum`."""
        text = self.text(name)
        if not text:
            return default
        return _number(name, text, maximum)

    def unknown(self, known: Iterable[str]) -> list[str]:
        """Return the names in the URL that are not among the known ones."""
        return [name for name in self.args if name not in known]

    def at_most(self, days: int) -> Asked:
        """Return the same question with its period cut to the last `days` days."""
        if self.period.days <= days:
            return self
        last = self.period.last
        cut = Period(last - timedelta(days=days - 1), last)
        return replace(self, period=cut, cut_from=self.cut_from or self.period)


def ask(args: MultiDict[str, str], reports: Reports, catalogue: Catalogue | None = None) -> Asked:
    """Read the period and the filters from the query string. The default is the last 30 days.

    Raises:
        BadParameter: the period or a filter is invalid.
    """
    filters = read_filters(args)
    texts = {name: checked(name, args.get(name, ""), 10) for name in PERIOD_NAMES}
    if named := texts["period"]:
        if named not in NAMED:
            raise BadParameter(f"“period” must be one of yesterday, all, not “{named}”.")
        if any(texts[name] for name in PERIOD_NAMES if name != "period"):
            raise BadParameter("“period” says which days; leave out “days”, “from” and “to”.")
        return Asked(
            args,
            reports,
            _period_of(named, reports),
            None,
            catalogue,
            filters=filters,
            named=named,
        )
    if texts["days"] and texts["from"]:
        raise BadParameter("“days” and “from” both say where to begin; give one of them.")
    days = _number("days", texts["days"], MAX_DAYS) if texts["days"] else DEFAULT_DAYS
    if not (texts["from"] or texts["to"]):
        return Asked(args, reports, reports.last_days(days), days, catalogue, filters=filters)
    today = reports.last_days(1).last
    last = _date("to", texts["to"]) if texts["to"] else today
    first = _date("from", texts["from"]) if texts["from"] else last - timedelta(days=days - 1)
    try:
        return Asked(args, reports, Period(first, last), None, catalogue, filters=filters)
    except ValueError:
        raise BadParameter(
            f"“from” ({first}) cannot be after “to” ({last}) or more than ten years before it."
        ) from None


def _period_of(named: str, reports: Reports) -> Period:
    today = reports.last_days(1).last
    if named == "yesterday":
        return Period(today - timedelta(days=1), today - timedelta(days=1))
    try:
        first = reports.first_day()
    except NotCounted:
        # A page that reads counts says so itself. One that does not needs none.
        return reports.last_days(MAX_DAYS)
    if first is None or first > today:
        return reports.last_days(DEFAULT_DAYS)
    return Period(max(first, today - timedelta(days=MAX_DAYS - 1)), today)


def _dates(period: Period) -> dict[str, str]:
    return {"from": period.first.isoformat(), "to": period.last.isoformat()}


def _number(name: str, text: str, maximum: int) -> int:
    if not re.fullmatch(r"[0-9]{1,6}", text) or not 1 <= int(text) <= maximum:
        raise BadParameter(f"“{name}” must be a whole number from 1 to {maximum}.")
    return int(text)


def _date(name: str, text: str) -> date:
    try:
        if not _DATE.fullmatch(text):
            raise ValueError
        day = date.fromisoformat(text)
    except ValueError:
        raise BadParameter(f"“{name}” must be a date such as 2026-01-31.") from None
    if not FIRST_YEAR <= day.year <= LAST_YEAR:
        raise BadParameter(f"“{name}” must be a date from {FIRST_YEAR} to {LAST_YEAR}.")
    return day


__all__ = [
    "DEFAULT_DAYS",
    "EXACT",
    "MAX_PAGE",
    "PERIODS",
    "PERIOD_NAMES",
    "Asked",
    "BadParameter",
    "ask",
]
