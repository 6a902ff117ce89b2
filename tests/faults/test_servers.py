"""The same promises on every WSGI server, and on both faces of the endpoint."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from itertools import cycle
from pathlib import Path

import pytest

from tests.faults.server_contract import reconcile, stop_in_order
from tests.faults.servers import FACES, SERVERS, Server
from tests.support import URL, card_click, need_module

pytestmark = pytest.mark.usefixtures("patient_servers")

EVENTS = 500
STOP_SECONDS = 45
"""gunicorn ends its workers itself after 10. The rest is for a busy machine."""
FACE_OF = dict(zip(SERVERS, cycle(FACES)))
OTHER_FACE_OF = dict(zip(SERVERS, cycle(reversed(FACES))))
"""Each server has both faces, in one test each: what differs between faces is not the server."""
ON_A_SERVER = {"gunicorn-gevent": "view", "gunicorn-preload": "middleware", "granian": "view"}


@pytest.mark.parametrize(("kind", "face"), FACE_OF.items())
def test_what_is_accepted_is_stored_once_and_what_is_refused_is_not(
    sqlite_url: str, tmp_path: Path, kind: str, face: str
) -> None:
    report = reconcile(sqlite_url, tmp_path, events=EVENTS, kind=kind, face=face)

    assert report.balance.violations == {}
    assert report.balance.stored == report.balance.acknowledged > EVENTS // 2
    assert report.balance.refused > 0
    assert set(report.statuses()) == {202, 422}


@pytest.mark.parametrize(("kind", "face"), ON_A_SERVER.items())
def test_postgresql_stores_each_accepted_event_once_whatever_forks_or_switches_the_writer(
    postgres_url: str, tmp_path: Path, kind: str, face: str
) -> None:
    report = reconcile(postgres_url, tmp_path, events=EVENTS, kind=kind, face=face)

    assert report.balance.violations == {}
    assert report.balance.stored == report.balance.acknowledged > EVENTS // 2
    assert set(report.statuses()) == {202, 422}


@pytest.mark.parametrize("driver", ["pymysql", "mysqldb"])
@pytest.mark.parametrize(("kind", "face"), ON_A_SERVER.items())
def test_mariadb_stores_each_accepted_event_once_whatever_forks_or_switches_the_writer(
    mariadb_url: str, tmp_path: Path, kind: str, face: str, driver: str
) -> None:
    need_module({"mysqldb": "MySQLdb"}.get(driver, driver))
    url = mariadb_url.replace("pymysql", driver)
    report = reconcile(url, tmp_path, events=EVENTS, kind=kind, face=face)

    assert report.balance.violations == {}
    assert report.balance.stored == report.balance.acknowledged > EVENTS // 2
    assert set(report.statuses()) == {202, 422}


@pytest.mark.parametrize(("kind", "face"), OTHER_FACE_OF.items())
def test_a_server_stopped_under_load_has_stored_what_it_acknowledged(
    sqlite_url: str, tmp_path: Path, kind: str, face: str
) -> None:
    report, seconds = stop_in_order(sqlite_url, tmp_path, kind=kind, face=face)

    assert report.balance.violations == {}
    assert report.balance.unknown == 0
    assert set(report.statuses()) <= {0, 202}
    assert seconds < STOP_SECONDS


@pytest.mark.parametrize("kind", ["gunicorn-gthread", "gunicorn-gevent"])
def test_a_deep_body_is_refused_however_small_the_stack_that_reads_it(
    sqlite_url: str, tmp_path: Path, kind: str
) -> None:
    texts = [
        opening * depth + "0" + closing * depth
        for depth in (33, 500, 1_000, 1_025, 10_000)
        for opening, closing in (("[", "]"), ('{"a":', "}"))
    ]
    with Server(sqlite_url, tmp_path / "server.log", kind=kind) as server:
        url = f"http://127.0.0.1:{server.port}{URL}"
        statuses = []
        for text in texts:
            envelope = json.dumps(card_click(payload="@")).replace('"@"', f'{{"v": {text}}}')
            with pytest.raises(urllib.error.HTTPError) as refused:
                urllib.request.urlopen(url, envelope.encode(), timeout=60)
            statuses.append(refused.value.code)
            refused.value.close()
        log = server.log_tail()

    assert set(statuses) == {422}
    assert "Traceback" not in log
