"""202 means: in the file at the host's path, also after a restore has put another one there.

What was acknowledged before that is in the old file, which the tests keep under another name.
"""

from __future__ import annotations

import http.client
import json
import os
import sqlite3
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import pytest
from flask import Flask
from sqlalchemy import event
from structlog.testing import capture_logs

from tests.conftest import MakeHost
from tests.faults.servers import Server
from tests.support import URL, card_click, post

Send = Callable[[object], int]


@pytest.fixture
def path(sqlite_url: str) -> Path:
    return Path(sqlite_url.removeprefix("sqlite:///"))


def backup(path: Path, name: str) -> Path:
    """Return a copy of the database, made as SQLite's own tool makes one."""
    copy = path.with_name(name)
    with sqlite3.connect(path) as source, sqlite3.connect(copy) as target:
        source.backup(target)
    source.close()
    target.close()
    return copy


def ids(path: Path) -> set[str]:
    """Return the ids in a file, which is whole."""
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    rows = connection.execute("SELECT event_id FROM user_events").fetchall()
    connection.close()
    return {row[0] for row in rows}


def swap(path: Path, copy: Path) -> Path:
    """Put a copy into the place of the database; return where the old one is now."""
    old = path.with_name("old.db")
    old.unlink(missing_ok=True)
    os.link(path, old)
    os.replace(copy, path)
    return old


@pytest.mark.parametrize("is_first", [False, True], ids=["after events", "before the first event"])
@pytest.mark.parametrize("stale", ["left", "removed"])
def test_after_a_restore_events_are_in_the_new_file(
    make_host: MakeHost, sqlite_url: str, path: Path, stale: str, is_first: bool
) -> None:
    app = make_host(sqlite_url)
    client = app.test_client()
    before = str(uuid4())
    if not is_first:
        assert post(client, event_id=before).status_code == 202
    copy = backup(path, "copy.db")
    for number in range(0 if is_first else 20):
        assert post(client, session_id=f"lost-{number}").status_code == 202
    old = swap(path, copy)
    if stale == "removed":
        path.with_name("host.db-wal").unlink(missing_ok=True)
        path.with_name("host.db-shm").unlink(missing_ok=True)
    after = [str(uuid4()) for _ in range(3)]
    for event_id in after:
        assert post(client, event_id=event_id).status_code == 202
    assert client.post(f"{URL}/identify", json={"session_id": "s", "email": "a@b.example"})
    kept = [] if is_first else [before]
    assert ids(path) == {one.replace("-", "") for one in [*kept, *after]}
    assert len(ids(old)) == (0 if is_first else 21)
    with app.app_context():  # the host's pages and our reports look there, too
        from tcs_events import UserEvent

        assert UserEvent.query.count() == len(kept) + 3


def test_a_repeat_of_what_only_the_old_file_has_is_stored_in_the_new_one(
    make_host: MakeHost, sqlite_url: str, path: Path
) -> None:
    app = make_host(sqlite_url)
    post(app)
    copy = backup(path, "copy.db")
    event_id = str(uuid4())
    post(app, event_id=event_id)
    swap(path, copy)
    assert post(app, event_id=event_id).status_code == 202
    assert event_id.replace("-", "") in ids(path)


def test_a_removed_file_is_503_with_its_remedy_until_there_is_one(
    make_host: MakeHost, sqlite_url: str, path: Path
) -> None:
    app = make_host(sqlite_url)
    post(app)
    copy = backup(path, "copy.db")
    path.unlink()
    app.extensions["tcs_events"].health._reset()
    status = app.test_client().get(f"{URL}/health")
    assert (status.status_code, status.json["problems"][0]["problem"]) == (
        503,
        "the file of the database is gone",
    )
    event_id = str(uuid4())
    with capture_logs() as logs:
        assert post(app, event_id=event_id).status_code == 503
    assert [entry["remedy"] for entry in logs if "remedy" in entry] == [
        "put it back, or run `db.create_all()` in an app context to begin with an empty one"
    ]
    assert not path.exists()
    os.replace(copy, path)
    assert [post(app, event_id=event_id).status_code for _ in range(5)][-1] == 202
    assert event_id.replace("-", "") in ids(path)


def test_a_link_that_points_elsewhere_is_followed(
    make_host: MakeHost, tmp_path: Path, path: Path
) -> None:
    for name in ("blue", "green"):
        (tmp_path / name).mkdir()
        make_host(f"sqlite:///{tmp_path}/{name}/host.db")
    link = tmp_path / "current"
    link.symlink_to("blue")
    app = make_host(f"sqlite:///{tmp_path}/current/host.db", create=False)
    assert post(app).status_code == 202
    (tmp_path / "next").symlink_to("green")
    os.replace(tmp_path / "next", link)
    assert post(app).status_code == 202
    assert len(ids(tmp_path / "blue/host.db")) == len(ids(tmp_path / "green/host.db")) == 1


