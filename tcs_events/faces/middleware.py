"""The face that speaks WSGI: the same collector, with no Flask in front of it.

    app.register_blueprint(events_bp)
    app.wsgi_app = EventsMiddleware(app)

Flask's routing, contexts and response objects cost several times what storing an event does. The
middleware answers the ingestion routes before Flask sees them, with the same bodies and the same
answers, and passes everything else on. Hooks of the host (`before_request`, `after_request`,
Flask-Limiter) are not run for the events it answers: it is for the host that wants that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from http import HTTPStatus
from types import MethodType
from typing import TYPE_CHECKING

from flask import Flask
from werkzeug.exceptions import HTTPException

from tcs_events.errors import ConfigError, TcsEventsError
from tcs_events.faces.body import read_body
from tcs_events.faces.cors import cors_headers
from tcs_events.faces.routes import INGESTION, is_fixed, matched
from tcs_events.host import EXTENSION_KEY, registration_of
from tcs_events.host.mounted import ingestion_rules, route_of
from tcs_events.host.wiring import prepare
from tcs_events.intake.answers import Answer
from tcs_events.intake.collector import refuse
from tcs_events.tracking.login import check_no_middleware

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_STATUS_LINES = {status.value: f"{status.value} {status.phrase.upper()}" for status in HTTPStatus}


class EventsMiddleware:
    """Answers events before Flask sees them: `app.wsgi_app = EventsMiddleware(app)`.

    It answers `POST` on the routes of events. Hooks of the app do not run for these requests.

    Args:
        app: a Flask app that has registered the blueprint. All other requests go to its present
            `wsgi_app`.

    Raises:
        ConfigError: the app has not registered the blueprint, or `TCS_EVENTS_IDENTIFY_USER` names
            the logged-in user, whom only Flask's own requests know.
    """

    def __init__(self, app: Flask) -> None:
        if EXTENSION_KEY not in app.extensions:
            raise ConfigError(
                "EventsMiddleware needs the blueprint: call app.register_blueprint(events_bp)"
                " before app.wsgi_app = EventsMiddleware(app)."
            )
        self._app = app
        self._next: WSGIApplication = app.wsgi_app
        self._registration = registration_of(app)
        check_no_middleware(self._registration)
        self._limit_bytes = self._registration.settings.max_body_bytes
        self._origins = self._registration.settings.cors_origins
        self._collect: dict[str, Callable[[bytes, WSGIEnvironment], Answer]] = {}
        self._paths: dict[str, str] = {}
        """The name of the route by `PATH_INFO`, where that alone says whose a request is."""
        self._endpoints: dict[str, str] = {}
        """The same by endpoint, where Flask's routing must be asked: the prefix has variables, or
        the app looks at host names."""
        for rule in ingestion_rules(app):
            route = route_of(app, rule)
            if route not in INGESTION:
                continue
            if is_fixed(app, rule):
                path = rule.rule.rstrip("/").encode().decode("latin-1")  # as WSGI has it
                self._paths[path] = self._paths[f"{path}/"] = route
            else:
                self._endpoints[rule.endpoint] = route

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer an event, or pass the request on."""
        if environ["REQUEST_METHOD"] != "POST":
            return self._next(environ, start_response)
        route = self._paths.get(environ["PATH_INFO"])
        if route is None and self._endpoints:
            route = self._matched(environ)
        if route is None:
            return self._next(environ, start_response)
        answer = self._answer(route, environ)
        headers = list(answer.headers)
        if self._origins:
            headers += cors_headers(environ.get("HTTP_ORIGIN"), self._origins)
        start_response(_STATUS_LINES[answer.status], headers)
        return [answer.body]

    def _matched(self, environ: WSGIEnvironment) -> str | None:
        """Ask Flask's routing what a request is for; None where it is nothing of ours."""
        try:
            adapter = self._app.create_url_adapter(self._app.request_class(environ))
        except HTTPException:  # a Host header that Flask does not take
            return None
        rule = matched(adapter, None, "POST") if adapter is not None else None
        return self._endpoints.get(rule.endpoint) if rule is not None else None

    def _answer(self, route: str, environ: WSGIEnvironment) -> Answer:
        try:
            limits = self._limit_bytes, self._app.config["MAX_CONTENT_LENGTH"]
            collect = self._collect.get(route) or self._prepare(route)
            # No local name for the body, so that it is freed once it is parsed.
            return collect(read_body(environ, *limits), environ)
        except ConfigError as error:
            if self._app.testing:  # a test shall fail by it
                raise
            return self._refuse(error, explain=self._app.debug)
        except TcsEventsError as error:
            return self._refuse(error)

    def _refuse(self, error: TcsEventsError, *, explain: bool = False) -> Answer:
        registration = self._registration
        return refuse(error, registration.counters, registration.recent, explain=explain)

    def _prepare(self, route: str) -> Callable[[bytes, WSGIEnvironment], Answer]:
        """Get ready at the first event: the host has set itself up by then."""
        prepare(self._app)
        with self._app.app_context():
            collector = self._registration.collector
        collect = self._collect[route] = MethodType(INGESTION[route], collector)
        return collect
