"""Hosts on MariaDB: whatever their databases and connections are like, texts keep their bytes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Engine, NullPool, create_engine, text

from tcs_events import reports
from tcs_events.host import registration_of
from tcs_events.models import OPTIONAL_TABLES, own_metadata
from tests.cli.asking import run
from tests.cli.test_doctor import doctor
from tests.conftest import MakeHost
from tests.support import need_module, post, stored

ALIKE = ["visitor-a", "visitor-A", "visitor-a ", "vísitor-a"]
"""One visitor by MariaDB's usual collations, and by ours four."""
QUERIES = ["🍕", "🍣", "résumé", "resume"]


@pytest.fixture
def root(mariadb_url: str) -> Engine:
    return create_engine(mariadb_url, isolation_level="AUTOCOMMIT", poolclass=NullPool)


def execute(engine: Engine, *statements: str) -> list[Any]:
    with engine.connect() as connection:
        for statement in statements:
            result = connection.execute(text(statement))
        return list(result.all()) if result.returns_rows else []


@pytest.fixture(
    params=[
        "mysql+pymysql",
        "mysql+mysqldb",
        "mariadb+pymysql",
        "a connection of latin1",
        "mysqlclient of latin1",
        "told latin1",
    ]
)
def app(request: pytest.FixtureRequest, make_host: MakeHost, mariadb_url: str) -> Flask:
    """Hosts by each name of the dialect and driver, and with connections of a small encoding."""
    need_module("MySQLdb")
    scheme, _, rest = mariadb_url.partition("://")
    names = {"mysqlclient of latin1": "mysql+mysqldb"}
    name = names.get(request.param, request.param if "+" in request.param else scheme)
    options: dict[str, object] = {}
    if "of latin1" in request.param:
        options = {"charset": "latin1"}
    elif request.param == "told latin1":  # behind the driver's back
        options = {"init_command": "SET NAMES latin1"}
    return make_host(f"{name}://{rest}", SQLALCHEMY_ENGINE_OPTIONS={"connect_args": options})


def sessions(app: Flask, root: Engine) -> list[str]:
    return [row.session_id for row in execute(root, "SELECT * FROM user_events ORDER BY id")]


def test_visitors_that_look_alike_are_not_one(app: Flask, root: Engine, tmp_path: Path) -> None:
    for visitor in ALIKE:
        assert post(app, session_id=visitor).status_code == 202
    target = tmp_path / "held.json"
    run(app, "export-subject", "--session", "visitor-a", "--output", str(target))
    held = json.loads(target.read_text())
    assert [row["session_id"] for row in held["events"]] == ["visitor-a"]
    for number, visitor in enumerate(ALIKE):
        with app.app_context():
            [seen] = {row.session_id for row in reports.session_timeline(visitor)}
            assert seen == visitor
        run(app, "forget", "--session", visitor, "--yes")
        assert sessions(app, root) == ALIKE[number + 1 :]


def test_texts_that_look_alike_are_counted_apart(app: Flask) -> None:
    for number, query in enumerate(QUERIES):
        payload = {"query_text": query, "result_count": 0, "function_called": "x", "expert_ids": []}
        for visitor in range(3):
            answer = post(
                app,
                event_type="sage_query",
                session_id=f"{query}-{visitor}-{ALIKE[number]}",
                payload=payload,
            )
            assert answer.status_code == 202
    with app.app_context():
        registration_of(app).refresher.refresh()
        demand = reports.unmet_demand(reports.last_days(2), min_sessions=1)
    assert {(row.query, row.sessions) for row in demand} == {(query, 3) for query in QUERIES}


