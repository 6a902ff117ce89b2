"""With `after_commit` an event is recorded if the host's transaction commits, and only then."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import create_engine, event, exc, text
from sqlalchemy.orm import Session, scoped_session, sessionmaker
from structlog.testing import capture_logs

from tcs_events import EventInvalid, UserEvent, create_blueprint, event_accepted, track
from tests.drivers import POSTGRES_DRIVERS, database_by
from tests.support import wait_until
from tests.tracking.conftest import MakeShop, Shop

DATABASES = ["sqlite", *POSTGRES_DRIVERS, "mariadb"]


@pytest.fixture(params=DATABASES)
def shop(request: pytest.FixtureRequest, make_shop: MakeShop) -> Iterator[Shop]:
    shop = make_shop(database_by(request, request.param))
    with shop.app.app_context():
        yield shop
        shop.db.session.rollback()


def later(of: object, after_commit: Any = True, **more: Any) -> UUID | None:
    return track("card_click", {"of": of}, session_id="s", after_commit=after_commit, **more)


def test_a_commit_records(shop: Shop) -> None:
    shop.db.session.add(shop.order())
    event_id = later("order")
    assert shop.recorded() == []
    assert shop.outcomes() == {}
    shop.db.session.commit()
    [row] = shop.rows()
    assert UUID(str(row["event_id"])) == event_id
    assert shop.recorded() == ["order"]
    assert shop.outcomes() == {("accepted", ""): 1}
    shop.db.session.add(shop.order())
    shop.db.session.commit()  # of a transaction in which nothing was recorded
    assert shop.recorded() == ["order"]


def test_a_rollback_drops(shop: Shop) -> None:
    shop.db.session.add(shop.order())
    shop.db.session.flush()
    later("dropped")
    shop.db.session.rollback()
    shop.db.session.add(shop.order())
    shop.db.session.commit()
    assert shop.orders() == 1
    assert shop.recorded() == []
    assert shop.outcomes() == {}


@pytest.mark.parametrize("end", ["close", "remove", "an end of the context"])
def test_a_session_that_ends_without_a_commit_drops(shop: Shop, end: str) -> None:
    with shop.app.app_context():
        shop.db.session.add(shop.order())
        shop.db.session.flush()
        later("dropped")
        if end != "an end of the context":
            getattr(shop.db.session, end)()
    assert shop.recorded() == []
    assert shop.outcomes() == {}


def test_an_exception_after_a_flush_drops(shop: Shop) -> None:
    def view() -> str:
        shop.db.session.add(shop.order())
        shop.db.session.flush()
        later("dropped")
        raise ZeroDivisionError

    shop.app.add_url_rule("/buy", view_func=view)
    with pytest.raises(ZeroDivisionError):
        shop.app.test_client().get("/buy")
    assert (shop.orders(), shop.recorded()) == (0, [])


def test_a_savepoint_that_is_rolled_back_drops_only_its_own(shop: Shop) -> None:
    session = shop.db.session
    session.add(shop.order())
    later("before")
    with session.begin_nested():
        later("kept")
        session.add(shop.order())
        with suppress(ZeroDivisionError), session.begin_nested():
            session.add(shop.order())
            session.flush()
            later("dropped")
            with session.begin_nested():
                later("dropped with the one around it")
            raise ZeroDivisionError
        later("after")
    savepoint = session.begin_nested()
    later("released by the commit")
    assert savepoint.is_active
    session.commit()
    assert shop.recorded() == ["before", "kept", "after", "released by the commit"]
    assert shop.orders() == 2


def test_a_savepoint_that_is_released_is_dropped_with_its_transaction(shop: Shop) -> None:
    shop.db.session.add(shop.order())
    shop.db.session.flush()  # Python's sqlite3 begins no transaction for a savepoint
    with shop.db.session.begin_nested():
        shop.db.session.add(shop.order())
        later("dropped")
    shop.db.session.rollback()
    assert (shop.orders(), shop.recorded(), shop.outcomes()) == (0, [], {})


def test_context_managers_commit_and_roll_back(shop: Shop) -> None:
    with shop.db.session.begin():
        shop.db.session.add(shop.order())
        later("committed")
    with suppress(ZeroDivisionError), shop.db.session.begin():
        later("dropped")
        raise ZeroDivisionError
    assert shop.recorded() == ["committed"]


def test_a_failed_flush_drops(shop: Shop) -> None:
    shop.db.session.add(shop.order(id=1))
    shop.db.session.commit()
    shop.db.session.add(shop.order(id=2))
    later("dropped")
    shop.db.session.execute(text("INSERT INTO shop_order (id) VALUES (3)"))
    with pytest.raises(exc.IntegrityError):
        shop.db.session.execute(text("INSERT INTO shop_order (id) VALUES (1)"))
    with shop.db.session.no_autoflush:
        later("dropped, too")
    shop.db.session.rollback()
    assert (shop.orders(), shop.recorded()) == (1, [])


def test_a_commit_that_fails_drops(shop: Shop) -> None:
    def fail(connection: object) -> None:
        raise ConnectionAbortedError

    shop.db.session.add(shop.order())
    later("dropped")
    event.listen(shop.db.engine, "commit", fail)
    with pytest.raises(ConnectionAbortedError):
        shop.db.session.commit()
    event.remove(shop.db.engine, "commit", fail)
    shop.db.session.rollback()
    assert (shop.orders(), shop.recorded()) == (0, [])


@pytest.mark.parametrize("shop", ["sqlite", *POSTGRES_DRIVERS], indirect=True)
def test_a_commit_that_the_server_refuses_drops(shop: Shop) -> None:
    """A deferred constraint is checked when the transaction commits. MariaDB has none."""
    session = shop.db.session
    if session.get_bind().dialect.name == "sqlite":
        session.execute(text("PRAGMA foreign_keys = ON"))
    session.execute(
        text(
            "CREATE TABLE shop_line (id INTEGER REFERENCES shop_order (id)"
            " DEFERRABLE INITIALLY DEFERRED)"
        )
    )
    session.commit()
    if session.get_bind().dialect.name == "sqlite":
        session.execute(text("PRAGMA foreign_keys = ON"))
    session.execute(text("INSERT INTO shop_line VALUES (7)"))
    later("dropped")
    with pytest.raises(exc.DBAPIError):
        session.commit()
    session.rollback()
    assert shop.recorded() == []
    session.execute(text("DROP TABLE shop_line"))
    session.commit()


def test_each_session_is_waited_for_by_itself(shop: Shop) -> None:
    engine = create_engine(shop.app.config["SQLALCHEMY_DATABASE_URI"])
    with Session(engine) as other:
        other.execute(text("SELECT 1"))
        later("of the other one", other)
        shop.db.session.add(shop.order())
        later("of db.session")
        shop.db.session.commit()
        assert shop.recorded() == ["of db.session"]
        other.rollback()
        other.execute(text("SELECT 1"))
        later("of the other one, again", other)
        other.commit()
    assert shop.recorded() == ["of db.session", "of the other one, again"]
    own = scoped_session(sessionmaker(engine))
    own.execute(text("SELECT 1"))
    later("of a scoped session", own)
    own.commit()
    assert shop.recorded()[2:] == ["of a scoped session"]
    own.remove()
    later("of none", own)
    assert shop.recorded()[3:] == ["of none"]
    engine.dispose()


def test_it_waits_for_db_session_where_that_keeps_the_file_locked(shop: Shop) -> None:
    """The other session commits while `db.session` writes: on SQLite nobody else can write then."""
    with Session(shop.db.engine) as other:
        other.execute(text("SELECT 1"))
        later("of the other one", other)
        shop.db.session.add(shop.order())
        shop.db.session.flush()
        other.commit()
    is_sqlite = shop.db.engine.dialect.name == "sqlite"
    assert shop.recorded() == ([] if is_sqlite else ["of the other one"])
    shop.db.session.rollback()
    assert shop.recorded() == ["of the other one"]


def test_without_a_transaction_it_is_recorded_at_once(shop: Shop) -> None:
    shop.db.session.add(shop.order())
    shop.db.session.commit()
    later("after the commit")
    assert shop.recorded() == ["after the commit"]


def test_it_happened_when_it_was_recorded(shop: Shop) -> None:
    before = datetime.now(UTC)
    shop.db.session.add(shop.order())
    payload: dict[str, Any] = {"of": "now"}
    track("card_click", payload, session_id="s", after_commit=True)
    called = datetime.now(UTC)
    payload["of"] = "changed"
    long_ago = datetime(2026, 1, 1, 12, 0, 0, 123456, tzinfo=UTC)
    recent = called - timedelta(days=3, microseconds=7)
    later("then", at=recent)
    later("long ago", at=long_ago)
    wait_until(lambda: datetime.now(UTC) > called + timedelta(milliseconds=5))
    shop.db.session.commit()
    now, then, clamped = UserEvent.query.order_by(UserEvent.id)
    assert now.payload == {"of": "now"}
    assert before - timedelta(milliseconds=1) <= _utc(now.created_at) <= called
    assert _utc(now.received_at) > called
    assert _utc(then.created_at) == recent
    assert clamped.received_at - clamped.created_at == timedelta(days=7)
    shop.db.session.rollback()


def _utc(time: datetime) -> datetime:
    """Return a stored time as an aware one. SQLite and MariaDB give naive ones."""
    return time if time.tzinfo is not None else time.replace(tzinfo=UTC)


def test_an_event_is_stored_once(shop: Shop) -> None:
    event_id = uuid4()
    for _ in range(2):
        shop.db.session.add(shop.order())
        assert later("order", event_id=str(event_id)) == event_id
        shop.db.session.commit()
    assert shop.recorded() == ["order"]
    assert shop.outcomes() == {("accepted", ""): 1, ("duplicate", ""): 1}


def test_an_event_that_is_not_allowed_is_refused_at_once(shop: Shop) -> None:
    shop.db.session.add(shop.order())
    with pytest.raises(EventInvalid):
        track("unheard_of", session_id="s", after_commit=True)
    assert shop.outcomes() == {("invalid", "event_type"): 1}
    shop.db.session.rollback()
    assert shop.outcomes() == {("invalid", "event_type"): 1}


def test_receivers_may_use_the_session(shop: Shop) -> None:
    def receiver(app: object, event: Any) -> None:
        shop.db.session.add(shop.order())
        if event.payload["of"] == "first":
            later("second")
        shop.db.session.commit()

    with event_accepted.connected_to(receiver, sender=shop.app):
        shop.db.session.add(shop.order())
        later("first")
        shop.db.session.commit()
    assert shop.recorded() == ["first", "second"]
    assert shop.orders() == 3


@pytest.mark.parametrize("shop", [*POSTGRES_DRIVERS, "mariadb"], indirect=True)
def test_only_the_session_decides(shop: Shop) -> None:
    """Tests that roll back have a transaction of their own around those of the session."""
    with shop.db.engine.connect() as connection:
        around = connection.begin()
        session = Session(connection, join_transaction_mode="create_savepoint")
        session.add(shop.order())
        later("committed", session)
        session.commit()
        session.add(shop.order())
        later("dropped", session)
        session.rollback()
        session.close()
        around.rollback()
    assert (shop.orders(), shop.recorded()) == (0, ["committed"])
    with Session(shop.db.engine.execution_options(isolation_level="AUTOCOMMIT")) as session:
        session.add(shop.order())
        session.flush()
        later("dropped", session)
        session.rollback()
    assert (shop.orders(), shop.recorded()) == (1, ["committed"])


def test_the_connections_are_free_again(make_shop: MakeShop, postgres_url: str) -> None:
    """A receiver that asks the database needs one, and the pool may have no other."""
    only_one = {"pool_size": 1, "max_overflow": 0, "pool_timeout": 1}
    shop = make_shop(postgres_url, SQLALCHEMY_ENGINE_OPTIONS=only_one)

    def receiver(app: object, event: Any) -> None:
        heard.append(shop.orders())

    heard: list[int] = []
    with event_accepted.connected_to(receiver, sender=shop.app), shop.app.app_context():
        shop.db.session.add(shop.order())
        later("order")
        shop.db.session.commit()
    assert heard == [1]


def test_two_phases_are_one_commit(make_shop: MakeShop, postgres_url: str) -> None:
    shop = make_shop(postgres_url, db_options={"session_options": {"twophase": True}})
    with shop.app.app_context():
        shop.db.session.add(shop.order())
        later("prepared")
        shop.db.session().prepare()
        assert shop.recorded() == []
        shop.db.session.commit()
        shop.db.session.add(shop.order())
        later("dropped")
        shop.db.session().prepare()
        shop.db.session.rollback()
        assert shop.recorded() == ["prepared"]


def test_a_store_that_is_away_after_the_commit(make_shop: MakeShop, sqlite_url: str) -> None:
    """The host's page goes on, also in tests. The event is lost, counted and logged."""
    shop = make_shop(sqlite_url)
    with shop.app.app_context(), capture_logs() as lines:
        shop.db.session.execute(text("DROP TABLE user_events"))
        later("lost")
        shop.db.session.add(shop.order())
        shop.db.session.commit()
    assert shop.orders() == 1
    assert shop.outcomes() == {("failed", "table_missing"): 1}
    missing, failed = [line for line in lines if line["log_level"] == "error"]
    assert missing["event"] == "tcs_events.table_missing"
    assert "db.create_all()" in missing["remedy"]
    assert failed["event"] == "tcs_events.event_failed"
    assert failed["event_type"] == "card_click"


def test_sessions_are_not_kept(make_shop: MakeShop, sqlite_url: str) -> None:
    shop = make_shop(sqlite_url, create_blueprint(accepted_log_level="off"))
    with shop.app.app_context():
        for _ in range(20):
            with Session(shop.db.engine) as session:
                session.execute(text("SELECT 1"))
                later("dropped", session)
        del session
        gc.collect()
        assert not [found for found in gc.get_objects() if type(found) is Session]
