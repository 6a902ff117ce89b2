"""The routes of the blueprint, wherever the host mounts it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from flask import Flask, has_request_context, request
from flask.blueprints import BlueprintSetupState
from werkzeug.exceptions import HTTPException
from werkzeug.routing import MapAdapter, Rule

from tcs_events.errors import ConfigError
from tcs_events.host.mounted import ANY_HOST
from tcs_events.intake.answers import Answer
from tcs_events.intake.collector import Collector

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

INGESTION: dict[str, Callable[[Collector, bytes, WSGIEnvironment], Answer]] = {
    "collect": Collector.collect,
    "collect_batch": Collector.collect_batch,
    "identify": Collector.identify,
}
"""The method that answers each route for events, by the name of the route."""

_VARIABLE = re.compile(r"<(?:[^<>]*:)?(\w+)>")


class Route(NamedTuple):
    """A route below the prefix."""

    path: str
    """The rest of the path, empty for the prefix itself."""
    name: str
    """The name of the endpoint, without the name of the blueprint."""
    view: Callable[..., Any]
    method: str = "GET"


def add_routes(state: BlueprintSetupState, routes: list[Route]) -> None:
    """Add our routes to an app. Each works with and without a final slash, without a redirect.

    Our views answer OPTIONS themselves, because Flask's own answer lacks our headers.

    Raises:
        ConfigError: no request would reach the routes at the place that the host has chosen.
    """
    prefix = (state.url_prefix or "").rstrip("/")
    _check_place(state, prefix)
    state.url_prefix = prefix
    host = {"host": _host(state)} if state.app.url_map.host_matching else {}
    for route in routes:
        state.add_url_rule(
            route.path or ("" if prefix else "/"),
            route.name,
            route.view,
            methods=[route.method, "OPTIONS"],
            provide_automatic_options=False,
            strict_slashes=False,
            **host,
        )


def _host(state: BlueprintSetupState) -> str:
    return str(state.options.get("host") or f"<{ANY_HOST}>")


def _check_place(state: BlueprintSetupState, prefix: str) -> None:
    if prefix and not prefix.startswith("/"):
        raise ConfigError(
            f"The url_prefix of tcs_events must begin with a slash: {'/' + prefix!r}, not"
            f" {prefix!r}."
        )
    if state.options.get("host") and not state.app.url_map.host_matching:
        raise ConfigError(
            "register_blueprint(..., host=...) has no effect on this app. Make it with"
            " Flask(__name__, host_matching=True, static_host=...), or leave the host out."
        )
    if state.subdomain and not getattr(state.app, "subdomain_matching", False):
        raise ConfigError(
            f"No request would reach the subdomain {state.subdomain!r}. Make the app with"
            " Flask(__name__, subdomain_matching=True) and set SERVER_NAME, or leave the subdomain"
            " out."
        )


def fill_in(app: Flask, endpoint: str, values: dict[str, Any]) -> None:
    """Add to the values of a URL what it needs of the current request: host and path variables."""
    if not has_request_context():
        return
    for name, value in {ANY_HOST: request.host, **(request.view_args or {})}.items():
        if app.url_map.is_endpoint_expecting(endpoint, name):
            values.setdefault(name, value)


def is_fixed(app: Flask, rule: Rule) -> bool:
    """Return whether the path alone decides if a request matches a rule."""
    is_by_host = app.url_map.host_matching or app.subdomain_matching
    return not rule.arguments and not is_by_host


def variables(rule: Rule) -> list[str]:
    """Return the names of the variables in the path of a rule, in order."""
    return _VARIABLE.findall(rule.rule)


def template(rule: Rule) -> str:
    """Return the path of a rule as OpenAPI writes it: `/{lang}/events`."""
    return _VARIABLE.sub(r"{\1}", rule.rule)


def matched(adapter: MapAdapter, path: str | None, method: str) -> Rule | None:
    """Return the rule that matches a request, None if no rule does."""
    try:
        rule, _ = adapter.match(path, method, return_rule=True)
    except HTTPException:  # not found, another method, a redirect
        return None
    return rule
