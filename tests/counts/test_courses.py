"""Saved funnels over days are counted as events come, and say what the events say."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from itertools import count
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import delete, insert, select, update
from sqlalchemy.event import listen, remove

from tcs_events import UserEvent, reports
from tcs_events.counts import course_counting, tables
from tcs_events.counts.lease import LEASE
from tcs_events.counts.position import SETTLED_AFTER
from tcs_events.event import Event
from tcs_events.models import UserEventBotSession
from tcs_events.reports import FunnelOverDays, Period
from tests.conftest import MakeHost
from tests.counts.conftest import HOST
from tests.counts.counting import Counting, ask, click, insert_event
from tests.reports.test_against_truth import FUNNELS, counted
from tests.reports.truth import World, funnel_over_days, ways
from tests.reports.worlds import DAYS, first_day, make_world

BERLIN = ZoneInfo("Europe/Berlin")
SETTLED = SETTLED_AFTER.total_seconds() + 1
MONDAY = datetime(2024, 5, 6, 10, tzinfo=UTC)
PATIENCE = 3600.0
"""Seconds for counting old days, on a machine that is busy."""
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
SAVED = [(texts, within) for texts in FUNNELS for within in ("31h", "3d")]
"""Two times allowed for each funnel: one ends within a day of others, the other days later."""
STEPS = [reports.step("sage_query"), reports.step("card_click")]
MAY = Period(date(2024, 5, 1), date(2024, 5, 31))


class Died(BaseException):
    """The process is killed: nothing after this runs."""


def save(counting: Counting) -> Counting:
    with counting.app.app_context():
        for number, (texts, within) in enumerate(SAVED):
            steps = [reports.step(text) for text in texts]
            reports.save_funnel(f"{number}", steps, within)
    counting.refresher.refresh(funnel_seconds=PATIENCE)
    return counting


@pytest.fixture
def saved(counting: Counting) -> Counting:
    return save(counting)


@pytest.fixture
def saved_bots(make_host: MakeHost, database_url: str) -> Counting:
    return save(Counting(make_host(database_url, **HOST, TCS_EVENTS_BOTS="mark")))


def funnel(period: Period, texts: tuple[str, ...], within: str, **options: Any) -> FunnelOverDays:
    return reports.funnel(period, [reports.step(text) for text in texts], within, **options)


def assert_true(counting: Counting, random: Random, periods: int = 2) -> None:
    """Compare the kept courses with the events, for random periods."""
    world = counting.world()
    with counting.app.app_context():
        for texts, within in SAVED:
            for _ in range(periods):
                first = first_day(world.zone) + timedelta(days=random.randrange(-1, DAYS + 1))
                period = Period(first, first + timedelta(days=random.randrange(DAYS)))
                who = random.choice([None, None, "new", "returning", "known"])
                kept = funnel(period, texts, within, who=who)
                assert kept.counted_at is not None
                read = funnel(period, texts, within, who=who, break_down="plan")
                assert read.counted_at is None
                assert kept.steps == read.steps, (texts, within, period, who)
                if who is None:
                    assert counted(kept.steps, "visitor") == truly(world, period, texts, within)


def truly(world: World, period: Period, texts: tuple[str, ...], within: str) -> object:
    hours = int(within[:-1]) * (24 if within.endswith("d") else 1)
    steps = FUNNELS[texts]
    found = ways(world, period, steps, timedelta(hours=hours), False, lambda event: None)
    return funnel_over_days(found, len(steps))


def assert_as_rebuilt(counting: Counting) -> None:
    kept = counting.kept()
    counting.another_refresher().refresh(rebuild=True, funnel_seconds=PATIENCE)
    rebuilt = counting.kept()
    for name, rows in rebuilt.items():
        assert kept[name] == rows, name


def settle(counting: Counting) -> None:
    for _ in range(3):
        counting.refresher.refresh()
        counting.clock.advance(SETTLED)


def change_something(counting: Counting, random: Random, left: list[Event]) -> None:
    """Store, delete, forget or edit events, as visitors, hosts and their commands do."""
    stored = counting.world().events
    chosen = random.sample(stored, min(len(stored), random.randint(1, 3)))
    match random.choices(("store", "delete", "forget", "edit"), (8, 1, 1, 1))[0]:
        case "delete" if chosen:
            counting.delete(*chosen)
        case "forget" if chosen:
            counting.forget(chosen[0].session_id)
        case "edit" if chosen:
            with counting.engine.begin() as connection:
                is_chosen = UserEvent.event_id == chosen[0].event_id
                if random.random() < 0.5:
                    connection.execute(delete(UserEvent).where(is_chosen))
                else:
                    at = chosen[0].created_at + timedelta(minutes=random.choice((-7, 7, 3000)))
                    connection.execute(update(UserEvent).where(is_chosen).values(created_at=at))
        case _:
            counting.add(*left[:9])
            del left[:9]


@pytest.mark.parametrize(
    ("zone", "seed"), [("Europe/Berlin", 0), ("America/Sao_Paulo", 1), ("Australia/Lord_Howe", 2)]
)
def test_whatever_happens_they_say_what_the_events_say(
    make_host: MakeHost,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
    zone: str,
    seed: int,
) -> None:
    monkeypatch.setattr(course_counting, "SESSIONS_AT_ONCE", 2)
    monkeypatch.setattr(course_counting, "CHANGES_AT_ONCE", 3)
    counting = save(Counting(make_host(database_url, **{**HOST, "TCS_EVENTS_TIMEZONE": zone})))
    random, left = Random(seed), make_world(seed + 40, ZoneInfo(zone)).events
    while left:
        change_something(counting, random, left)
        if random.random() < 0.5:
            assert counting.refresher.refresh() is not None
            counting.clock.advance(random.choice((1, SETTLED / 2, SETTLED)))
    settle(counting)  # what was edited by hand is found by the audit
    assert_true(counting, random)
    assert_as_rebuilt(counting)


def test_one_that_is_saved_later_is_counted_for_old_days_the_newest_first(
    counting: Counting,
) -> None:
    for number in range(5):
        counting.add(ask(MONDAY + number * DAY), click(MONDAY + number * DAY + HOUR))
    settle(counting)
    save(counting)
    with counting.app.app_context():
        assert reports.funnel(MAY, STEPS, "3d").counted_at is not None
        reports.save_funnel("later", STEPS, "2d")
        assert reports.funnel(MAY, STEPS, "2d").counted_at is None  # its events are read
        for done in range(1, 6):
            counting.refresher.refresh(funnel_seconds=-1)  # a day each
            newest = Period(date(2024, 5, 11 - done), date(2024, 5, 31))
            assert reports.funnel(newest, STEPS, "2d").counted_at is not None
            assert reports.funnel(MAY, STEPS, "2d").counted_at is None
            counting.add(click(MONDAY + done * DAY, f"e{done}"))
        counting.refresher.refresh(funnel_seconds=PATIENCE)
        answer = reports.funnel(MAY, STEPS, "2d")
        assert answer.counted_at is not None
        assert answer.steps == reports.funnel(MAY, STEPS, "2d", break_down="x").steps
    assert_as_rebuilt(counting)


def test_one_that_is_not_saved_any_more_goes_with_its_courses(saved: Counting) -> None:
    saved.add(ask(MONDAY), click(MONDAY + DAY))
    saved.refresher.refresh()
    with saved.app.app_context():
        for name in [each.name for each in reports.saved_funnels()]:
            reports.delete_funnel(name)
        saved.refresher.refresh()
        assert reports.funnel(MAY, STEPS, "3d").counted_at is None
    kept = saved.kept()
    assert [kept[name] for name in ("user_event_course_funnels", "user_event_courses")] == [[], []]


def test_a_late_event_changes_the_days_before_it(saved: Counting) -> None:
    saved.add(ask(MONDAY))
    settle(saved)
    with saved.app.app_context():
        assert [row.visitors for row in reports.funnel(MAY, STEPS, "3d").steps] == [1, 0]
        saved.add(click(MONDAY + 3 * DAY), click(MONDAY + 3 * DAY + HOUR, "bo"))
        saved.refresher.refresh()
        answer = reports.funnel(Period(MONDAY.date(), MONDAY.date()), STEPS, "3d")
        assert [row.visitors for row in answer.steps] == [1, 1]
        assert answer.steps[1].median_seconds == 3 * 24 * 3600
        assert answer.counted_at is not None
    assert_as_rebuilt(saved)


def test_of_a_visitor_who_is_forgotten_nothing_stays(saved: Counting) -> None:
    saved.add(ask(MONDAY), click(MONDAY + DAY), ask(MONDAY, session_id="other"))
    saved.refresher.refresh()
    saved.forget("s")
    with saved.engine.connect() as connection:  # at once, before a refresh
        sessions = set(connection.scalars(select(tables.courses.c.session_id)))
    assert sessions == {"other"}
    saved.refresher.refresh()
    assert_as_rebuilt(saved)


def test_a_session_that_is_marked_as_a_crawler_is_left_out(saved_bots: Counting) -> None:
    saved_bots.add(ask(MONDAY, session_id="bot"), ask(MONDAY))
    saved_bots.refresher.refresh()
    with saved_bots.engine.begin() as connection:
        row = {"session_id": "bot", "marked_at": saved_bots.clock.now}
        connection.execute(insert(UserEventBotSession).values(row))
    saved_bots.add(click(MONDAY + 20 * DAY, session_id="bot"))
    saved_bots.refresher.refresh()
    with saved_bots.app.app_context():
        answer = reports.funnel(MAY, STEPS, "3d")
        assert answer.counted_at is not None
        assert answer.steps[0].visitors == 1
    assert_as_rebuilt(saved_bots)


@contextmanager
def killed_before_commit(counting: Counting, number: int) -> Iterator[None]:
    commits = count()

    def die(_: object) -> None:
        if next(commits) == number:
            raise Died

    listen(counting.engine, "commit", die)
    try:
        yield
    finally:
        remove(counting.engine, "commit", die)


def test_wherever_it_is_killed_the_next_refresh_goes_on(saved: Counting) -> None:
    """A process is killed before each of the commits of a refresh in turn."""
    saved.add(ask(MONDAY), ask(MONDAY + DAY, session_id="t"))
    settle(saved)
    survived, at_commit = False, 0
    while not survived:
        saved.add(click(MONDAY + DAY + at_commit * timedelta(minutes=1), f"e{at_commit}"))
        try:
            with killed_before_commit(saved, at_commit):
                saved.another_refresher().refresh()
            survived = True
        except Died:
            at_commit += 1
        saved.clock.advance(LEASE.total_seconds() + 1)  # it did not give its lease back
        assert saved.refresher.refresh() is not None
        assert_as_rebuilt(saved)
    assert at_commit > 5


def test_what_is_deleted_while_a_session_is_followed_is_not_kept(
    saved: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved.add(ask(MONDAY))
    settle(saved)
    gone = click(MONDAY + DAY)
    saved.add(gone)
    follow: Callable[..., Any] = course_counting.follow

    def follow_and_delete(*args: Any) -> Any:
        followed = follow(*args)
        saved.delete(gone)
        return followed

    with monkeypatch.context() as patch:
        patch.setattr(course_counting, "follow", follow_and_delete)
        saved.refresher.refresh()
    saved.refresher.refresh()
    with saved.app.app_context():
        assert [row.visitors for row in reports.funnel(MAY, STEPS, "3d").steps] == [1, 0]
    assert_as_rebuilt(saved)


def test_what_comes_while_a_session_is_followed_waits_until_it_is_counted(
    saved: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If it is deleted before that, nothing says that the session must be followed again."""
    saved.add(ask(MONDAY))
    settle(saved)
    saved.add(ask(MONDAY + HOUR, "second"))
    late = click(MONDAY + DAY)
    follow: Callable[..., Any] = course_counting.follow

    def store_and_follow(*args: Any) -> Any:
        saved.add(late)
        return follow(*args)

    with monkeypatch.context() as patch:
        patch.setattr(course_counting, "follow", store_and_follow)
        saved.refresher.refresh()
    saved.delete(late)
    saved.refresher.refresh()
    with saved.app.app_context():
        assert [row.visitors for row in reports.funnel(MAY, STEPS, "3d").steps] == [1, 0]
    saved.add(late)
    saved.refresher.refresh()
    with saved.app.app_context():
        assert [row.visitors for row in reports.funnel(MAY, STEPS, "3d").steps] == [1, 1]
    assert_as_rebuilt(saved)