@pytest.mark.parametrize("idle", ["never wrote", "wrote before two restores"])
def test_a_process_that_notices_first_does_not_take_the_old_log(
    make_host: MakeHost, sqlite_url: str, path: Path, idle: str
) -> None:
    busy, other = make_host(sqlite_url), make_host(sqlite_url, create=False)
    assert post(busy).status_code == 202
    if idle == "wrote before two restores":
        assert post(other).status_code == 202
        swap(path, backup(path, "first.db"))
        assert post(busy).status_code == 202
    copy = backup(path, "second.db")
    for _ in range(30):
        assert post(busy).status_code == 202
    swap(path, copy)
    after = [uuid4().hex for _ in range(5)]
    for app, event_id in zip([other, other, busy, other, busy], after, strict=True):
        assert post(app, event_id=event_id).status_code == 202
    assert set(after) <= ids(path)


def test_a_file_that_is_replaced_while_a_connection_is_made_is_opened_again(
    make_host: MakeHost, sqlite_url: str, path: Path
) -> None:
    busy, other = make_host(sqlite_url), make_host(sqlite_url, create=False)
    assert post(busy).status_code == 202
    copies = [backup(path, "copy.db")]
    for _ in range(30):
        assert post(busy).status_code == 202

    def restore(*_: object) -> None:
        if copies:
            swap(path, copies.pop())

    with other.app_context():
        event.listen(other.extensions["sqlalchemy"].engine, "connect", restore)
    after = [uuid4().hex for _ in range(4)]
    for app, event_id in zip([other, busy, other, busy], after, strict=True):
        assert post(app, event_id=event_id).status_code == 202
    assert not copies
    assert set(after) <= ids(path)


@dataclass
class Visits:
    """What was sent while the file was replaced, and when each request began."""

    answers: list[tuple[float, str, int]] = field(default_factory=list)

    def acknowledged(self, since: float) -> set[str]:
        return {each for began, each, status in self.answers if status == 202 and began > since}


def visit_and_swap(make_send: Callable[[], Send], path: Path, swaps: int) -> None:
    """Replace the file a few times under load, and see after each that nothing is missing."""
    visits, stop = Visits(), threading.Event()

    def visit() -> None:
        send = make_send()
        while not stop.is_set():
            event_id, began = uuid4().hex, time.monotonic()
            visits.answers.append((began, event_id, send(card_click(event_id=event_id))))

    def wait_for(count: int) -> None:
        wanted, deadline = len(visits.answers) + count, time.monotonic() + 60
        while len(visits.answers) < wanted:
            assert time.monotonic() < deadline
            time.sleep(0.01)

    threads = [threading.Thread(target=visit) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        began = 0.0
        for number in range(swaps):
            wait_for(60)
            copy = backup(path, f"copy-{number}.db")
            in_copy = ids(copy)
            wait_for(20)
            old = swap(path, copy)
            swapped = time.monotonic()
            wait_for(60)
            lost = visits.acknowledged(began) - in_copy
            now = visits.acknowledged(swapped)
            in_new = ids(path)
            assert now <= in_new
            assert lost - now <= in_new | ids(old)
            assert len(now) > 10
            began = swapped
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert visits.acknowledged(began) <= ids(path)


def test_nothing_acknowledged_after_the_file_was_replaced_under_load_is_missing(
    make_host: MakeHost, sqlite_url: str, path: Path
) -> None:
    app: Flask = make_host(sqlite_url)

    def make_send() -> Send:
        client = app.test_client()
        return lambda body: client.post(URL, json=body).status_code

    visit_and_swap(make_send, path, swaps=3)


@pytest.mark.parametrize("kind", ["gunicorn-gthread", "gunicorn-preload-4"])
def test_nor_where_several_processes_have_it_open(
    sqlite_url: str, tmp_path: Path, path: Path, kind: str
) -> None:
    with Server(sqlite_url, tmp_path / "log", kind=kind) as server:

        def make_send() -> Send:
            def send(body: object) -> int:
                connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=120)
                connection.request("POST", URL, json.dumps(body))
                status = connection.getresponse().status
                connection.close()
                return status

            return send

        visit_and_swap(make_send, path, swaps=3)
    assert ids(path)
