"""Tasks of Celery record: in the process of the page, and in workers."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from flask import Flask

from tests.redis_server import RedisServer
from tests.support import ROOT, need_module, stored, wait_until

need_module("celery")

from tests.tracking import celery_host  # noqa: E402 - needs Celery

START_SECONDS = 120


@pytest.fixture
def eager(
    monkeypatch: pytest.MonkeyPatch, sqlite_url: str, close_later: list[Flask]
) -> Iterator[Flask]:
    """The host, whose tasks run where they are called."""
    app = celery_host.create_app(sqlite_url)
    close_later.append(app)
    monkeypatch.setattr(celery_host, "flask_app", app)
    celery_host.celery_app.conf.task_always_eager = True
    with app.app_context():
        celery_host.db.create_all()
        yield app
    celery_host.celery_app.conf.task_always_eager = False


def test_an_eager_task_records(eager: Flask) -> None:
    celery_host.buy.delay("visitor", "order")
    celery_host.look.delay("visitor", "look")
    assert celery_host.buy.delay("visitor", "failed", fails=True).failed()
    assert [row["session_id"] for row in stored(eager)] == ["visitor"] * 2


def test_an_eager_task_has_the_session_of_the_request(eager: Flask) -> None:
    with eager.test_request_context(headers={"X-TCS-Session-ID": "by-header"}):
        celery_host.look.delay(None, "look")
    assert [row["session_id"] for row in stored(eager)] == ["by-header"]


@contextmanager
def worker(pool: str, **environment: str) -> Iterator[None]:
    """Run a worker with two processes, or with two greenlets."""
    command = ["-A", "tests.tracking.celery_host:celery_app", "worker", "--pool", pool]
    process = subprocess.Popen(
        [sys.executable, "-m", "celery", *command, "--concurrency=2", "--without-mingle"],
        cwd=ROOT,
        env={**os.environ, **environment, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(START_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@pytest.mark.proof
@pytest.mark.parametrize("pool", ["prefork", "gevent"])
def test_a_worker_records(
    redis_server: RedisServer, postgres_url: str, pool: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    need_module(pool if pool == "gevent" else "celery")
    app = celery_host.create_app(postgres_url)
    with app.app_context():
        celery_host.db.create_all()
    monkeypatch.setattr(celery_host.celery_app.conf, "broker_url", redis_server.url)
    with worker(pool, TEST_DATABASE_URL=postgres_url, TEST_BROKER_URL=redis_server.url):
        with celery_host.celery_app.connection_for_write(redis_server.url) as broker:
            for number in range(10):
                celery_host.buy.apply_async((f"visitor-{number}", "order"), connection=broker)
                celery_host.buy.apply_async(("nobody", "failed", True), connection=broker)
            celery_host.look.apply_async(("visitor-10", "look"), connection=broker)
        wait_until(lambda: len(stored(app)) == 11, START_SECONDS)
    sessions = {row["session_id"] for row in stored(app)}
    assert sessions == {f"visitor-{number}" for number in range(11)}
    with app.app_context():
        assert celery_host.db.session.query(celery_host.Order).count() == 10
        celery_host.db.session.remove()
        celery_host.db.drop_all()
        celery_host.db.engine.dispose()
