"""An SQLite file has one writer. A host that records while it writes must not wait for itself."""

from __future__ import annotations

from time import monotonic
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import event, text
from sqlalchemy.orm import Session
from structlog.testing import capture_logs

from tcs_events import EventInvalid, StoreUnavailable, event_accepted, track
from tests.tracking.conftest import MakeShop, Shop


@pytest.fixture
def shop(make_shop: MakeShop, sqlite_url: str) -> Shop:
    return make_shop(sqlite_url)


def write(shop: Shop) -> None:
    shop.db.session.add(shop.order())
    shop.db.session.flush()


@pytest.mark.parametrize("end", ["commit", "rollback", "remove"])
def test_the_event_waits_for_the_end_of_the_write(shop: Shop, end: str) -> None:
    with shop.app.app_context():
        write(shop)
        event_id = track("card_click", {"of": "meanwhile"}, session_id="s")
        assert shop.outcomes() == {}
        getattr(shop.db.session, end)()
        [row] = shop.rows()
        assert UUID(str(row["event_id"])) == event_id
    assert shop.outcomes() == {("accepted", ""): 1}
    assert shop.orders() == (end == "commit")


def test_a_savepoint_does_not_release_the_file(shop: Shop) -> None:
    with shop.app.app_context():
        write(shop)
        savepoint = shop.db.session.begin_nested()
        write(shop)
        track("card_click", {"of": "in the savepoint"}, session_id="s")
        savepoint.rollback()
        assert shop.recorded() == []
        shop.db.session.commit()
    assert shop.recorded() == ["in the savepoint"]


def test_a_page_that_never_ends_its_write_records(shop: Shop) -> None:
    def view() -> str:
        write(shop)
        track("card_click", {"of": "view"}, session_id="s")
        return "done"

    shop.app.add_url_rule("/", view_func=view)
    assert shop.app.test_client().get("/").text == "done"
    assert shop.recorded() == ["view"]
    assert shop.orders() == 0


def test_a_session_that_has_written_nothing_is_not_waited_for(shop: Shop) -> None:
    with shop.app.app_context():
        shop.db.session.add(shop.order())
        track("card_click", {"of": "before the flush"}, session_id="s")
        assert shop.recorded() == ["before the flush"]
        shop.db.session.rollback()
        shop.db.session.execute(text("SELECT 1"))
        track("card_click", {"of": "beside a read"}, session_id="s")
        assert shop.recorded()[1:] == ["beside a read"]


def test_a_failed_flush_has_released_the_file(shop: Shop) -> None:
    with shop.app.app_context():
        write(shop)
        shop.db.session.commit()
        shop.db.session.add(shop.order(id=1))
        with pytest.raises(Exception, match="UNIQUE"):
            shop.db.session.flush()
        assert not shop.db.session.is_active
        track("card_click", {"of": "after the failure"}, session_id="s")
        assert shop.recorded() == ["after the failure"]


def test_in_hooks_of_the_session(shop: Shop) -> None:
    def hook(session: Session, *_: Any) -> None:
        track("card_click", {"of": "hook"}, session_id="s")

    with shop.app.app_context():
        for name in ("before_commit", "after_flush", "after_commit"):
            event.listen(shop.db.session, name, hook)
            write(shop)
            shop.db.session.commit()
            event.remove(shop.db.session, name, hook)
    assert shop.recorded() == ["hook"] * 3


def test_a_refused_event_is_refused_at_once_and_counted_later(shop: Shop) -> None:
    with shop.app.app_context():
        write(shop)
        with pytest.raises(EventInvalid):
            track("unheard_of", session_id="s")
        with pytest.raises(EventInvalid):
            track("unheard_of", session_id="s", after_commit=True)
        shop.app.testing = False
        assert track("unheard_of", session_id="s") is None
        assert shop.outcomes() == {}
        shop.db.session.rollback()
    assert shop.outcomes() == {("invalid", "event_type"): 3}


def test_a_receiver_may_write(shop: Shop) -> None:
    def receiver(app: Flask, event: Any) -> None:
        write(shop)
        if event.payload["of"] == "first":
            track("card_click", {"of": "second"}, session_id="s")
        shop.db.session.commit()

    with event_accepted.connected_to(receiver, sender=shop.app), shop.app.app_context():
        write(shop)
        track("card_click", {"of": "first"}, session_id="s")
        shop.db.session.commit()
    assert shop.recorded() == ["first", "second"]
    assert shop.orders() == 3


def test_a_file_in_memory_keeps_the_hosts_transaction(make_shop: MakeShop) -> None:
    """All sessions share one connection there: a commit of ours would be the host's."""
    shop = make_shop("sqlite://")
    with shop.app.app_context():
        write(shop)
        track("card_click", {"of": "memory"}, session_id="s")
        shop.db.session.rollback()
        assert shop.orders() == 0
        assert shop.recorded() == ["memory"]


@pytest.mark.parametrize("after_commit", [False, True])
def test_a_transaction_outside_of_the_session_is_not_waited_for(
    shop: Shop, after_commit: bool
) -> None:
    """Tests that roll back have one connection around all sessions. The event fails at once."""
    app, db = shop.app, shop.db
    with app.app_context():
        track("card_click", {"of": "before"}, session_id="s")
        with db.engine.connect() as connection:
            transaction = connection.begin()
            connection.execute(text("INSERT INTO shop_order (id) VALUES (5)"))
            db.session.remove()
            db.session.registry.set(Session(connection))
            with capture_logs() as lines:
                db.session.execute(text("INSERT INTO shop_order (id) VALUES (6)"))
                began = monotonic()
                track("card_click", session_id="s", after_commit=after_commit)
                db.session.commit()
                assert monotonic() - began < 10  # a database is waited for twice as long
            db.session.remove()
            transaction.rollback()
    [trouble, failed] = [line for line in lines if line["log_level"] == "error"]
    assert trouble["reason"] == "HostsTransaction"
    assert "your own connection" in trouble["remedy"]
    assert failed["event"] == "tcs_events.event_failed"
    assert shop.outcomes() == {("accepted", ""): 1, ("failed", "HostsTransaction"): 1}


@pytest.mark.real_limits
def test_a_connection_without_a_session_is_waited_for_briefly(shop: Shop) -> None:
    with shop.app.app_context(), shop.db.engine.begin() as connection:
        connection.execute(text("INSERT INTO shop_order (id) VALUES (5)"))
        began = monotonic()
        with pytest.raises(StoreUnavailable):
            track("card_click", {"of": "x"}, session_id="s")
        assert monotonic() - began < 10
    assert shop.orders() == 1
    assert shop.recorded() == []
