"""What is logged for requests with marked texts: by each structlog renderer, and by `logging`."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import structlog
from flask import Flask
from structlog.processors import JSONRenderer, KeyValueRenderer, LogfmtRenderer

from tests.support import URL, card_click

CANARY = "k4n4ry"
RENDERERS: dict[str, Callable[[], Any]] = {
    "json": JSONRenderer,
    "console": lambda: structlog.dev.ConsoleRenderer(colors=False),
    "key value": KeyValueRenderer,
    "logfmt": LogfmtRenderer,
}


class Log:
    """What was logged: by structlog with a renderer, and by anybody through logging."""

    def __init__(self) -> None:
        self.file = io.StringIO()
        self.records = 0

    def count(self, _: object, __: str, entry: Any) -> Any:
        self.records += 1
        return entry

    @property
    def text(self) -> str:
        return self.file.getvalue()


@contextmanager
def logged(renderer: str) -> Iterator[Log]:
    log = Log()
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG),
        processors=[structlog.processors.add_log_level, log.count, RENDERERS[renderer]()],
        logger_factory=structlog.PrintLoggerFactory(file=log.file),
    )
    handler = logging.StreamHandler(log.file)
    root = logging.getLogger()
    root.addHandler(handler)
    level = root.level
    root.setLevel(logging.INFO)
    try:
        yield log
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
        structlog.reset_defaults()


def knock(app: Flask, texts: list[str]) -> list[Any]:
    """Send good and bad requests with texts in every field, key, header and address."""
    client, answers = app.test_client(), []
    for word in texts:
        bad = f"{CANARY}{word}"
        header = "".join(c for c in bad if c.isprintable() and c.isascii())[:200]
        options: Any = {
            "headers": {"User-Agent": header, "Referer": header, "X-Request-ID": header},
            "query_string": {"q": bad},
        }
        session = bad[:64] if bad.isprintable() else CANARY
        address = f"{CANARY}@example.com"
        bodies: list[Any] = [
            card_click(session_id=session, payload={bad: bad}, email=address),
            card_click(event_type=f"({bad})"),  # a plain word is told, to whoever has misspelt it
            card_click(session_id=f"{bad}\n"),
            card_click(payload=bad),
            card_click(event_id=bad),
            card_click(age_ms=bad),
            card_click(email=bad),
            {bad: bad},
            bad,
            [bad],
        ]
        answers += [client.post(URL, json=body, **options) for body in bodies]
        answers += [
            client.post(URL, data=f'{{"{bad}'.encode(), **options),
            client.post(URL, data=b'"' + CANARY.encode() + b'\xff\\ud800\x00"', **options),
            client.post(URL, data=bad.encode().ljust(70_000), **options),
            client.post(f"{URL}/batch", json={"events": [*bodies, None], bad: bad}, **options),
            client.post(f"{URL}/batch", json={"events": bad}, **options),
            client.post(f"{URL}/identify", json={"session_id": session, "email": bad}, **options),
            client.post(f"{URL}/identify", json={"session_id": session, "email": address}),
            client.post(URL, data=b"x", headers={"Content-Encoding": header}),
            client.put(URL, data=bad.encode(), **options),
        ]
    return answers