def test_who_is_forgotten_while_being_followed_is_not_kept(
    saved: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved.add(ask(MONDAY))
    settle(saved)
    saved.add(click(MONDAY + DAY))
    follow: Callable[..., Any] = course_counting.follow

    def follow_and_forget(*args: Any) -> Any:
        followed = follow(*args)
        saved.forget("s")
        return followed

    with monkeypatch.context() as patch:
        patch.setattr(course_counting, "follow", follow_and_forget)
        saved.refresher.refresh()
    with saved.engine.connect() as connection:
        assert connection.execute(select(tables.courses)).all() == []
    saved.clock.advance(LEASE.total_seconds() + 1)
    saved.refresher.refresh()
    assert_as_rebuilt(saved)


def test_an_event_of_before_all_counted_days_is_followed(saved: Counting) -> None:
    saved.add(ask(MONDAY))
    settle(saved)
    early = MONDAY - 400 * DAY
    with saved.engine.begin() as connection:
        connection.execute(insert_event(ask(early)))
        connection.execute(insert_event(click(early + HOUR)))
    saved.refresher.refresh()
    with saved.app.app_context():
        answer = reports.funnel(Period(early.date(), early.date()), STEPS, "3d")
        assert answer.counted_at is not None
        assert [row.visitors for row in answer.steps] == [1, 1]
    assert_as_rebuilt(saved)
