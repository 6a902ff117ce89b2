"""A refresh adds what is new of some sessions to a day. The counts are those of a rebuild."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import delete, insert, update
from sqlalchemy.event import listen, remove

from tcs_events import UserEvent, UserEventBotSession
from tcs_events.counts import adding, properties, tables
from tcs_events.counts import counting as day_counting
from tcs_events.counts.lease import LEASE
from tcs_events.counts.position import SETTLED_AFTER
from tcs_events.counts.properties import UNCOUNTED
from tcs_events.counts.steps import step
from tcs_events.event import Event
from tests.conftest import MakeHost
from tests.counts.conftest import HOST
from tests.counts.counting import Counting, ask, click, insert_event
from tests.reports.worlds import make_world

MONDAY = datetime(2024, 5, 6, 10, tzinfo=UTC)
TUESDAY = MONDAY + timedelta(days=1)
MIDNIGHT = datetime(2024, 5, 6, 22, tzinfo=UTC)  # in Berlin
MINUTE = timedelta(minutes=1)
BERLIN = ZoneInfo("Europe/Berlin")
SETTLED = SETTLED_AFTER.total_seconds() + 1


class Died(BaseException):
    """Raised to end a refresh as if its process was killed."""


@pytest.fixture(autouse=True)
def _adds_to_small_days(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise a day with a few events is counted as a whole, because that is as fast."""
    monkeypatch.setattr(adding, "MIN_EVENTS", 0)
    monkeypatch.setattr(adding, "MAX_SHARE", math.inf)


@pytest.fixture
def counting_bots(make_host: MakeHost, database_url: str) -> Counting:
    return Counting(make_host(database_url, TCS_EVENTS_BOTS="mark", **HOST))


