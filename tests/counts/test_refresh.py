"""After each refresh the counts agree with the events, whatever has happened meanwhile."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from time import monotonic, sleep
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import delete, event, text

from tcs_events import UserEvent, reports
from tcs_events.counts import lease, meaning, position, tables
from tcs_events.counts.lease import LEASE
from tcs_events.counts.position import SETTLED_AFTER
from tcs_events.reports import Period
from tests.conftest import MakeHost
from tests.counts.counting import Clock, Counting, ask, click, insert_event
from tests.reports.test_against_truth import ACCEPTED
from tests.reports.worlds import make_world

MONDAY = datetime(2024, 5, 6, 10, tzinfo=UTC)
TUESDAY, FRIDAY = MONDAY + timedelta(days=1), MONDAY + timedelta(days=4)
SUNDAY = MONDAY - timedelta(days=1)
MIDNIGHT = datetime(2024, 5, 6, 22, tzinfo=UTC)  # in Berlin
BERLIN = ZoneInfo("Europe/Berlin")
SETTLED = SETTLED_AFTER.total_seconds() + 1


class Died(Exception):
    """Raised to end a refresh as if its process was killed."""


def three_days(counting: Counting) -> None:
    for of_day in (MONDAY, TUESDAY, FRIDAY):
        counting.add(ask(of_day), click(of_day + timedelta(minutes=1)))


def settle(counting: Counting, after: Callable[[Counting], None]) -> None:
    """Store an event, and refresh until its row is not read again."""
    after(counting)
    for _ in range(3):
        counting.refresher.refresh()
        counting.clock.advance(SETTLED)


def demand_on_monday(counting: Counting) -> reports.UnmetDemand | None:
    with counting.app.app_context():
        rows = reports.unmet_demand(Period(MONDAY.date(), MONDAY.date()), min_sessions=1)
    return rows[0] if rows else None


class TestWhatIsCountedAgain:
    @pytest.mark.proof
    @pytest.mark.parametrize("seed", range(6))
    def test_refreshed_bit_by_bit_is_counted_at_once(self, counting: Counting, seed: int) -> None:
        events = make_world(seed, BERLIN).events
        for start in range(0, len(events), 20):
            counting.add(*events[start : start + 20])
            assert counting.refresher.refresh() is not None
            counting.clock.advance(SETTLED / 2)
        counting.assert_true()

    def test_a_late_event_has_its_day_counted_again_and_no_other(self, counting: Counting) -> None:
        settle(counting, after=three_days)

        counting.add(click(TUESDAY, expert="bo"))
        refreshed = counting.refresher.refresh()

        assert refreshed is not None
        assert refreshed.days == [TUESDAY.date()]
        assert refreshed.events == 3
        counting.assert_true()

    def test_where_nothing_is_new_nothing_is_counted(self, counting: Counting) -> None:
        settle(counting, after=three_days)
        refreshed = counting.refresher.refresh()
        assert refreshed is not None
        assert (refreshed.days, refreshed.events) == ([], 0)
        counting.assert_true()

    def test_a_click_just_after_midnight_answers_the_query_of_the_day_before(
        self, counting: Counting
    ) -> None:
        counting.add(ask(MIDNIGHT - timedelta(minutes=1)))
        for _ in range(3):
            counting.refresher.refresh()
            counting.clock.advance(SETTLED)
        asked = demand_on_monday(counting)
        assert asked is not None
        assert asked.no_click == 1

        counting.add(click(MIDNIGHT + timedelta(minutes=4)))
        counting.refresher.refresh()

        assert demand_on_monday(counting) is None
        counting.assert_true()

    def test_a_query_just_after_midnight_reformulates_that_of_the_day_before(
        self, counting: Counting
    ) -> None:
        counting.add(ask(MIDNIGHT - timedelta(seconds=1), count=0))
        counting.refresher.refresh()
        counting.add(ask(MIDNIGHT + timedelta(seconds=59), "go"))
        counting.refresher.refresh()
        asked = demand_on_monday(counting)
        assert asked is not None
        assert asked.reformulated == 1
        counting.assert_true()

    def test_another_zone_has_everything_counted_again(
        self, make_host: MakeHost, database_url: str
    ) -> None:
        app = make_host(
            database_url, TCS_EVENTS_TIMEZONE="Europe/Berlin", TCS_EVENTS_EVENT_TYPES=ACCEPTED
        )
        in_berlin = Counting(app)
        in_berlin.add(*make_world(1, BERLIN).events)
        in_berlin.refresher.refresh()
        in_berlin.assert_true()

        moved = make_host(
            database_url,
            TCS_EVENTS_TIMEZONE="Australia/Lord_Howe",
            TCS_EVENTS_EVENT_TYPES=ACCEPTED,
            create=False,
        )
        on_lord_howe = Counting(moved)
        assert on_lord_howe.refresher.refreshed_at() is None
        on_lord_howe.refresher.refresh()
        on_lord_howe.assert_true()

    def test_another_version_has_everything_counted_again(
        self, counting: Counting, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        three_days(counting)
        counting.refresher.refresh()
        counting.clock.advance(SETTLED)
        counting.refresher.refresh()
        with counting.engine.begin() as connection:
            connection.execute(delete(tables.exposure))  # as if it had not been counted yet

        monkeypatch.setattr(meaning, "RULES_VERSION", meaning.RULES_VERSION + 1)
        assert counting.refresher.refreshed_at() is None
        counting.refresher.refresh()

        counting.assert_true()


class TestCountingEverythingAgain:
    def test_reports_are_complete_meanwhile(self, counting: Counting) -> None:
        three_days(counting)
        counting.refresher.refresh()

        def what_reports_read() -> dict[str, Any]:
            kept = counting.kept()
            del kept[tables.checks.name]  # no report reads it
            return kept

        before = what_reports_read()
        seen: list[bool] = []
        counting.refresher.refresh(
            rebuild=True,
            progress=lambda *_: seen.append(what_reports_read() == before),
        )
        assert len(seen) > 3
        assert all(seen)

    def test_a_day_whose_events_are_gone_without_a_word_is_forgotten(
        self, counting: Counting
    ) -> None:
        three_days(counting)
        gone = click(TUESDAY + timedelta(days=40))
        counting.add(gone)
        counting.refresher.refresh()
        with counting.engine.begin() as connection:
            connection.execute(delete(UserEvent).where(UserEvent.event_id == gone.event_id))
        counting.refresher.refresh(rebuild=True)
        dates = {row[0] for rows in counting.kept().values() for row in rows}
        assert gone.created_at.date() not in dates
        counting.assert_true()


class TestDeletions:
    def test_the_days_of_deleted_events_are_counted_again(self, counting: Counting) -> None:
        three_days(counting)
        gone = click(TUESDAY + timedelta(minutes=2), expert="bo")
        counting.add(gone, click(FRIDAY))
        for _ in range(3):
            counting.refresher.refresh()
            counting.clock.advance(SETTLED)

        counting.delete(gone)
        refreshed = counting.refresher.refresh()

        assert refreshed is not None
        assert refreshed.days == [TUESDAY.date()]
        counting.assert_true()

    def test_a_deleted_click_no_longer_answers_the_query_of_the_day_before(
        self, counting: Counting
    ) -> None:
        answer = click(MIDNIGHT + timedelta(minutes=4))
        counting.add(ask(MIDNIGHT - timedelta(minutes=1)), answer, click(FRIDAY))
        counting.refresher.refresh()
        assert demand_on_monday(counting) is None

        counting.delete(answer)
        counting.refresher.refresh()

        asked = demand_on_monday(counting)
        assert asked is not None
        assert asked.no_click == 1
        counting.assert_true()

    def test_nothing_is_kept_of_a_day_without_events(self, counting: Counting) -> None:
        three_days(counting)
        alone = click(TUESDAY + timedelta(days=1))
        counting.add(alone)
        counting.refresher.refresh()
        counting.delete(alone)
        counting.refresher.refresh()
        kept = counting.kept()
        assert alone.created_at.date() not in {row[0] for rows in kept.values() for row in rows}
        counting.assert_true()

    def test_events_that_take_the_ids_of_deleted_ones_are_counted(self, counting: Counting) -> None:
        """SQLite uses the id of the newest row again after that row is deleted."""
        three_days(counting)
        newest = [click(FRIDAY + timedelta(minutes=n)) for n in range(5)]
        counting.add(*newest)
        for _ in range(3):
            counting.refresher.refresh()
            counting.clock.advance(SETTLED)

        counting.delete(*newest)
        counting.add(click(MONDAY, expert="bo"))
        counting.refresher.refresh()

        counting.assert_true()

    @pytest.mark.parametrize(("rebuild", "look"), [(False, 3), (True, 5)])
    def test_what_is_deleted_while_its_day_is_counted_is_not_kept(
        self, counting: Counting, monkeypatch: pytest.MonkeyPatch, rebuild: bool, look: int
    ) -> None:
        """The refresher reads the clock after reading a day, and before storing the counts."""
        monkeypatch.setattr(position, "IDS_IN_FLIGHT", 0)  # otherwise it would be read again
        settle(counting, after=three_days)
        gone = click(TUESDAY + timedelta(minutes=2), expert="bo")
        counting.add(gone)
        clock, looks = Clock(), itertools.count(1)
        clock.now = counting.clock.now

        def delete_once() -> None:
            if next(looks) == look:
                counting.delete(gone)

        clock.on_look = delete_once
        refreshed = counting.another_refresher(clock).refresh(rebuild=rebuild)
        assert next(looks) > look
        assert refreshed is not None
        assert refreshed.left == []
        counting.assert_true()

    @pytest.mark.parametrize("is_new", [False, True])
    def test_a_day_of_which_much_is_deleted_holds_up_no_other(
        self, counting: Counting, is_new: bool
    ) -> None:
        """As `prune` does, which takes longer than a refresh."""
        settle(counting, after=three_days)
        day_of_many = SUNDAY if is_new else MONDAY
        many = [click(day_of_many + timedelta(minutes=n), session_id=f"{n}") for n in range(9)]
        counting.add(*many)
        if not is_new:
            counting.refresher.refresh()
        counting.add(click(MONDAY), click(FRIDAY, expert="cy"))
        clock, left = Clock(), list(many)
        clock.now = counting.clock.now

        def delete_one() -> None:
            if left:
                counting.delete(left.pop())

        clock.on_look = delete_one
        refreshed = counting.another_refresher(clock).refresh()
        assert refreshed is not None
        assert refreshed.left == [day_of_many.date()]
        assert FRIDAY.date() in refreshed.days
        for gone in left:
            counting.delete(gone)
        again = counting.refresher.refresh()
        assert again is not None
        assert day_of_many.date() in again.days
        counting.assert_true()

    def test_an_id_that_is_given_once_more_during_a_refresh_is_counted(
        self, counting: Counting, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(position, "IDS_IN_FLIGHT", 0)
        settle(counting, after=three_days)
        newest = [click(FRIDAY + timedelta(minutes=n), session_id=f"{n}") for n in range(5)]
        counting.add(*newest)

        def delete_newest(done: int, of: int, events: int) -> None:
            if done == of:
                counting.delete(*newest)

        counting.refresher.refresh(rebuild=True, progress=delete_newest)
        counting.refresher.refresh()
        counting.clock.advance(SETTLED)
        counting.refresher.refresh()
        counting.add(click(MONDAY, expert="bo"))
        counting.refresher.refresh()
        counting.assert_true()


class TestEventsThatComeMeanwhile:
    @pytest.mark.parametrize("rebuild", [False, True])
    def test_events_stored_during_a_refresh_are_counted_once(
        self, counting: Counting, rebuild: bool
    ) -> None:
        three_days(counting)

        def store_some(done: int, of: int, events: int) -> None:
            for of_day in (MONDAY, TUESDAY, FRIDAY):
                counting.add(click(of_day + timedelta(minutes=10 + done), session_id=f"{done}"))

        counting.refresher.refresh(rebuild=rebuild, progress=store_some)
        counting.refresher.refresh()
        counting.assert_true()

    @pytest.mark.parametrize("rebuild", [False, True])
    @pytest.mark.parametrize("before", [[], [0], [1, 20], [SETTLED - 2]])
    @pytest.mark.parametrize("after", [[1], [SETTLED], [5, SETTLED, SETTLED]])
    def test_a_row_that_becomes_visible_after_newer_ones_is_counted(
        self,
        counting_in_postgres: Counting,
        before: list[float],
        after: list[float],
        rebuild: bool,
    ) -> None:
        """Refreshes run at these intervals, in seconds, before and after the commit.

        The transaction is open for less than `SETTLED_AFTER`.
        """
        counting = counting_in_postgres
        settle(counting, after=three_days)

        with counting.engine.connect() as slow:
            slow.execute(insert_event(click(TUESDAY, expert="late")))
            counting.add(click(FRIDAY, expert="newer"))
            counting.refresher.refresh(rebuild=rebuild)
            for seconds in before:
                counting.clock.advance(seconds)
                counting.add(click(FRIDAY, expert="newer"))
                counting.refresher.refresh()
            slow.commit()
        for seconds in after:
            counting.clock.advance(seconds)
            counting.refresher.refresh()

        counting.assert_true()

    def test_rows_written_while_the_lease_was_waited_for_are_counted(
        self, counting_in_postgres: Counting, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Refreshers wait for a deleting transaction, however long it takes."""
        counting = counting_in_postgres
        three_days(counting)
        counting.refresher.refresh()
        counting.clock.advance(SETTLED)
        take = lease.take

        with counting.engine.connect() as slow:

            def take_after_long(*args: Any) -> Any:
                counting.clock.advance(2 * SETTLED)
                slow.execute(insert_event(click(TUESDAY, expert="late")))
                counting.add(click(FRIDAY, expert="newer"))
                return take(*args)

            with monkeypatch.context() as patch:
                patch.setattr(lease, "take", take_after_long)
                counting.refresher.refresh()
            counting.clock.advance(1)
            counting.refresher.refresh()
            slow.commit()
        counting.clock.advance(1)
        counting.refresher.refresh()

        counting.assert_true()


