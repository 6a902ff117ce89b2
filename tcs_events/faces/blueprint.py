"""The face that speaks HTTP through Flask: the blueprint and its routes."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from http import HTTPStatus
from io import BytesIO
from typing import TYPE_CHECKING, cast

from flask import (
    Blueprint,
    Flask,
    Request,
    Response,
    current_app,
    request,
    request_finished,
    request_started,
)
from flask.blueprints import BlueprintSetupState
from werkzeug.exceptions import BadRequest, MethodNotAllowed

from tcs_events.cli import add_commands
from tcs_events.errors import ConfigError, TcsEventsError
from tcs_events.faces.access import lets_in
from tcs_events.faces.body import read_again, read_body
from tcs_events.faces.cacheable import MAX_AGE_SECONDS
from tcs_events.faces.cors import cors_headers
from tcs_events.faces.openapi import document_of
from tcs_events.faces.routes import Route, add_routes, fill_in, matched
from tcs_events.faces.script import TAG_ROUTE, script_tag, tracker
from tcs_events.host import EXTENSION_KEY, registration_of
from tcs_events.host.mounted import is_ours, name_on
from tcs_events.host.wiring import register as register_on
from tcs_events.intake.answers import (
    MARK,
    Answer,
    answer,
    answer_health,
    host_not_served,
    method_not_allowed,
)
from tcs_events.intake.collector import Collector, refuse
from tcs_events.settings import SETTINGS, check_names, read_settings
from tcs_events.tracking.login import link_logged_in_users

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment


def create_blueprint(
    name: str = "tcs_events", url_prefix: str | None = "/api/events", **options: object
) -> Blueprint:
    """Return a blueprint to register on any number of apps.

    Args:
        name: the name of the blueprint, and the first part of its endpoints.
        url_prefix: where the routes are. It may be empty, for the root, and may have variables, as
            in `/<lang>/events`.
        options: defaults for the settings of those apps, in lower case and without the prefix:
            `create_blueprint(event_types=["room_opened", "sign_up"])`. The app's config wins.

    Raises:
        ConfigError: an option is unknown. The values are checked when an app registers.
    """
    check_names(options, [setting.option for setting in SETTINGS])
    blueprint = Blueprint(name, __name__, url_prefix=url_prefix, cli_group="tcs-events")

    def register(state: BlueprintSetupState) -> None:
        if EXTENSION_KEY in state.app.extensions:
            raise ConfigError(
                "tcs_events is registered on this app already. Register one blueprint, and give it"
                " all event types: create_blueprint(event_types=[...])."
            )
        app = cast(Flask, state.app)
        registration = register_on(app, blueprint, read_settings(app.config, options))
        add_routes(state, ROUTES)
        request_started.connect(_take_body, app)
        link_logged_in_users(app, registration)
        if registration.settings.cors_origins:
            request_finished.connect(_let_other_origins_read, app)

    blueprint.record(register)
    blueprint.url_defaults(lambda endpoint, values: fill_in(current_app, endpoint, values))
    blueprint.add_app_template_global(script_tag, "tcs_events_script")
    blueprint.after_app_request(_word_refusals)
    add_commands(blueprint)
    return blueprint


def collect(**_: object) -> Response:
    """Take one event: 202 when it is stored, 422 when it is not allowed."""
    return _answer(Collector.collect)


def collect_batch(**_: object) -> Response:
    """Take a batch of events: 202 with a verdict for each, 422 when none is allowed."""
    return _answer(Collector.collect_batch)


def identify(**_: object) -> Response:
    """Take who a session belongs to: 202 when it is stored, 422 when it is not allowed."""
    return _answer(Collector.identify)


def health(**_: object) -> Response:
    """Say whether events can be stored: 200, or 503 with what is wrong."""
    registration = registration_of(_app())
    with_counts = lets_in(registration.settings.health_access)
    return _response(answer_health(registration.health.report(with_counts=with_counts)))


def openapi(**_: object) -> Response:
    """Serve the OpenAPI document, for the routes and the event types of the current app."""
    return document_of(_app()).at(request.root_path).response(request, MAX_AGE_SECONDS)


def debug(**_: object) -> Response:
    """Show a developer what became of the last events of this process. 404 unless in debug mode."""
    registration = registration_of(_app())
    if registration.recent is None or not current_app.debug:
        return _response(answer(404, {"errors": {"_schema": ["There is no such page."]}}))
    from tcs_events.faces.debug import page_of  # not needed in production

    return page_of(registration.recent, registration.settings.timezone)


def _or_options(view: Callable[..., Response]) -> Callable[..., Response]:
    """Let a view answer OPTIONS too. Flask would do the same, without our mark."""

    @wraps(view)
    def answered(**variables: object) -> Response:
        if request.method != "OPTIONS":
            return view(**variables)
        response = current_app.make_default_options_response()
        response.headers.remove("Content-Type")
        response.headers[MARK[0]] = MARK[1]
        return response

    return answered


ROUTES = [
    Route("", "collect", _or_options(collect), "POST"),
    Route("/batch", "collect_batch", _or_options(collect_batch), "POST"),
    Route("/identify", "identify", _or_options(identify), "POST"),
    Route("/tracker.js", "tracker", _or_options(tracker)),
    Route(f"/{TAG_ROUTE}.js", TAG_ROUTE, _or_options(tracker)),
    Route("/health", "health", _or_options(health)),
    Route("/openapi.json", "openapi", _or_options(openapi)),
    Route("/debug", "debug", _or_options(debug)),
]


def _app() -> Flask:
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    return app


def _request() -> Request:
    """Return the request itself: each use of Flask's `request` looks for it again."""
    found: Request = request._get_current_object()  # type: ignore[attr-defined]
    return found