@contextmanager
def reading_no_whole_day(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    def refuse(*_: object) -> None:
        raise AssertionError("a whole day was counted")

    with monkeypatch.context() as patch:
        patch.setattr(day_counting, "count_day", refuse)
        yield


def settle(counting: Counting) -> None:
    """Refresh until no rows are read again."""
    for _ in range(3):
        counting.refresher.refresh()
        counting.clock.advance(SETTLED)


def assert_as_rebuilt(counting: Counting) -> None:
    kept = counting.kept()
    counting.another_refresher().refresh(rebuild=True)
    rebuilt = counting.kept()
    for name, rows in rebuilt.items():
        assert kept[name] == rows, name


def two_days(counting: Counting) -> None:
    for number in range(4):
        for at in (MONDAY, TUESDAY):
            session_id = f"s{number}"
            counting.add(ask(at, session_id=session_id), click(at + MINUTE, session_id=session_id))
    settle(counting)


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
                    at = chosen[0].created_at + timedelta(minutes=random.choice((-7, 7, 300)))
                    connection.execute(update(UserEvent).where(is_chosen).values(created_at=at))
        case _:
            counting.add(*left[:5])
            del left[:5]


def live(counting: Counting, seed: int) -> None:
    """Let a world happen, with refreshes in between, and count the rest of it."""
    random, left = Random(seed), make_world(seed, BERLIN).events
    counting.add(*left[:30])
    del left[:30]
    while left:
        change_something(counting, random, left)
        if random.random() < 0.7:
            assert counting.refresher.refresh() is not None
            counting.clock.advance(random.choice((1, SETTLED / 2, SETTLED)))
    settle(counting)  # what was edited by hand is found by the audit


@pytest.mark.parametrize("seed", range(3))
def test_whatever_happens_the_counts_are_those_of_a_rebuild(counting: Counting, seed: int) -> None:
    live(counting, seed)
    assert_as_rebuilt(counting)


@pytest.mark.parametrize("most", [2, 3])
def test_with_more_values_than_are_counted_they_are_those_of_a_rebuild(
    counting: Counting, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    monkeypatch.setattr(properties, "MAX_VALUES", most)
    live(counting, most)
    values = [row[3] for row in counting.kept()[tables.properties.name]]
    assert 0 < values.count(UNCOUNTED) < len(values)
    assert_as_rebuilt(counting)


def test_one_value_too_many_takes_the_others_away(
    counting: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(properties, "MAX_VALUES", 3)

    def experts() -> list[str]:
        kept = counting.kept()[tables.properties.name]
        return [value for _, _, name, value, *_ in kept if name == "expert_id"]

    counting.add(*(click(MONDAY, expert, "s") for expert in ("ada", "bo")))
    settle(counting)
    with reading_no_whole_day(monkeypatch):
        counting.add(click(MONDAY + MINUTE, "cy", "s"))
        counting.refresher.refresh()
        assert experts() == ['"ada"', '"bo"', '"cy"']
        for expert in ("dee", "ada", "eve"):
            counting.add(click(MONDAY + MINUTE, expert, "new"))
            counting.refresher.refresh()
            assert experts() == [UNCOUNTED]
    assert_as_rebuilt(counting)
    counting.forget("new")
    counting.refresher.refresh()
    assert experts() == ['"ada"', '"bo"', '"cy"']


def over_midnight(session_id: str) -> list[Event]:
    return [
        ask(MIDNIGHT - MINUTE, "go", session_id),
        click(MIDNIGHT + MINUTE, "bo", session_id),
        ask(MIDNIGHT + timedelta(hours=3), "GO", session_id),
    ]


NEW = {
    "a session": [ask(TUESDAY, "go", "new"), click(TUESDAY + MINUTE, "bo", "new")],
    "more of a session": [
        ask(TUESDAY + MINUTE, "go", "s1"),
        click(TUESDAY + 2 * MINUTE, "bo", "s1"),
    ],
    "earlier events of a session": [click(TUESDAY - MINUTE, "bo", "s1")],
    "an earlier first day": [click(MONDAY, "bo", "late"), click(TUESDAY, "bo", "late")],
    "over midnight": over_midnight("new"),
    "over midnight, of a session that is there": over_midnight("s2"),
    "only after midnight": over_midnight("s2")[1:],
    "another spelling": [
        ask(TUESDAY + MINUTE, spelling, "s1") for spelling in ("RUST", "Rust", "RUST")
    ],
    "of another type": [ask(TUESDAY, session_id="s3")._replace(event_type="sign_up")],
}


@pytest.mark.parametrize("what", NEW)
def test_new_events_are_added_without_reading_their_day(
    counting: Counting, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    two_days(counting)
    with reading_no_whole_day(monkeypatch):
        for new in NEW[what]:
            counting.add(new)
            refreshed = counting.refresher.refresh()
            assert refreshed is not None
            assert refreshed.days
        counting.refresher.refresh()  # reads the same rows again, and adds none of them
    assert_as_rebuilt(counting)


def of_another_payload(counting: Counting, first: Event) -> None:
    with counting.engine.begin() as connection:
        is_first = UserEvent.event_id == first.event_id
        connection.execute(update(UserEvent).where(is_first).values(payload={"query_text": "x"}))


def deleted_by_hand(counting: Counting, first: Event) -> None:
    with counting.engine.begin() as connection:
        connection.execute(delete(UserEvent).where(UserEvent.event_id == first.event_id))


def with_an_older_id(counting: Counting, first: Event) -> None:
    with counting.engine.begin() as connection:
        older = click(first.created_at, "cy", first.session_id)
        connection.execute(insert_event(older).values(id=-1))


@pytest.mark.parametrize("change", [of_another_payload, deleted_by_hand, with_an_older_id])
def test_a_day_is_counted_as_a_whole_if_other_events_of_the_session_have_changed(
    counting: Counting, change: Callable[[Counting, Event], None]
) -> None:
    two_days(counting)
    first = counting.world().events[0]
    change(counting, first)
    counting.add(click(first.created_at + MINUTE, "bo", first.session_id))
    counting.refresher.refresh()
    assert_as_rebuilt(counting)


def test_a_session_that_is_marked_as_a_crawler_is_left_out(counting_bots: Counting) -> None:
    counting = counting_bots
    two_days(counting)
    with counting.engine.begin() as connection:
        connection.execute(
            insert(UserEventBotSession).values(session_id="bot", marked_at=counting.clock.now)
        )
    for number in range(3):
        counting.add(click(TUESDAY + number * MINUTE, session_id="bot"), click(TUESDAY))
        counting.refresher.refresh()
    assert_as_rebuilt(counting)


def test_wherever_it_is_killed_the_next_refresh_goes_on(counting: Counting) -> None:
    """A process is killed before each of the commits of a refresh in turn."""
    two_days(counting)
    survived = False
    for at_commit in count():
        for at in (MONDAY, MIDNIGHT + MINUTE):
            counting.add(click(at, f"e{at_commit}", f"s{at_commit % 6}"))
        commits = count()

        def die(_: object, at_commit: int = at_commit, commits: Iterator[int] = commits) -> None:
            if next(commits) == at_commit:
                raise Died

        listen(counting.engine, "commit", die)
        try:
            counting.another_refresher().refresh()
            survived = True
        except Died:
            pass
        finally:
            remove(counting.engine, "commit", die)
        counting.clock.advance(LEASE.total_seconds() + 1)  # it did not give its lease back
        if survived:
            break
        assert counting.refresher.refresh() is not None
        assert_as_rebuilt(counting)
    assert at_commit > 5


def test_two_that_refresh_at_once_add_each_event_once(counting: Counting) -> None:
    two_days(counting)

    def refresh_often() -> None:
        for _ in range(8):
            counting.another_refresher().refresh()

    with ThreadPoolExecutor(2) as executor:
        refreshing = [executor.submit(refresh_often) for _ in range(2)]
        for number in range(15):
            counting.add(click(TUESDAY + timedelta(minutes=number), session_id=f"s{number % 6}"))
    for each in refreshing:
        each.result()
    assert counting.refresher.refresh() is not None
    assert_as_rebuilt(counting)


def test_one_that_was_overtaken_adds_nothing_twice(
    counting: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    two_days(counting)
    counting.add(click(TUESDAY + MINUTE, "bo", "s1"))
    read = adding.Change.read

    def read_and_be_overtaken(*args: Any) -> None:
        read(*args)
        monkeypatch.undo()
        monkeypatch.setattr(adding, "MIN_EVENTS", 0)
        monkeypatch.setattr(adding, "MAX_SHARE", math.inf)
        counting.clock.advance(LEASE.total_seconds() + 1)
        assert counting.another_refresher().refresh() is not None

    monkeypatch.setattr(adding.Change, "read", read_and_be_overtaken)
    assert counting.refresher.refresh() is None
    assert_as_rebuilt(counting)


def test_what_is_deleted_while_its_day_is_added_to_is_not_kept(
    counting: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    two_days(counting)
    gone = click(TUESDAY + MINUTE, "bo", "s1")
    counting.add(gone)
    read = adding.Change.read

    def read_and_delete(*args: Any) -> None:
        read(*args)
        counting.delete(gone)

    with monkeypatch.context() as patch:
        patch.setattr(adding.Change, "read", read_and_delete)
        counting.refresher.refresh()
    counting.refresher.refresh()
    assert_as_rebuilt(counting)


def test_a_funnel_that_is_asked_for_later_is_counted_from_what_is_counted(
    counting: Counting,
) -> None:
    two_days(counting)
    counting.keep("sage_query", "card_click[expert_id=bo]")
    counting.add(*over_midnight("new"), click(TUESDAY + MINUTE, "bo", "s1"))
    steps = [step("sage_query"), step("card_click[expert_id=bo]")]
    counting.refresher.count_funnel(steps, MONDAY.date(), TUESDAY.date(), seconds=10)
    settle(counting)
    assert_as_rebuilt(counting)
