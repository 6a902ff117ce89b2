"""The answers of reports as strict JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import date
from math import isfinite
from typing import Any

from tcs_events.reports.wording import RENAMED


def json_text(value: Any) -> str:
    """Return JSON that every parser reads: no NaN, and every half of a surrogate pair escaped."""
    return json.dumps(plain(value), allow_nan=False) + "\n"


def plain(value: Any) -> Any:
    """Return rows as objects of their fields, dates as ISO 8601, and what is no number as null.

    The `sessions` of a report are `visits` there: that is what they count.
    """
    if is_dataclass(value) and not isinstance(value, type):
        return {
            RENAMED.get(field.name, field.name): plain(getattr(value, field.name))
            for field in fields(value)
        }
    if isinstance(value, Mapping):
        return {str(key): plain(of) for key, of in value.items()}
    if isinstance(value, list | tuple):
        return [plain(of) for of in value]
    if isinstance(value, date):  # a datetime is one, too
        return value.isoformat()
    if isinstance(value, float) and not isfinite(value):
        return None
    return value
