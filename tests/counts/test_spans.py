"""The sums of whole weeks and months are stored once, and are the sums of their days."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from random import Random

import pytest
from sqlalchemy import func, select

from tcs_events.counts import tables
from tcs_events.counts.days import dates
from tcs_events.counts.position import SETTLED_AFTER
from tcs_events.counts.refresh import _Refresh
from tcs_events.counts.spans import month_of, pieces_of, week_of
from tcs_events.host.reports import current_reports
from tcs_events.reports import Period, reading
from tests.counts.counting import Counting, ask, click
from tests.reports.test_against_truth import check_exposure, check_top, check_unmet_demand

FIRST = datetime(2024, 2, 27, 10, tzinfo=UTC)  # a Tuesday
DAYS = 75
Span = tuple[str, date]


def test_the_pieces_hold_each_day_once_and_are_months_before_weeks_before_days() -> None:
    for seed in range(40):
        random = Random(seed)
        first = FIRST.date() + timedelta(days=random.randrange(60))
        last = first + timedelta(days=random.randrange(100))
        days = list(dates(first, last))
        spans = sorted({of(day) for day in days for of in (week_of, month_of)})
        built = {(span.unit, span.first) for span in spans if random.random() < 0.8}
        pieces = pieces_of(first, last, built)
        held = [day for piece in pieces for day in dates(piece.first, piece.last)]
        assert held == days, f"seed {seed}"
        whole = [
            span
            for span in spans
            if first <= span.first and span.last <= last and (span.unit, span.first) in built
        ]
        months = [span for span in whole if span.unit == "month"]
        assert [piece for piece in pieces if piece.unit == "month"] == months, f"seed {seed}"
        assert [piece for piece in pieces if piece.unit == "week"] == [
            week
            for week in whole
            if week.unit == "week"
            and all(week.last < month.first or month.last < week.first for month in months)
        ], f"seed {seed}"


def test_a_year_is_read_in_few_pieces() -> None:
    """Daily rows of a year take seconds to add up: see the benchmarks."""
    year = list(dates(date(2023, 5, 10), date(2024, 5, 8)))
    built = {(of(day).unit, of(day).first) for day in year for of in (week_of, month_of)}
    assert len(pieces_of(year[0], year[-1], built)) == 29


def some_weeks(counting: Counting) -> None:
    random = Random(1)
    for number in range(DAYS):
        at = FIRST + timedelta(days=number)
        session = f"visitor-{random.randrange(9)}"
        counting.add(
            ask(at, random.choice(["rust", "go"]), session, count=random.choice([0, 3])),
            click(at + timedelta(minutes=1), random.choice(["ada", "bo"]), session),
        )


def settled_weeks(counting: Counting) -> None:
    """Refresh until no rows are read again."""
    some_weeks(counting)
    for _ in range(3):
        counting.refresher.refresh()
        counting.clock.advance(SETTLED_AFTER.total_seconds() + 1)


def built(counting: Counting) -> set[Span]:
    with counting.engine.connect() as connection:
        return {(unit, day) for unit, day in connection.execute(select(tables.spans))}


def check_periods(counting: Counting) -> None:
    """Compare reports on many periods with the correct counts."""
    world, random = counting.world(), Random(2)
    first, last = FIRST.date(), FIRST.date() + timedelta(days=DAYS - 1)
    periods = [Period(first, last), Period(date(2024, 3, 1), date(2024, 4, 30))]
    for _ in range(3):
        begin = first + timedelta(days=random.randrange(DAYS))
        periods.append(Period(begin, begin + timedelta(days=random.randrange(DAYS))))
    with counting.app.app_context():
        for period in periods:
            check_exposure(world, period)
            check_unmet_demand(world, period)
            check_top(world, period)


def test_reports_of_any_period_are_true_from_spans(counting: Counting) -> None:
    some_weeks(counting)
    counting.refresher.refresh()
    assert {("week", date(2024, 2, 26)), ("month", date(2024, 3, 1))} <= built(counting)
    check_periods(counting)
    counting.assert_true()


def test_what_is_not_over_is_not_summed_up(counting: Counting) -> None:
    some_weeks(counting)  # until Saturday, the 11th of May
    counting.refresher.refresh()
    assert ("week", date(2024, 4, 29)) in built(counting)
    assert {("week", date(2024, 5, 6)), ("month", date(2024, 5, 1))}.isdisjoint(built(counting))

    counting.add(click(FIRST + timedelta(days=DAYS)))  # on Sunday: the newest day may go on
    counting.refresher.refresh()
    assert ("week", date(2024, 5, 6)) not in built(counting)

    counting.add(click(FIRST + timedelta(days=DAYS + 1)))
    counting.refresher.refresh()
    assert ("week", date(2024, 5, 6)) in built(counting)
    counting.assert_true()


def test_late_and_deleted_events_change_the_spans_of_their_days(counting: Counting) -> None:
    settled_weeks(counting)
    before = built(counting)
    late = [click(FIRST + timedelta(days=days), "cy") for days in (40, 62)]
    counting.add(*late)
    counting.refresher.refresh()
    assert built(counting) == before
    check_periods(counting)

    counting.delete(late[0])
    counting.refresher.refresh()
    assert built(counting) == before
    check_periods(counting)
    counting.assert_true()


def test_a_span_is_gone_as_soon_as_one_of_its_days_is_counted_again(
    counting: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If a refresh fails before it builds spans, the days are there. The next builds the spans."""
    settled_weeks(counting)
    before = built(counting)
    counting.add(click(FIRST + timedelta(days=40), "cy"))
    with monkeypatch.context() as patch:
        patch.setattr(_Refresh, "_build_spans", lambda *_: None)
        counting.refresher.refresh()
    assert before - built(counting) == {("week", date(2024, 4, 1)), ("month", date(2024, 4, 1))}
    check_periods(counting)
    counting.refresher.refresh()
    assert built(counting) == before
    counting.assert_true()


@pytest.mark.parametrize("holds_still", [True, False])
def test_what_is_counted_between_two_looks_is_not_seen(
    counting: Counting, monkeypatch: pytest.MonkeyPatch, holds_still: bool
) -> None:
    """A report reads which spans there are, and then their rows. Otherwise days are missing."""
    some_weeks(counting)
    counting.refresher.refresh()
    if not holds_still:
        monkeypatch.setattr(reading, "hold_still", lambda connection: None)
    period = Period(FIRST.date(), FIRST.date() + timedelta(days=DAYS - 1))
    exposed = func.sum(tables.exposure.c.exposed)
    with counting.app.app_context(), current_reports().counts() as connection:
        is_within = reading.in_period(connection, tables.exposure, period)
        with monkeypatch.context() as patch:
            patch.setattr(_Refresh, "_build_spans", lambda *_: None)
            counting.add(click(FIRST + timedelta(days=40), "cy"))
            counting.refresher.refresh()
        found = connection.scalar(select(exposed).where(is_within))
    with counting.app.app_context(), current_reports().counts() as connection:
        is_within = reading.in_period(connection, tables.exposure, period)
        whole = connection.scalar(select(exposed).where(is_within))
    assert (found == whole - 1) is holds_still