def test_the_connections_of_the_host_are_given_back_as_they_were(app: Flask) -> None:
    names = ["autocommit", "tx_isolation", "character_set_client", "character_set_results"]
    names += ["collation_connection", "max_statement_time", "innodb_lock_wait_timeout"]
    query = text(f"SELECT {', '.join(f'@@{name}' for name in names)}")

    def settings() -> tuple[Any, ...]:
        with app.app_context(), app.extensions["sqlalchemy"].engine.connect() as connection:
            driver = connection.connection.dbapi_connection
            charset = getattr(driver, "charset", None) or driver.character_set_name()
            return charset, *connection.execute(query).one()

    before = settings()
    post(app)
    for command in (["rollup"], ["gaps"], ["stats"], ["prune", "--older-than", "5d"], ["tail"]):
        assert app.test_cli_runner().invoke(args=["tcs-events", *command]).exit_code == 0
    assert settings() == before


def test_every_table_compares_by_bytes_and_has_transactions(app: Flask, root: Engine) -> None:
    found = execute(
        root,
        "SELECT table_name AS name, engine AS engine, table_collation AS collation"
        " FROM information_schema.tables WHERE table_schema = database()",
    )
    assert {row.name for row in found} == set(own_metadata.tables) - set(OPTIONAL_TABLES)
    assert {(row.engine, row.collation) for row in found} == {("InnoDB", "utf8mb4_nopad_bin")}
    metadata = app.extensions["sqlalchemy"].metadata
    assert [dict(table.kwargs) for table in metadata.tables.values() if table.kwargs] == []


def test_tables_of_an_earlier_version_are_found_and_mended(app: Flask, root: Engine) -> None:
    tables = {row[0] for row in execute(root, "SHOW TABLES")}
    for table in tables:
        execute(root, f"ALTER TABLE {table} CONVERT TO CHARACTER SET latin1, ENGINE = MyISAM")
    execute(
        root,
        "ALTER TABLE user_events MODIFY created_at DATETIME NOT NULL,"
        " MODIFY received_at DATETIME NOT NULL",
    )
    findings = doctor(app)[1]
    level, remedy = findings["table user_events"]
    assert level == "wrong"
    assert "created_at and received_at lack microseconds" in remedy
    assert "its engine MyISAM has no transactions" in remedy
    assert "compared by latin1_swedish_ci" in remedy
    for table in tables:
        execute(root, doctor(app)[1][f"table {table}"][1].rpartition("run `")[2].rstrip("`"))
    assert {doctor(app)[1][f"table {table}"] for table in tables} == {("ok", "")}
    assert post(app, session_id="🍕").status_code == 202
    assert stored(app)[0]["created_at"].microsecond


def test_nobody_is_forgotten_in_a_table_that_takes_others_for_them(
    make_host: MakeHost, mariadb_url: str, root: Engine
) -> None:
    app = make_host(mariadb_url)
    for visitor in ALIKE:
        post(app, session_id=visitor)
    execute(root, "ALTER TABLE user_events CONVERT TO CHARACTER SET utf8mb4")
    for command in (["forget", "--yes"], ["export-subject"]):
        result = app.test_cli_runner().invoke(
            args=["tcs-events", *command, "--session", "visitor-a"]
        )
        assert result.exit_code == 1
        assert "user_events compares texts by utf8mb4_general_ci" in result.output
    assert sessions(app, root) == ALIKE


@pytest.mark.parametrize("value", [0, 2])
def test_a_server_that_does_not_sync_its_commits_is_found(
    make_host: MakeHost, mariadb_url: str, root: Engine, value: int
) -> None:
    name = "innodb_flush_log_at_trx_commit"
    app = make_host(mariadb_url)
    accepts_loss = make_host(mariadb_url, create=False, TCS_EVENTS_DURABILITY="lost_on_power_cut")
    try:
        execute(root, f"SET GLOBAL {name} = {value}")
        code, findings = doctor(app)
        assert (code, findings[f"{name} {value}"][0]) == (1, "wrong")
        assert f"`SET GLOBAL {name} = 1`" in findings[f"{name} {value}"][1]
        assert doctor(accepts_loss)[1][f"{name} {value}"] == ("ok", "")
    finally:
        execute(root, f"SET GLOBAL {name} = 1")
