"""The texts of the panel "Just stored"."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from tcs_events import UserEvent

SUMMARY_MAX_LENGTH = 160


def summary(event: UserEvent) -> str:
    """Return one line about an event's payload.

    Payloads come from browsers, so any key may be missing and any value may be long.
    """
    payload = event.payload
    match event.event_type:
        case "card_click":
            text = f"{payload.get('expert_id')} · from {payload.get('context')}"
        case "card_impression":
            text = f"{payload.get('expert_id')} · seen in {payload.get('context')}"
            text += f", position {payload.get('position')}"
        case "sage_query":
            query = payload.get("query_text")
            text = f"“{query}”" if query else "no words, filters only"
            text += f" · {_found(payload)}"
        case "filter_change":
            name, filters = str(payload.get("filter")), payload.get("filters")
            now = filters.get(name) if isinstance(filters, dict) else payload.get("value")
            if isinstance(now, list):
                now = ", ".join(map(str, now))
            text = f"{name}: {now or 'any'} · {_found(payload)}"
        case _:
            text = json.dumps(payload, ensure_ascii=False)
    return text if len(text) <= SUMMARY_MAX_LENGTH else text[: SUMMARY_MAX_LENGTH - 1] + "…"


def _found(payload: dict[str, Any]) -> str:
    count = payload.get("result_count")
    return "number of results unknown" if count is None else f"{count} found"


def age_seconds(event: UserEvent) -> int:
    return max(0, int((datetime.now(UTC) - event.received_at).total_seconds()))


def ago(seconds: int) -> str:
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        if seconds >= length:
            return f"{seconds // length} {unit} ago"
    return "now"
