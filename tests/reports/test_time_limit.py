"""A question ends in time, and the host's connections are afterwards what they were before."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic, sleep

import pytest
from flask import Flask
from sqlalchemy import text

from tcs_events import create_blueprint, reports
from tcs_events.counts.events import events_between
from tcs_events.database import streaming
from tcs_events.errors import QuestionTimeout
from tcs_events.host.reports import current_reports
from tests.conftest import MakeHost
from tests.drivers import POSTGRES_DRIVERS, database_by
from tests.support import kind_of, post

ENDLESS = (
    "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers)"
    " SELECT count(*) FROM numbers"
)
LONG = ENDLESS.replace("FROM numbers)", "FROM numbers WHERE n < 3000000)")
"""Takes about a second, and ends by itself."""
# MariaDB ends a recursion after a thousand rounds.
ENDLESS_ON_MARIADB = "SELECT count(*) FROM seq_1_to_3000000000 WHERE md5(seq) <> ''"
LONG_ON_MARIADB = ENDLESS_ON_MARIADB.replace("3000000000", "3000000")


@pytest.fixture(params=["sqlite", "mariadb", *POSTGRES_DRIVERS])
def database_url(request: pytest.FixtureRequest) -> str:
    return database_by(request, request.param)


@pytest.fixture
def hurried(make_host: MakeHost, database_url: str) -> Iterator[Flask]:
    """A host with one connection, so that a question and the host have the same."""
    options = {"pool_size": 1, "max_overflow": 0}
    app = make_host(
        database_url,
        create_blueprint(report_timeout_ms=300),
        SQLALCHEMY_ENGINE_OPTIONS=options,
    )
    with app.app_context():
        yield app


@pytest.fixture
def endless(database_url: str) -> str:
    return ENDLESS_ON_MARIADB if kind_of(database_url) == "mariadb" else ENDLESS


@pytest.fixture
def long(database_url: str) -> str:
    return LONG_ON_MARIADB if kind_of(database_url) == "mariadb" else LONG


@contextmanager
def hosts_own(app: Flask) -> Iterator[object]:
    with app.extensions["sqlalchemy"].engine.connect() as connection:
        yield connection


def test_a_question_that_never_ends_is_ended(hurried: Flask, endless: str) -> None:
    with pytest.raises(QuestionTimeout) as caught, current_reports().events() as connection:
        connection.execute(text(endless)).all()
    assert str(caught.value) == (
        "The question took longer than 0.3 s and was given up. Ask for fewer days, or set"
        " TCS_EVENTS_REPORT_TIMEOUT_MS."
    )


def test_the_connection_of_the_host_has_no_limit_afterwards(
    hurried: Flask, endless: str, long: str
) -> None:
    def before(connection: object) -> object:
        raw = connection.connection.dbapi_connection  # type: ignore[attr-defined]
        if isinstance(raw, sqlite3.Connection):
            return id(raw)
        if connection.dialect.name == "mysql":  # type: ignore[attr-defined]
            variables = "@@autocommit, @@tx_isolation, @@max_statement_time"
            query = text(f"SELECT connection_id(), {variables}")
            return tuple(connection.execute(query).one())  # type: ignore[attr-defined]
        return (
            id(raw),
            getattr(raw, "isolation_level", None),
            raw.autocommit,
            connection.scalar(text("SHOW statement_timeout")),  # type: ignore[attr-defined]
        )

    with hosts_own(hurried) as connection:
        was = before(connection)
    for question in ("SELECT 1", endless):
        try:
            with current_reports().events() as connection:
                connection.execute(text(question)).all()
        except QuestionTimeout:
            assert question == endless
        # The same connection, long after the time of the question is over.
        with hosts_own(hurried) as connection:
            assert before(connection) == was
            sleep(0.35)
            assert connection.execute(text(long)).scalar() == 3_000_000  # type: ignore[attr-defined]


def test_a_host_in_autocommit_is_held_to_it_and_stays_so(
    make_host: MakeHost, database_url: str, endless: str, long: str
) -> None:
    app = make_host(
        database_url,
        create_blueprint(report_timeout_ms=300),
        SQLALCHEMY_ENGINE_OPTIONS={"isolation_level": "AUTOCOMMIT", "pool_size": 1},
    )
    with app.app_context():
        with pytest.raises(QuestionTimeout), current_reports().events() as connection:
            connection.execute(text(endless)).all()
        with app.extensions["sqlalchemy"].engine.connect() as connection:
            raw = connection.connection.dbapi_connection
            assert connection.execute(text(long)).scalar() == 3_000_000
            if hasattr(raw, "get_autocommit"):
                assert raw.get_autocommit()
            else:
                assert getattr(raw, "isolation_level", None) is None
                assert getattr(raw, "autocommit", True)


def test_rows_that_come_quickly_are_ended_too(
    hurried: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(4):
        post(hurried, session_id=f"visitor-{number}")
    monkeypatch.setattr(streaming, "FETCH_ROWS", 1)
    period = reports.last_days(1)
    start = monotonic()
    with current_reports().without_limit() as connection:
        assert len(list(all_events(connection, period, 0.12))) == 4  # no limit, no end
    assert monotonic() - start > 0.3
    with pytest.raises(QuestionTimeout), current_reports().events() as connection:
        list(all_events(connection, period, 0.12))


def all_events(connection: object, period: reports.Period, pause: float) -> Iterator[object]:
    from tcs_events.counts.days import day

    zone = current_reports().zone
    start, end = day(period.first, zone).start, day(period.last, zone).end
    with events_between(connection, start, end, ["card_click"]) as events:  # type: ignore[arg-type]
        for event in events:
            sleep(pause)
            yield event


def test_all_that_is_asked_for_one_answer_shares_the_time(hurried: Flask) -> None:
    reports = current_reports().for_one_answer()
    with reports.events() as connection:
        connection.execute(text("SELECT 1")).all()
    sleep(0.35)
    with pytest.raises(QuestionTimeout), reports.events() as connection:
        connection.execute(text("SELECT 1")).all()
    with current_reports().events() as connection:  # and whoever asks by himself has it again
        assert connection.scalar(text("SELECT 1")) == 1


def test_in_one_connection_for_all_threads_only_the_question_is_ended(make_host: MakeHost) -> None:
    app = make_host("sqlite://", create_blueprint(report_timeout_ms=300))
    answers: list[object] = []

    def of_the_host() -> None:
        with app.app_context(), hosts_own(app) as connection:
            answers.append(connection.execute(text(LONG)).scalar())  # type: ignore[attr-defined]

    with app.app_context(), current_reports().events() as connection:
        connection.execute(text("SELECT 1")).all()
        sleep(0.35)
        other = threading.Thread(target=of_the_host)
        other.start()
        other.join()
    assert answers == [3_000_000]
