"""F11: what one client gets beyond the limit by claiming to be ten thousand; memory of the limiter.

The control is a limiter that believes the header.
"""

from __future__ import annotations

import random
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import structlog
from flask import Flask
from flask_sqlalchemy import SQLAlchemy

from tcs_events import create_blueprint
from tcs_events.wsgi import EventsMiddleware
from tests import spoofing
from tests.figures.figure import Row
from tests.support import ROOT

LIMIT = 100
MAX_MB = 64
DICT = """
import os, sys
def rss_mb():
    pages = int(open("/proc/self/statm").read().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
before, seen = rss_mb(), {}
for number in range(int(sys.argv[1])):
    seen[f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"] = [0.0, 1]
print(round(rss_mb() - before))
"""
MEMORY = """
import os, sys
from limits import parse
from tcs_events.watch.counters import Counters
from tcs_events.intake.rate_limits import RateLimits

def rss_mb():
    pages = int(open("/proc/self/statm").read().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6

limits = RateLimits(parse("600/minute"), None, "memory://", os.urandom(32), Counters())
before = rss_mb()
for number in range(int(sys.argv[1])):
    limits.check_client(f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}", 1)
print(round(rss_mb() - before))
"""


def beyond_the_limit(posts: int) -> list[Row]:
    keys = 100 * posts
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    with tempfile.TemporaryDirectory() as folder:
        beyond = {
            face: _accepted(Path(folder), face, posts, spoofing.claimed) - LIMIT
            for face in ("view", "middleware")
        }
        believed = _accepted(Path(folder), "middleware", posts, spoofing.believed) - LIMIT
    structlog.reset_defaults()
    fewer, more = _memory_mb(keys // 2), _memory_mb(keys)
    return [
        Row(
            "a limit of 100",
            f"{beyond['view']} (view), {beyond['middleware']} (middleware) of {posts:,} each",
            not any(beyond.values()),
            f"a limiter that believes X-Forwarded-For: {believed:,}",
            believed > 0,
        ),
        Row(
            "memory of the limiter",
            f"{more} MB at {keys:,} addresses, {fewer} MB at half as many",
            more <= MAX_MB,
            f"a dict of them would be {_dict_mb(keys)} MB and grow",
            _dict_mb(keys) > more,
        ),
    ]


def _dict_mb(keys: int) -> int:
    ran = subprocess.run(
        [sys.executable, "-c", DICT, str(keys)], capture_output=True, text=True, check=True
    )
    return int(ran.stdout)


def _memory_mb(keys: int) -> int:
    command = [sys.executable, "-c", MEMORY, str(keys)]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return int(ran.stdout)


def _accepted(
    folder: Path, face: str, posts: int, headers: Callable[[random.Random], dict[str, str]]
) -> int:
    """Post so often to a host of its own; return how many were answered 202."""
    app, db = Flask("host"), SQLAlchemy()
    path = folder / f"{face}_{headers.__name__}.db"
    app.config.update(
        SQLALCHEMY_DATABASE_URI=f"sqlite:///{path}", TCS_EVENTS_CLIENT_LIMIT=f"{LIMIT}/day"
    )
    db.init_app(app)
    app.register_blueprint(create_blueprint())
    if face == "middleware":
        app.wsgi_app = EventsMiddleware(app)  # type: ignore[method-assign]
    with app.app_context():
        db.create_all()
    accepted = spoofing.statuses(app, posts, headers)[202]
    app.extensions["tcs_events"].store.close()
    with app.app_context():
        db.engine.dispose()
    return accepted