class TestSeveralRefreshers:
    def test_only_one_refreshes_at_a_time(self, counting: Counting) -> None:
        three_days(counting)
        meanwhile = []
        other = counting.another_refresher()
        counting.refresher.refresh(progress=lambda *_: meanwhile.append(other.refresh()))
        assert set(meanwhile) == {None}
        counting.assert_true()

    def test_many_at_once_count_each_event_once(self, counting: Counting) -> None:
        three_days(counting)
        start = threading.Barrier(4)
        errors: list[BaseException] = []

        def refresh_often() -> None:
            refresher = counting.another_refresher()
            start.wait()
            try:
                for number in range(6):
                    refresher.refresh(rebuild=number % 3 == 2)
            except BaseException as error:
                errors.append(error)

        threads = [threading.Thread(target=refresh_often) for _ in range(3)]
        for thread in threads:
            thread.start()
        start.wait()
        for number in range(20):
            counting.add(click(TUESDAY + timedelta(minutes=number), session_id=f"{number}"))
        for thread in threads:
            thread.join()
        assert errors == []
        assert counting.refresher.refresh() is not None
        counting.assert_true()

    def test_the_first_ones_may_begin_at_the_same_moment(self, counting: Counting) -> None:
        three_days(counting)
        errors: list[BaseException] = []

        def refresh() -> None:
            try:
                counting.another_refresher().refresh()
            except BaseException as error:
                errors.append(error)

        inserting: list[str] = []

        def note(connection: object, cursor: object, statement: str, *rest: object) -> None:
            if statement.startswith("INSERT INTO user_event_rollup_state "):
                inserting.append(statement)

        threads = [threading.Thread(target=refresh) for _ in range(3)]
        with counting.engine.begin() as another_process:
            nothing = {"safe_id": 0, "seen_id": 0, "seen_at": MONDAY, "lease_until": MONDAY}
            row = {"id": 1, "version": 0, "zone": "UTC", **nothing}
            another_process.execute(tables.state.insert().values(row))
            event.listen(counting.engine, "before_cursor_execute", note)
            for thread in threads:
                thread.start()
            # Not for long: on SQLite they wait a few seconds at most.
            deadline = monotonic() + 2
            while len(inserting) < len(threads) and monotonic() < deadline:
                sleep(0.01)
            sleep(0.2)
        for thread in threads:
            thread.join()
        assert errors == []
        assert counting.refresher.refresh() is not None
        counting.assert_true()

    @pytest.mark.parametrize("rebuild", [False, True])
    @pytest.mark.parametrize("after_days", range(4))
    def test_after_one_that_failed_the_next_goes_on(
        self, counting: Counting, rebuild: bool, after_days: int
    ) -> None:
        if rebuild:
            settle(counting, after=three_days)
        else:
            three_days(counting)
        counting.add(click(TUESDAY, expert="bo"))

        def die(done: int, of: int, events: int) -> None:
            if done == after_days:
                raise Died

        with pytest.raises(Died):
            counting.refresher.refresh(rebuild=rebuild, progress=die)

        refreshed = counting.another_refresher().refresh()
        assert refreshed is not None
        counting.assert_true()

    def test_what_went_wrong_gets_out_where_the_lease_cannot_be_given_back(
        self, counting: Counting
    ) -> None:
        three_days(counting)

        def rename(old: str, new: str) -> None:
            with counting.engine.begin() as connection:
                connection.execute(text(f"ALTER TABLE {old} RENAME TO {new}"))

        def die(done: int, of: int, events: int) -> None:
            rename(tables.state.name, "away")
            raise Died

        with pytest.raises(Died):
            counting.refresher.refresh(progress=die)
        rename("away", tables.state.name)
        assert counting.refresher.refresh() is None
        counting.clock.advance(LEASE.total_seconds())
        assert counting.refresher.refresh() is not None
        counting.assert_true()

    def test_one_that_was_killed_holds_the_others_up_for_no_longer_than_its_lease(
        self, counting: Counting
    ) -> None:
        three_days(counting)
        counting.refresher.refresh()
        counting.add(click(TUESDAY, expert="bo"))
        lease.take(counting.engine, counting.zone, uuid4(), counting.clock.now)

        counting.clock.advance(LEASE.total_seconds() - 1)
        assert counting.refresher.refresh() is None
        counting.clock.advance(1)
        assert counting.refresher.refresh() is not None
        counting.assert_true()

    @pytest.mark.parametrize("rebuild", [False, True])
    @pytest.mark.parametrize("after_days", range(4))
    def test_one_that_is_overtaken_between_two_days_changes_nothing_more(
        self, counting: Counting, rebuild: bool, after_days: int
    ) -> None:
        three_days(counting)
        overtaken = []

        def overtake(done: int, of: int, events: int) -> None:
            if done == after_days:
                counting.clock.advance(LEASE.total_seconds() + 1)
                counting.add(click(MONDAY, expert="bo"), click(FRIDAY, expert="bo"))
                overtaken.append(counting.another_refresher().refresh())

        assert counting.refresher.refresh(rebuild=rebuild, progress=overtake) is None

        [by] = overtaken
        assert by is not None
        counting.assert_true()

    def test_one_that_is_overtaken_within_a_day_does_not_put_back_what_it_read(
        self, counting: Counting
    ) -> None:
        three_days(counting)
        slow = Clock()
        looks: list[int] = []

        def overtake() -> None:
            looks.append(1)
            if len(looks) == 3:  # the first day is read, and not yet in its place
                counting.clock.now = slow.now + LEASE + timedelta(seconds=1)
                counting.add(click(MONDAY, expert="bo", session_id="new"))
                assert counting.refresher.refresh() is not None

        slow.on_look = overtake
        assert counting.another_refresher(slow).refresh() is None
        counting.assert_true()

    def test_one_that_is_overtaken_does_not_give_back_the_lease_of_the_other(
        self, counting: Counting
    ) -> None:
        three_days(counting)
        holder = uuid4()

        def overtake(done: int, of: int, events: int) -> None:
            if done == 1:
                counting.clock.advance(LEASE.total_seconds() + 1)
                now = counting.clock.now
                assert lease.take(counting.engine, counting.zone, holder, now) is not None

        assert counting.refresher.refresh(progress=overtake) is None
        assert counting.refresher.refresh() is None  # the other is still at it
