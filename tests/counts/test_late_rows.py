"""Rows that become visible late, or that the host changes, are counted.

A refresh finds new rows by their ids. These tests are about rows with ids that a refresh has
already passed.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Connection, delete, func, insert, select, text, update

from tcs_events import UserEvent
from tcs_events.counts import audit
from tcs_events.counts.position import SETTLED_AFTER
from tcs_events.counts.refresh import Refreshed
from tcs_events.event import Event
from tests.counts.counting import Counting, ask, click, insert_event
from tests.support import need

MONDAY = datetime(2024, 5, 6, 10, tzinfo=UTC)
TUESDAY, FRIDAY = MONDAY + timedelta(days=1), MONDAY + timedelta(days=4)
SETTLED = SETTLED_AFTER.total_seconds() + 1


def settle(counting: Counting) -> None:
    """Refresh until no rows are read again."""
    for _ in range(3):
        counting.refresher.refresh()
        counting.clock.advance(SETTLED)


def three_days(counting: Counting) -> None:
    for at in (MONDAY, TUESDAY, FRIDAY):
        counting.add(ask(at), click(at + timedelta(minutes=1)))
    settle(counting)


def refreshed(counting: Counting) -> Refreshed:
    done = counting.refresher.refresh()
    assert done is not None
    return done


class TestTransactionsOfPostgres:
    """A transaction takes ids when it writes, but its rows become visible when it commits."""

    @pytest.fixture(autouse=True)
    def _only_by_transactions(self, monkeypatch: pytest.MonkeyPatch) -> None:
        # Without this the audit would also find these rows, sooner or later.
        monkeypatch.setattr(audit, "AUDIT_DAYS", 0)

    @pytest.mark.parametrize("refreshes", [1, 2, 5])
    def test_one_that_stays_open_over_refreshes_is_counted_once_it_commits(
        self, counting_in_postgres: Counting, refreshes: int
    ) -> None:
        counting = counting_in_postgres
        three_days(counting)
        with counting.engine.connect() as slow:
            slow.execute(insert_event(click(TUESDAY, expert="late")))
            for _ in range(refreshes):
                counting.add(click(FRIDAY, expert="newer"))
                counting.refresher.refresh()
                counting.clock.advance(3_600)
            slow.commit()
        assert TUESDAY.date() in refreshed(counting).days
        counting.assert_true()

    def test_one_with_savepoints_is_counted(self, counting_in_postgres: Counting) -> None:
        """Rows that were written in a savepoint have their own transaction id."""
        counting = counting_in_postgres
        three_days(counting)
        with counting.engine.connect() as slow:
            with slow.begin_nested():
                slow.execute(insert_event(click(TUESDAY, expert="late")))
            counting.add(click(FRIDAY, expert="newer"))
            settle(counting)
            with slow.begin_nested():
                slow.execute(insert_event(click(MONDAY, expert="later")))
            counting.add(click(FRIDAY, expert="newer"))
            settle(counting)
            slow.commit()
        assert {MONDAY.date(), TUESDAY.date()} <= set(refreshed(counting).days)
        counting.assert_true()

    def test_a_prepared_transaction_is_counted(self, counting_in_postgres: Counting) -> None:
        counting = counting_in_postgres
        with counting.engine.connect() as connection:
            most = connection.scalar(text("SHOW max_prepared_transactions"))
        need(most != "0", "prepared transactions", "set max_prepared_transactions = 4")
        three_days(counting)
        with counting.engine.connect() as slow:
            slow.execute(insert_event(click(TUESDAY, expert="late")))
            slow.execute(text("PREPARE TRANSACTION 'late'"))
        counting.add(click(FRIDAY, expert="newer"))
        settle(counting)
        with counting.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as other:
            other.execute(text("COMMIT PREPARED 'late'"))
        assert TUESDAY.date() in refreshed(counting).days
        counting.assert_true()

    def test_while_one_is_open_for_hours_the_rest_is_counted_and_nothing_again_and_again(
        self, counting_in_postgres: Counting
    ) -> None:
        counting = counting_in_postgres
        three_days(counting)
        with counting.engine.connect() as slow:
            slow.execute(insert_event(click(TUESDAY, expert="late")))
            counting.add(click(MONDAY, expert="newer"))
            settle(counting)
            for hour in range(5):
                counting.add(click(FRIDAY, expert=f"newer-{hour}"))
                assert refreshed(counting).days == [FRIDAY.date()]
                counting.clock.advance(3_600)
                counting.refresher.refresh()
                counting.clock.advance(3_600)
                assert refreshed(counting).days == []
                counting.clock.advance(3_600)
            slow.commit()
        counting.refresher.refresh()
        counting.clock.advance(SETTLED)
        assert refreshed(counting).days == []
        counting.assert_true()

    def test_one_that_is_rolled_back_costs_one_look(self, counting_in_postgres: Counting) -> None:
        counting = counting_in_postgres
        three_days(counting)
        with counting.engine.connect() as slow:
            slow.execute(insert_event(click(TUESDAY, expert="never")))
            counting.add(click(FRIDAY, expert="newer"))
            settle(counting)
            slow.rollback()
        settle(counting)
        assert refreshed(counting).days == []
        counting.assert_true()

    def test_several_that_end_in_another_order_than_they_began(
        self, counting_in_postgres: Counting
    ) -> None:
        counting = counting_in_postgres
        three_days(counting)
        first, second = counting.engine.connect(), counting.engine.connect()
        first.execute(insert_event(click(MONDAY, expert="first")))
        counting.add(click(FRIDAY, expert="newer"))
        settle(counting)
        second.execute(insert_event(click(TUESDAY, expert="second")))
        counting.add(click(FRIDAY, expert="newer"))
        settle(counting)
        for connection, at in ((second, TUESDAY), (first, MONDAY)):
            connection.commit()
            connection.close()
            assert at.date() in refreshed(counting).days
            settle(counting)
        counting.assert_true()

    def test_one_that_was_open_while_everything_was_counted(
        self, counting_in_postgres: Counting
    ) -> None:
        counting = counting_in_postgres
        three_days(counting)
        with counting.engine.connect() as slow:
            slow.execute(insert_event(click(TUESDAY, expert="late")))
            counting.add(click(FRIDAY, expert="newer"))
            counting.refresher.refresh(rebuild=True)
            counting.clock.advance(SETTLED)
            settle(counting)
            slow.commit()
        assert TUESDAY.date() in refreshed(counting).days
        counting.assert_true()


def with_id_of_its_own(connection: Connection, event: Event, number: int) -> None:
    connection.execute(insert(UserEvent).values(id=number, **event._asdict()))


def an_older_id(connection: Connection) -> None:
    with_id_of_its_own(connection, click(TUESDAY, expert="older"), -5)


def older_ids_of_days_without_events(connection: Connection) -> None:
    for number in range(3):
        event = click(MONDAY - timedelta(days=40 + number), expert="imported")
        with_id_of_its_own(connection, event, -10 - number)


def received_long_ago(connection: Connection) -> None:
    at = MONDAY - timedelta(days=300)
    with_id_of_its_own(connection, click(at)._replace(received_at=at), -20)


def a_deleted_row(connection: Connection) -> None:
    first = connection.scalar(select(func.min(UserEvent.id)))
    connection.execute(delete(UserEvent).where(UserEvent.id == first))


def a_whole_day_deleted(connection: Connection) -> None:
    connection.execute(
        delete(UserEvent).where(
            UserEvent.created_at.between(TUESDAY - timedelta(hours=3), TUESDAY + timedelta(hours=3))
        )
    )


def newest_rows_deleted_and_as_many_put_there(connection: Connection) -> None:
    """SQLite uses their ids again."""
    newest = select(UserEvent.id).order_by(UserEvent.id.desc()).limit(2)
    connection.execute(delete(UserEvent).where(UserEvent.id.in_(list(connection.scalars(newest)))))
    for number in range(2):
        connection.execute(
            insert_event(click(FRIDAY + timedelta(minutes=7, microseconds=number), "other"))
        )


def moved_to_another_day(connection: Connection) -> None:
    first = connection.scalar(select(func.min(UserEvent.id)))
    connection.execute(
        update(UserEvent).where(UserEvent.id == first).values(created_at=MONDAY - timedelta(days=9))
    )


def moved_by_a_minute(connection: Connection) -> None:
    first = connection.scalar(select(func.min(UserEvent.id)))
    moved = MONDAY - timedelta(minutes=90, microseconds=17)
    connection.execute(update(UserEvent).where(UserEvent.id == first).values(created_at=moved))


def of_another_type(connection: Connection) -> None:
    first = connection.scalar(select(func.min(UserEvent.id)))
    connection.execute(
        update(UserEvent).where(UserEvent.id == first).values(event_type="sage_answer")
    )


BY_HAND = [
    an_older_id,
    older_ids_of_days_without_events,
    received_long_ago,
    a_deleted_row,
    a_whole_day_deleted,
    newest_rows_deleted_and_as_many_put_there,
    moved_to_another_day,
    moved_by_a_minute,
    of_another_type,
]


@pytest.mark.parametrize("change", BY_HAND, ids=lambda change: change.__name__)
def test_what_is_changed_by_hand_is_counted(
    counting: Counting, change: Callable[[Connection], None]
) -> None:
    three_days(counting)
    with counting.engine.begin() as connection:
        change(connection)
    counting.refresher.refresh()
    counting.assert_true()
    settle(counting)
    assert refreshed(counting).days == []


def test_a_large_table_is_compared_a_part_at_a_time(
    counting: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(20):
        counting.add(click(MONDAY + timedelta(days=number)))
    settle(counting)
    monkeypatch.setattr(audit, "AUDIT_DAYS", 3)
    with counting.engine.begin() as connection:
        for number in range(20):
            at = MONDAY + timedelta(days=number, minutes=5)
            with_id_of_its_own(connection, click(at, "older"), -1 - number)
    found = [len(refreshed(counting).days) for _ in range(7)]
    assert max(found) == 3
    assert sum(found) == 20
    counting.assert_true()


@pytest.mark.parametrize("year", [1, 1850, 9999])
def test_an_event_of_no_year_that_can_be_holds_up_nothing(counting: Counting, year: int) -> None:
    three_days(counting)
    with counting.engine.begin() as connection:
        at = (
            datetime(year, 12, 31, 23, 59, tzinfo=UTC)
            if year > 1
            else datetime(1, 1, 1, tzinfo=UTC)
        )
        connection.execute(insert_event(click(at)))
    counting.add(click(FRIDAY, expert="newer"))
    assert FRIDAY.date() in refreshed(counting).days
    assert counting.refresher.refresh(rebuild=True) is not None
