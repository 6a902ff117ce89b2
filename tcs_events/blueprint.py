"""The face that speaks HTTP through Flask: the blueprint and its routes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from flask import Blueprint, Flask, Response, current_app, request, request_finished
from flask.blueprints import BlueprintSetupState
from werkzeug.exceptions import BadRequest, ClientDisconnected, MethodNotAllowed

from tcs_events.answers import Answer, host_not_valid, method_not_allowed
from tcs_events.body import read_body
from tcs_events.cli import add_commands
from tcs_events.collector import Collector, refuse
from tcs_events.cors import cors_headers
from tcs_events.errors import BodyTooLarge, ConfigError, EventInvalid, TcsEventsError
from tcs_events.openapi import openapi
from tcs_events.registration import EXTENSION_KEY, Registration, registration_of
from tcs_events.script import script_tag, tracker
from tcs_events.settings import SETTINGS, check_names, read_settings

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment


def create_blueprint(
    name: str = "tcs_events", url_prefix: str = "/api/events", **options: object
) -> Blueprint:
    """Return a blueprint to register on any number of apps.

    `options` are defaults for the settings of those apps, named without the prefix and in lower
    case: `create_blueprint(event_types=["card_click", "sign_up"])`. The app's config wins.

    Raises:
        ConfigError: an option is unknown. Its value is checked when an app registers.
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
        registration = Registration(app, blueprint, read_settings(app.config, options))
        if registration.settings.cors_origins:
            request_finished.connect(_let_other_origins_read, app)

    blueprint.record(register)
    for path, view in {"": collect, "/batch": collect_batch, "/identify": identify}.items():
        blueprint.add_url_rule(path, view_func=view, methods=["POST"], strict_slashes=False)
    blueprint.add_url_rule("/tracker.js", view_func=tracker)
    blueprint.add_url_rule("/health", view_func=health)
    blueprint.add_url_rule("/openapi.json", view_func=openapi)
    blueprint.add_app_template_global(script_tag, "tcs_events_script")
    blueprint.after_app_request(_word_refusals)
    add_commands(blueprint)
    return blueprint


def collect() -> Response:
    """Take one event: 202 when it is stored, 422 when it is not allowed."""
    return _answer(Collector.collect)


def collect_batch() -> Response:
    """Take a batch of events: 202 with a verdict for each, 422 when none is allowed."""
    return _answer(Collector.collect_batch)


def identify() -> Response:
    """Take who a session belongs to: 202 when it is stored, 422 when it is not allowed."""
    return _answer(Collector.identify)


def health() -> Response:
    """Say whether events can be stored: 200, or 503 with what is wrong."""
    app = current_app._get_current_object()  # type: ignore[attr-defined]
    answer = registration_of(app).health.answer()
    return Response(answer.body, answer.status, list(answer.headers))


def _answer(collect: Callable[[Collector, bytes, WSGIEnvironment], Answer]) -> Response:
    """Let the collector answer the current request."""
    app = current_app._get_current_object()  # type: ignore[attr-defined]
    registration = registration_of(app)
    try:
        limits = registration.settings.max_body_bytes, app.config["MAX_CONTENT_LENGTH"]
        # Given away: whoever has read it lets go of it.
        answer = collect(registration.collector, _read_body(*limits), request.environ)
    except ConfigError as error:
        # The developer shall see it at once; a visitor's page shall not break by it.
        if app.debug or app.testing:
            raise
        answer = refuse(error, registration.counters)
    except TcsEventsError as error:
        answer = refuse(error, registration.counters)
    return Response(answer.body, answer.status, list(answer.headers))


def _let_other_origins_read(app: Flask, response: Response, **_: object) -> None:
    """Say which origins may read an answer of ours, in the place of whoever said so before.

    After every `after_request`: one of the host's, such as that of Flask-CORS, may be for all of
    its routes, and let in whom our list leaves out.
    """
    registration = registration_of(app)
    if request.method == "GET" or registration.name_on(app) not in request.blueprints:
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
    refusal = request.routing_exception
    if not isinstance(refusal, MethodNotAllowed | BadRequest) or response.status_code != (
        refusal.code
    ):
        return response
    app = current_app._get_current_object()  # type: ignore[attr-defined]
    if request.path.rstrip("/") not in registration_of(app).routes(app):
        return response
    if isinstance(refusal, BadRequest):
        answer = host_not_valid()
    else:
        answer = method_not_allowed(sorted(refusal.valid_methods or ()))
    return Response(answer.body, answer.status, list(answer.headers))


def _read_body(limit_bytes: int, host_limit_bytes: int | None) -> bytes:
    """Return the body of the current request, whatever its Content-Type says it is.

    Raises:
        BodyEncoded: it is compressed.
        BodyTooLarge: it is longer than `limit_bytes`, or than the host allows.
        EventInvalid: it ended before its announced length.
    """
    try:
        if body := read_body(request.environ, limit_bytes, host_limit_bytes):
            return body
    except EventInvalid:
        pass
    # Empty, cut off, or read by a hook of the host: then Werkzeug has kept what was in it.
    try:
        body = request.get_data()
    except ClientDisconnected:
        raise EventInvalid({"_schema": ["The body ended too early."]}) from None
    if len(body) > limit_bytes:
        raise BodyTooLarge(limit_bytes)
    return body


events_bp = create_blueprint()
"""The blueprint with the default settings: `app.register_blueprint(events_bp)`."""
