"""What commands print of visitors' texts: a terminal obeys escape sequences."""

from __future__ import annotations

from typing import Any

from tcs_events.export.json_text import json_text
from tcs_events.export.printable import columns_of, cut, cut_middle, visible


def visible_json(value: Any) -> str:
    """Return a value of a payload as JSON on one line, safe to print."""
    return visible(json_text(value))


__all__ = ["columns_of", "cut", "cut_middle", "visible", "visible_json"]
