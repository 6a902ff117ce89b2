"""Checks whether a browser can post events to the endpoint and load the tracker."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from flask import Flask

from tcs_events.cli.doctor.finding import HINT, WRONG, Finding
from tcs_events.host.mounted import ingestion_rules, is_reachable_by_path, mounted_routes, name_on

# Filter lists of ad blockers, such as EasyPrivacy, have rules for these words in a path or host:
# `/collect?`, `/pixel.`, `||stats.`. Not every address with such a word is blocked, so it is a
# hint.
BLOCKED_WORDS = (
    "ads",
    "ahoy",
    "analytics",
    "beacon",
    "collect",
    "collector",
    "metrics",
    "pageview",
    "piwik",
    "pixel",
    "stats",
    "telemetry",
    "track",
    "tracker",
    "tracking",
)


def address_findings(app: Flask) -> Iterator[Finding]:
    """Request each of our addresses as a browser would.

    Only a real request runs the host's hooks, which may keep visitors out. The posted body is
    empty, so that it is refused and nothing is stored.
    """
    rules = list(ingestion_rules(app))
    for rule in rules:
        if not is_reachable_by_path(rule):
            remedy = "not tried: its address has variables or a host name; post an event to it"
            yield Finding(f"endpoint POST {rule.rule}", HINT, remedy)
            continue
        answer = app.test_client().post(rule.rule, data=b"")
        reached = answer.status_code == 422 and answer.is_json
        yield _found(f"endpoint POST {rule.rule}", reached, answer.status_code, app)
    for path in _scripts(app):
        answer = app.test_client().get(path)
        reached = answer.status_code == 200 and "javascript" in (answer.content_type or "")
        yield _found(f"script GET {path}", reached, answer.status_code, app)
    paths = [*(rule.rule for rule in rules), app.config.get("SERVER_NAME") or ""]
    if words := blocked_words(paths):
        yield Finding(
            "addresses",
            HINT,
            f"ad blockers may block addresses with {' or '.join(words)}; register the blueprint"
            " with another url_prefix",
        )


def blocked_words(addresses: Iterable[str]) -> list[str]:
    """Return the words in paths or hosts that ad blockers have rules for, sorted."""
    words = {word for address in addresses for word in re.split(r"[^a-z]+", address.lower())}
    return sorted(words.intersection(BLOCKED_WORDS))


def _scripts(app: Flask) -> list[str]:
    return sorted(
        rule.rule
        for _, rule in mounted_routes(app)
        if rule.rule.endswith(".js") and is_reachable_by_path(rule)
    )


def _found(what: str, reached: bool, status: int, app: Flask) -> Finding:
    if reached:
        return Finding(what)
    remedy = (
        f"the app answers {status} before tcs_events can; in your before_request, return None when"
        f" request.blueprint == {name_on(app)!r}"
    )
    return Finding(what, WRONG, remedy)
