"""A host with the real blueprint and a real database, on a server in this process.

In this process, so that a test can serve any page and do any fault without a word in between, and
because a server process for each test would take most of the time.
"""

from __future__ import annotations

import threading
import time
from typing import Any

from flask import Flask, Response
from sqlalchemy import Engine, create_engine, select
from sqlalchemy.exc import OperationalError
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from tcs_events import UserEvent
from tests.browser.engines.engine import PATIENCE_SECONDS, wait_until
from tests.browser.tracker.browsers import RECORDER
from tests.browser.tracker.faults import Faults, Headers, Post
from tests.browser.tracker.pages import home, page
from tests.support import free_port

STUCK_SECONDS = 1
STRICT_POLICY = "default-src 'none'; script-src 'self'; connect-src 'self'; img-src data:"


class Quiet(WSGIRequestHandler):
    def log(self, *_: object) -> None:
        """Say nothing of each request."""


class Site:
    """A host, what its visitors meet there, and what its database holds."""

    def __init__(self, app: Flask, port: int) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.elsewhere = f"http://localhost:{port}"
        """The same pages on another origin, and on another site."""
        self.before = ""
        """A script that runs before those of the pages."""
        self.faults = Faults(app.wsgi_app)
        app.wsgi_app = self.faults  # type: ignore[method-assign]
        self.app = app
        self._pages: dict[str, tuple[str, Headers]] = {}
        self._database: Engine = create_engine(app.config["SQLALCHEMY_DATABASE_URI"])
        self._server: BaseWSGIServer | None = None
        app.add_url_rule("/<path:path>", view_func=self._serve_page)
        app.add_url_rule("/", view_func=lambda: self._serve_page(""), endpoint="home")
        app.add_url_rule("/before.js", view_func=self._serve_before)
        app.add_url_rule("/stuck", view_func=stuck)
        self.serve("/", home())
        self.serve("/next", page(head="", body="Next"))
        policy = {"Content-Security-Policy": STRICT_POLICY}
        self.serve("/strict", page(), policy)

    def serve(self, path: str, text: str, headers: Headers | None = None) -> str:
        """Serve a text at a path from now on; return its address. HTML unless a header says so."""
        self._pages[path.removeprefix("/").partition("?")[0]] = text, headers or {}
        return self.url + path

    def start(self) -> None:
        self._server = make_server(
            "127.0.0.1", self.port, self.app, threaded=True, request_handler=Quiet
        )
        threading.Thread(target=self._server.serve_forever, args=[0.01], daemon=True).start()

    def stop(self) -> None:
        """Take no connection any more. Those that are open end with their request."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def close(self) -> None:
        self.stop()
        self._database.dispose()

    def events(self) -> list[dict[str, Any]]:
        """Return the rows of `user_events`, oldest first."""
        query = select(UserEvent.__table__).order_by(UserEvent.id)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                with self._database.connect() as connection:
                    return [dict(row) for row in connection.execute(query).mappings()]
            except OperationalError:  # locked, for as long as a busy machine takes for a commit
                if time.monotonic() > deadline:
                    raise

    def numbers(self) -> list[int]:
        """Return the number in the payload of each row, in order of the numbers."""
        return sorted(event["payload"]["number"] for event in self.events())

    def wait_for_events(
        self, count: int, seconds: float = PATIENCE_SECONDS
    ) -> list[dict[str, Any]]:
        """Return the rows once there are `count` of them, or what there is after `seconds`."""
        wait_until(lambda: len(self.events()) >= count, seconds)
        return self.events()

    def wait_for_numbers(self, count: int, seconds: float = PATIENCE_SECONDS) -> list[int]:
        """Return the numbers once there are `count` rows, or what there is after `seconds`."""
        self.wait_for_events(count, seconds)
        return self.numbers()

    def wait_for_posts(self, count: int) -> list[Post]:
        """Return what the endpoint was sent once `count` requests of it were answered."""
        wait_until(lambda: sum(post.status != 0 for post in self.faults.posts) >= count)
        return list(self.faults.posts)

    def _serve_page(self, path: str) -> Response:
        text, headers = self._pages.get(path, ("", {}))
        response = Response(text, status=200 if path in self._pages else 404, mimetype="text/html")
        response.headers.update({"Cache-Control": "no-store", **headers})
        return response

    def _serve_before(self) -> Response:
        scripts = "\n".join(f"(() => {{ {script} }})();" for script in (self.before, RECORDER))
        response = Response(scripts, mimetype="text/javascript")
        response.headers["Cache-Control"] = "no-store"
        return response


def stuck() -> str:
    """Hold a connection up."""
    time.sleep(STUCK_SECONDS)
    return ""


def new_site(make_host: Any, database_url: str, **settings: object) -> Site:
    """Build a site on a port of its own, and start it."""
    port = free_port()
    settings = {"TCS_EVENTS_CORS_ORIGINS": [f"http://localhost:{port}"], **settings}
    site = Site(make_host(database_url, **settings), port)
    site.start()
    return site
