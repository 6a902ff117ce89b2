"""Answers of the reports as strict JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import date
from math import isfinite
from typing import Any

from tcs_events.reports.wording import RENAMED


def json_text(value: Any) -> str:
    """Return ASCII JSON that every parser reads: without NaN, surrogates escaped."""
    return json.dumps(plain(value), allow_nan=False) + "\n"


def plain(value: Any) -> Any:
    """Return dataclasses as objects, dates in ISO 8601, and NaN and infinity as null.

    A report's `sessions` field is named `visits` in JSON, because that is what it counts.
    """
    if is_dataclass(value) and not isinstance(value, type):
        return {
            RENAMED.get(field.name, field.name): plain(getattr(value, field.name))
            for field in fields(value)
        }
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, date):  # a datetime is a date too
        return value.isoformat()
    if isinstance(value, float) and not isfinite(value):
        return None
    return value
