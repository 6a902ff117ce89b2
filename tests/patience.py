"""Time for a busy machine: a healthy database is waited for, as long as it may take.

The package gives a database 1.5 seconds to store an event, 10 to answer a question, and less for
everything else. On a machine with other work, a healthy database may take longer. So tests get
these limits many times as long, except those that are about a limit: these have the marker
`real_limits`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from time import monotonic
from typing import Any, TypeVar

import pytest

from tcs_events.cli import command
from tcs_events.database import host_database
from tcs_events.database.asking import Asker
from tcs_events.database.connection import OwnConnection
from tcs_events.faces import blueprint
from tcs_events.host import registration
from tcs_events.intake import rejections
from tcs_events.reports import reading
from tcs_events.settings import SETTINGS, Settings
from tcs_events.stores import sql

T = TypeVar("T")

SECONDS = 20.0
MS = int(SECONDS * 1000)
PATIENT = {"timeout_ms": MS, "report_timeout_ms": 20 * MS}
DEFAULTS = {setting.option: setting.default for setting in SETTINGS}

_read_settings = blueprint.read_settings
_connect = OwnConnection._connect
_ask = Asker.ask


def be_patient(patch: pytest.MonkeyPatch) -> None:
    """Wait longer for the database in this process, wherever an app has our own defaults."""

    def read_settings(config: Mapping[str, Any], options: Mapping[str, object]) -> Settings:
        settings = _read_settings(config, options)
        as_usual = {name for name in PATIENT if getattr(settings, name) == DEFAULTS[name]}
        return replace(settings, **{name: PATIENT[name] for name in as_usual})

    def connect(self: OwnConnection, deadline: float) -> Any:
        return _connect(self, max(deadline, monotonic() + SECONDS))

    def ask(self: Asker, seconds: float, function: Callable[[], T]) -> T:
        return _ask(self, max(seconds, SECONDS), function)

    patch.setattr(blueprint, "read_settings", read_settings)
    patch.setattr(OwnConnection, "_connect", connect)
    patch.setattr(Asker, "ask", ask)
    for module in (rejections, registration):
        patch.setattr(module, "TIMEOUT_MS", MS)
    for module in (host_database, sql):
        patch.setattr(module, "CHECK_SECONDS", SECONDS)
    patch.setattr(command, "ANSWER_SECONDS", SECONDS)
    patch.setattr(reading, "TABLE_NAMES_SECONDS", SECONDS)
