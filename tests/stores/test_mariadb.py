"""Events in MariaDB, through both drivers: all or none of a group, and no value is ever cut."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask
from sqlalchemy import Engine, NullPool, create_engine, text

from tcs_events.errors import StoreUnavailable
from tcs_events.event import Outcome
from tcs_events.host import registration_of
from tcs_events.stores import Store
from tests.conftest import MakeHost
from tests.stores.storing import append
from tests.stores.test_contract import event, rows_of
from tests.support import need_module, wait_until

DRIVERS = {"pymysql": "pymysql", "mysqldb": "MySQLdb"}
LAX = "SET sql_mode = '', unique_checks = 0, NAMES latin1"
"""What a host may have told its connections. Then long values are cut, and characters lost."""


@pytest.fixture(params=DRIVERS)
def url(request: pytest.FixtureRequest, mariadb_url: str) -> str:
    need_module(DRIVERS[request.param])
    return mariadb_url.replace("pymysql", request.param)


@pytest.fixture
def app(make_host: MakeHost, url: str) -> Flask:
    return make_host(url)


@pytest.fixture
def store(app: Flask) -> Iterator[Store]:
    with app.app_context():
        yield registration_of(app).store


@pytest.fixture
def root(mariadb_url: str) -> Engine:
    return create_engine(mariadb_url, isolation_level="AUTOCOMMIT", poolclass=NullPool)


def execute(engine: Engine, *statements: str) -> Any:
    with engine.connect() as connection:
        for statement in statements:
            result = connection.execute(text(statement))
        return result.all() if result.returns_rows else None


def test_every_text_is_stored_as_it_is(app: Flask, store: Store) -> None:
    tricky = "back\\slash 'quote' \"double\" % %s \0 \x1a \n \N{OWL} \N{SLICE OF PIZZA} e\u0301 "
    sent = [
        event(tricky[:60])._replace(payload={tricky: [tricky]}, email=tricky),
        event("plain")._replace(payload={"a": None}),
    ]
    assert append(store, sent) == [Outcome.ACCEPTED] * 2
    assert rows_of(app) == sent


def test_what_a_host_has_told_its_connections_changes_nothing(
    make_host: MakeHost, url: str
) -> None:
    app = make_host(url, SQLALCHEMY_ENGINE_OPTIONS={"connect_args": {"init_command": LAX}})
    sent = event("\N{SLICE OF PIZZA}")
    with app.app_context():
        store = registration_of(app).store
        assert append(store, [sent]) == [Outcome.ACCEPTED]
        too_long = event("x" * 65)
        with pytest.raises(StoreUnavailable):
            append(store, [too_long])
        assert append(store, [sent]) == [Outcome.DUPLICATE]
    assert rows_of(make_host(url, create=False)) == [sent]


def test_a_group_that_is_longer_than_a_statement_may_be_is_one_transaction(
    app: Flask, store: Store, root: Engine
) -> None:
    known = event("known")
    assert append(store, [known]) == [Outcome.ACCEPTED]
    [(before,)] = execute(root, "SELECT @@GLOBAL.max_allowed_packet")
    try:
        execute(root, "SET GLOBAL max_allowed_packet = 65536")
        store.close()
        large = [event()._replace(payload={"a": "x" * 9_000}) for _ in range(30)]
        assert append(store, large[:15]) == [Outcome.ACCEPTED] * 15
        mixed = [*large[15:], known]
        assert append(store, mixed) == [Outcome.ACCEPTED] * 15 + [Outcome.DUPLICATE]
        assert len(rows_of(app)) == 31

        refused = event()._replace(payload={"a": "x" * 70_000})
        results = append(store, [event("before"), refused, event("after")])
        assert results[0] is results[2] is Outcome.ACCEPTED
        assert isinstance(results[1], StoreUnavailable)
        assert results[1].remedy == "raise max_allowed_packet on the server"

        last_is_refused = [event()._replace(payload={"a": "x" * 9_000}) for _ in range(15)]
        last_is_refused[-1] = last_is_refused[-1]._replace(session_id="x" * 65)
        execute(root, "CREATE TABLE seen (n INT)")
        execute(
            root,
            "CREATE TRIGGER look AFTER INSERT ON user_events FOR EACH ROW"
            " INSERT INTO seen SELECT 1",
        )
        results = append(store, last_is_refused)
        assert results[:-1] == [Outcome.ACCEPTED] * 14
        assert isinstance(results[-1], StoreUnavailable)
        assert len(rows_of(app)) == 31 + 2 + 14
        # Each row was stored once: the group, which was refused, is undone as a whole.
        assert execute(root, "SELECT count(*) FROM seen") == [(14,)]
    finally:
        execute(root, f"SET GLOBAL max_allowed_packet = {before}")


def test_another_unique_index_is_not_taken_for_a_duplicate(
    app: Flask, store: Store, root: Engine
) -> None:
    execute(root, "CREATE UNIQUE INDEX one_each ON user_events (session_id)")
    known, second = event("same"), event("same")
    assert append(store, [known]) == [Outcome.ACCEPTED]
    with pytest.raises(StoreUnavailable, match="IntegrityError") as caught:
        append(store, [second])
    assert caught.value.remedy.startswith("drop that unique constraint or index")
    results = append(store, [known, second, event("other")])
    assert results[0] is Outcome.DUPLICATE
    assert isinstance(results[1], StoreUnavailable)
    assert results[2] is Outcome.ACCEPTED


def test_a_row_that_another_one_is_about_to_store_is_waited_for(
    app: Flask, store: Store, root: Engine
) -> None:
    same = event("ours")
    results: list[object] = []
    with root.connect().execution_options(isolation_level="READ COMMITTED") as other:
        other.execute(
            text(
                "INSERT INTO user_events (event_id, session_id, event_type, payload, created_at,"
                f" received_at) VALUES ('{same.event_id.hex}', 'theirs', 'x', '{{}}', now(), now())"
            )
        )
        waiting = threading.Thread(target=lambda: results.extend(append(store, [same, event()])))
        waiting.start()
        running = (
            "SELECT * FROM information_schema.processlist WHERE db = database()"
            " AND id <> connection_id() AND info LIKE 'INSERT%' AND time_ms > 100"
        )
        wait_until(lambda: bool(execute(root, running)))
        assert not results
        other.commit()
    waiting.join(10)
    assert results == [Outcome.DUPLICATE, Outcome.ACCEPTED]
    assert [row.session_id for row in rows_of(app)] == ["theirs", "visitor-1"]


def test_two_groups_with_the_same_ids_in_another_order_are_both_stored(
    app: Flask, store: Store
) -> None:
    """One of them may be ended by a deadlock, and is repeated."""
    for _ in range(20):
        events = [event() for _ in range(30)]
        results: dict[str, list[object]] = {}

        def store_group(name: str, group: list[Any], results: dict[str, list[object]]) -> None:
            results[name] = list(append(store, group))

        threads = [
            threading.Thread(target=store_group, args=(name, group, results))
            for name, group in (("first", events), ("second", events[::-1]))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        ended = [*results["first"], *results["second"]]
        assert sorted(map(str, ended)) == ["accepted"] * 30 + ["duplicate"] * 30


def test_a_duplicate_needs_no_right_to_change_rows(
    make_host: MakeHost, app: Flask, root: Engine, url: str
) -> None:
    user = f"insert_only_{uuid4().hex[:8]}"
    database = root.url.database
    execute(root, f"CREATE USER {user}", f"GRANT SELECT, INSERT ON {database}.* TO {user}")
    try:
        poor = make_host(url.replace("root@", f"{user}@"), create=False)
        with poor.app_context():
            store = registration_of(poor).store
            same = event()
            assert append(store, [same]) == [Outcome.ACCEPTED]
            assert append(store, [same]) == [Outcome.DUPLICATE]
    finally:
        execute(root, f"DROP USER {user}")
    assert rows_of(app) == [same]


def test_a_duplicate_is_left_as_it_was(app: Flask, store: Store) -> None:
    """Its row is changed and changed back, so that the server syncs its log."""
    same = event()
    append(store, [same])
    for _ in range(3):
        assert append(store, [same]) == [Outcome.DUPLICATE]
    assert rows_of(app) == [same]


def test_ids_in_a_column_of_the_servers_own_type_are_found(
    app: Flask, store: Store, root: Engine
) -> None:
    """Some versions of SQLAlchemy make such a column."""
    execute(root, "ALTER TABLE user_events MODIFY event_id UUID NOT NULL")
    same = event(event_id=UUID("0193a5b0-7d5e-7c33-8f5e-3d2b1a000001"))
    assert append(store, [same, event()]) == [Outcome.ACCEPTED] * 2
    assert append(store, [same]) == [Outcome.DUPLICATE]
    assert rows_of(app)[0] == same
