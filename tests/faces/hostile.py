"""Puts naughty texts into every field of an event, and looks at what readers do with them."""

from __future__ import annotations

from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

from flask import Flask

from tests.support import URL, card_click

UNSTORABLE = ["\0", "a\0b", "\ud800", "\udfff", "a\ud83eb", "\udd89\ud83e"]
"""Texts that not every reader of a stored row can read: they are refused wherever they are,
save in an `email`, which is left out."""


def events_with(text: str) -> Iterator[dict[str, Any]]:
    """Yield events with a text in each field; some fields do not accept every text."""
    ours = text if text.isprintable() and text.strip() and len(text) <= 64 else "visitor-1"
    yield card_click(session_id=ours)
    yield card_click(payload={text: text, "nested": [{text: [text]}]})
    yield card_click(payload={"expert_id": text, "context": text, "position": text})
    yield card_click(
        event_type="sage_query",
        payload={
            "query_text": text,
            "function_called": text,
            "result_count": 0,
            "expert_ids": [text, "ada"],
            "filters": {text: text, "tags": [text]},
        },
    )
    yield card_click(
        event_type="filter_change",
        payload={"filter": text, "value": text, "filters": {text: [text]}, "result_count": 0},
    )
    yield card_click(**{"session_id": "visitor-2", "unknown": text, text or "x": text})
    yield card_click(email=f"{text}@example.com"[:320])


def post_all(app: Flask, texts: list[str]) -> tuple[list[dict[str, Any]], list[int]]:
    """Post every text in every field. Return the accepted events, and all statuses."""
    client, taken, statuses = app.test_client(), [], []
    for text in texts:
        for event in events_with(text):
            answer = client.post(URL, json=event)
            statuses.append(answer.status_code)
            if answer.status_code == 202:
                taken.append(event)
    return taken, statuses


class Page(HTMLParser):
    """Records the scripts that a page would run."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.runs: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag in ("iframe", "object", "embed", "base", "style", "img", "meta") and (
            tag != "meta" or "http-equiv" in found
        ):
            self.runs.append(f"<{tag}>")
        if tag == "script" and not (found.get("src") or "").startswith("/insights/"):
            self.runs.append("<script>")
        for name, value in attrs:
            if name.startswith("on") or name == "style":
                self.runs.append(f"<{tag} {name}>")
            target = (value or "").strip().lower()
            if name in ("href", "src", "action") and not (
                target.startswith(("/insights", "#", "?", "data:image/svg+xml")) or not target
            ):
                self.runs.append(f"<{tag} {name}={target[:30]!r}>")


FORMULAS = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")


def obeyed(printed: str) -> str:
    """Return the characters that a terminal would obey or hide."""
    return "".join(sorted({char for char in printed if not char.isprintable()} - {"\n"}))
