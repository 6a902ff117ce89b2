"""Lets a host mount the dashboard anywhere: below `/<lang>`, on `<tenant>.example.com`, or both.

Variables in the mount point are not passed to our views, and links keep them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Blueprint, Response, request
from flask.blueprints import BlueprintSetupState

OWN_NAMES = frozenset({"question", "name", "filename", "path"})
"""The variables of our own routes."""
HOST_NAME = "tcs_events_host"


class MountedAnywhere(Blueprint):
    """A blueprint whose mount point may have variables and may match hosts."""

    def make_setup_state(
        self, app: Any, options: dict[str, Any], first_registration: bool = False
    ) -> BlueprintSetupState:
        return _AnyHost(self, app, options, first_registration)

    def send_static_file(self, filename: str, **mount_variables: str) -> Response:
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
            # With `host_matching`, a rule without a host matches no request: every page is a 404.
            options.setdefault("host", f"<{HOST_NAME}>")
        super().add_url_rule(rule, endpoint, view_func, **options)


def own_names(names: dict[str, str]) -> dict[str, str]:
    """Return the variables of our own routes, which are what a view is called with."""
    return {name: value for name, value in names.items() if name in OWN_NAMES}


def names_of_the_place() -> dict[str, Any]:
    """Return the mount point's variables in the current request, for links to the same place."""
    names = request.view_args or {}
    return {name: value for name, value in names.items() if name not in OWN_NAMES}
