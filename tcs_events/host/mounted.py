"""Our routes on one app, as the host has mounted them."""

from __future__ import annotations

from collections.abc import Iterator

from flask import Flask
from werkzeug.routing import Rule

from tcs_events.host.registration import registration_of

ANY_HOST = "tcs_events_host"
"""The URL variable for the host name, on an app with `host_matching` that names no host for us.

Without it the blueprint's routes would match no request."""


def name_on(app: Flask) -> str:
    """Return the name of the blueprint on this app, with the names of its parents."""
    blueprint = registration_of(app).blueprint
    return next(name for name, found in app.blueprints.items() if found is blueprint)


def route_of(app: Flask, rule: Rule) -> str | None:
    """Return the name of a route of ours, such as `collect`; None for a route of the host."""
    prefix = f"{name_on(app)}."
    return rule.endpoint.removeprefix(prefix) if rule.endpoint.startswith(prefix) else None


def is_ours(app: Flask, rule: Rule) -> bool:
    """Tell whether a route is one of ours."""
    return route_of(app, rule) is not None


def mounted_routes(app: Flask) -> Iterator[tuple[str, Rule]]:
    """Yield the name and the rule of each of our routes."""
    for rule in app.url_map.iter_rules():
        if (name := route_of(app, rule)) is not None:
            yield name, rule


def ingestion_rules(app: Flask) -> list[Rule]:
    """Return the rules of the routes that take events."""
    return [rule for _, rule in mounted_routes(app) if "POST" in (rule.methods or ())]


def is_reachable_by_path(rule: Rule) -> bool:
    """Tell whether a request to the path of a rule reaches it, on the app's own host name."""
    is_on_any_host = not rule.subdomain and rule.host in (None, "", f"<{ANY_HOST}>")
    return rule.arguments <= {ANY_HOST} and is_on_any_host