def _response(answer: Answer) -> Response:
    return Response(answer.body, answer.status, list(answer.headers))


def _answer(collect: Callable[[Collector, bytes, WSGIEnvironment], Answer]) -> Response:
    """Let the collector answer the current request."""
    app, asked = _app(), _request()
    registration = registration_of(app)
    try:
        return _response(collect(registration.collector, _body(app, asked), asked.environ))
    except ConfigError as error:
        if app.testing:  # a test shall fail by it
            raise
        return _response(
            refuse(error, registration.counters, registration.recent, explain=app.debug)
        )
    except TcsEventsError as error:
        return _response(refuse(error, registration.counters, registration.recent))


def _let_other_origins_read(app: Flask, response: Response, **_: object) -> None:
    """Say which origins may read an answer of ours, in the place of whoever said so before.

    After every `after_request`: one of the host's, such as that of Flask-CORS, may be for all of
    its routes, and let in whom our list leaves out.
    """
    registration = registration_of(app)
    if request.method == "GET" or name_on(app) not in request.blueprints:
        return
    headers = response.headers
    for name in {name for name, _ in headers if name.lower().startswith("access-control-")}:
        headers.remove(name)
    for name, value in cors_headers(
        request.headers.get("Origin"), registration.settings.cors_origins
    ):
        if name == "Vary":
            response.vary.add(value)
        else:
            headers[name] = value


def _word_refusals(response: Response) -> Response:
    """Word a 405 for a path of ours in JSON, and a Host header that Flask does not take.

    Not by a route that takes all methods: it would hide what the host itself answers there.
    """
    if response.status_code == HTTPStatus.ACCEPTED:
        return response
    refusal = request.routing_exception
    if not isinstance(refusal, MethodNotAllowed | BadRequest) or response.status_code != (
        refusal.code
    ):
        return response
    if not _is_path_of_ours(_app(), refusal):
        return response
    if isinstance(refusal, BadRequest):
        return _response(host_not_served())
    return _response(method_not_allowed(sorted(refusal.valid_methods or ())))


def _is_path_of_ours(app: Flask, refusal: MethodNotAllowed | BadRequest) -> bool:
    """Tell whether a request that Flask has refused would be ours with another method or host."""
    is_host_good = isinstance(refusal, MethodNotAllowed)
    adapter = app.create_url_adapter(request) if is_host_good else app.url_map.bind("localhost")
    rules = (
        [matched(adapter, request.path, method) for method in ("POST", "GET")] if adapter else []
    )
    return any(rule is not None and is_ours(app, rule) for rule in rules)


_BODY = "tcs_events.faces.body"


def _take_body(app: Flask, **_: object) -> None:
    """Read the body of an event before a hook of the host does, and leave the hook a copy.

    A hook that reads `request.stream` keeps nothing of it. And the input of Flask's development
    server does not end: reading it again would wait for ever.
    """
    asked = _request()
    rule = asked.url_rule
    if asked.method == "POST" and rule is not None and is_ours(app, rule):
        try:
            asked.environ[_BODY] = _read_body(app, asked)
        except TcsEventsError as error:
            asked.environ[_BODY] = error


def _body(app: Flask, asked: Request) -> bytes:
    """Return the body of a request; raises what `_read_body` raises."""
    body: bytes | TcsEventsError | None = asked.environ.pop(_BODY, None)
    if isinstance(body, TcsEventsError):
        raise body
    return _read_body(app, asked) if body is None else body


def _read_body(app: Flask, asked: Request) -> bytes:
    """Read the body of a request, whatever its Content-Type says it is.

    Raises:
        BodyEncoded: it is compressed.
        BodyTooLarge: it is longer than we allow, or than the host allows.
        EventInvalid: it ended before its announced length.
    """
    limits = registration_of(app).settings.max_body_bytes, app.config["MAX_CONTENT_LENGTH"]
    if "stream" in vars(asked):  # the host's session, for one, has begun to read it
        return read_again(asked, *limits)
    body = read_body(asked.environ, *limits)
    asked.environ["wsgi.input"] = BytesIO(body)
    return body


events_bp = create_blueprint()
"""The blueprint with the default settings: `app.register_blueprint(events_bp)`."""
