"""A blueprint that a host may mount anywhere: below `/<lang>`, on `<tenant>.example.com`, or both.

What such a place names in the address is neither a view's business nor lost in a link.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Blueprint, Response, request
from flask.blueprints import BlueprintSetupState

OWN_NAMES = frozenset({"question", "name", "filename", "path"})
"""What our own routes name in an address."""
HOST_NAME = "tcs_events_host"


class MountedAnywhere(Blueprint):
    """A blueprint whose views are called without what the place has named."""

    def make_setup_state(
        self, app: Any, options: dict[str, Any], first_registration: bool = False
    ) -> BlueprintSetupState:
        return _AnyHost(self, app, options, first_registration)

    def send_static_file(self, filename: str, **of_the_place: str) -> Response:
        return super().send_static_file(filename)


class _AnyHost(BlueprintSetupState):
    def add_url_rule(
        self,
        rule: str,
        endpoint: str | None = None,
        view_func: Callable[..., Any] | None = None,
        **options: Any,
    ) -> None:
        if self.app.url_map.host_matching:
            # Where hosts are matched, a rule without one matches none, and every page is a 404.
            options.setdefault("host", f"<{HOST_NAME}>")
        super().add_url_rule(rule, endpoint, view_func, **options)


def own_names(names: dict[str, str]) -> dict[str, str]:
    """Return what a view is to be called with."""
    return {name: value for name, value in names.items() if name in OWN_NAMES}


def names_of_the_place() -> dict[str, Any]:
    """Return what the place of the current request has named, for links to the same place."""
    names = request.view_args or {}
    return {name: value for name, value in names.items() if name not in OWN_NAMES}
