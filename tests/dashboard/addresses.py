"""Every address of a dashboard, from the routes it has registered."""

from __future__ import annotations

from flask import Flask

from tcs_events.dashboard.pages import PAGES, TABLES

FILLED_IN = {
    "as_json": [{"question": name} for name in PAGES],
    "as_table": [{"name": name} for name in TABLES],
    "as_csv": [{"name": name} for name in TABLES],
    "static": [{"filename": "insights.css"}, {"filename": "insights.js"}],
    "nothing": [{"path": "no-such-page"}, {"path": "api/no-such.json"}],
}


def addresses(app: Flask, blueprint: str = "tcs_events_dashboard") -> list[str]:
    """Return all addresses of the dashboard, unknown ones below its prefix included."""
    found = set()
    with app.test_request_context():
        for rule in app.url_map.iter_rules():
            of, _, endpoint = rule.endpoint.rpartition(".")
            if of == blueprint:
                for names in [{}, *FILLED_IN.get(endpoint, [])]:
                    if rule.arguments == set(names):
                        found.add(rule.build(names)[1])  # type: ignore[index]
    return sorted(found)


def page_paths() -> list[str]:
    return [f"/insights{page.path}" for page in PAGES.values()]
