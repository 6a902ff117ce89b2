"""Visitors' browsers, as far as the server can tell: they keep an event until it is answered."""

from __future__ import annotations

import contextlib
import http.client
import json
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Self
from uuid import UUID

from tests.faults.ledger import Ledger
from tests.support import URL, card_click

TIMEOUT_SECONDS = 30
"""Longer than any answer may take, so that a late one is measured and not cut off."""
BATCH_EVENTS = 5
BATCH_URL = f"{URL}/batch"
JSON = {"Content-Type": "application/json"}
PAUSE_SECONDS = 0.05
"""Before the next attempt. Far less than Retry-After asks for: that is a browser's business."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One attempt. The status is 0 where no answer came."""

    status: int
    ended_at: float
    seconds: float
    has_retry_after: bool = False
    is_json: bool = False


def events_at_once(number: int) -> int:
    """Return how many events the visitor of this number sends at once: a third send batches."""
    return BATCH_EVENTS if number % 3 == 2 else 1


def _json_object(text: bytes) -> dict[str, Any] | None:
    try:
        document = json.loads(text)
    except ValueError:
        return None
    return document if isinstance(document, dict) else None


class Visitor:
    """One keep-alive connection. What happens on it is written into `ledger` and `answers`."""

    def __init__(
        self, port: int, ledger: Ledger, answers: list[Answer], *, padding: int = 0
    ) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_SECONDS)
        self._ledger = ledger
        self._answers = answers
        self._padding = padding

    def post(self, keys: Sequence[str]) -> bool:
        """Send events once, several as a batch; return whether the outcome of all is final."""
        events = [self._event(key) for key in keys]
        url, document = (URL, events[0]) if len(keys) == 1 else (BATCH_URL, {"events": events})
        started = time.monotonic()
        try:
            self._connection.request("POST", url, json.dumps(document), JSON)
            response = self._connection.getresponse()
            said = _json_object(response.read())
        except (OSError, http.client.HTTPException):
            self._connection.close()
            ended = time.monotonic()
            self._answers.append(Answer(0, ended, ended - started))
            return False
        ended = time.monotonic()
        answer = Answer(
            response.status,
            ended,
            ended - started,
            has_retry_after=bool(response.headers.get("Retry-After")),
            is_json=response.headers.get_content_type() == "application/json" and said is not None,
        )
        self._answers.append(answer)
        refused = {one["index"] for one in (said or {}).get("rejected", ())}
        statuses = [422 if place in refused else answer.status for place in range(len(keys))]
        # Each is written down: no `all()` over what has an effect.
        final = [self._ledger.answer(key, its) for key, its in zip(keys, statuses, strict=True)]
        return all(final)

    def _event(self, key: str) -> dict[str, object]:
        return card_click(
            event_id=str(UUID(key)),
            session_id="visitor-1" if self._ledger.is_good(key) else "",
            payload={"expert_id": key, "context": "x" * self._padding or "grid"},
        )

    def close(self) -> None:
        self._connection.close()


class Visitors:
    """Threads that send new events, and each one again until it is final, until told to stop.

    Another thread asks for a page that needs no database. What it waits for the slowest is the
    control: so late may an answer be because the machine is busy.
    """

    def __init__(self, port: int, ledger: Ledger, *, count: int = 12, padding: int = 0) -> None:
        self.answers: list[Answer] = []
        self.port = port
        self._ledger = ledger
        self._padding = padding
        self._stopped = threading.Event()
        sizes = map(events_at_once, range(count))
        self._threads = [threading.Thread(target=self._visit, args=[size]) for size in sizes]
        self._threads.append(threading.Thread(target=self._look))
        self.busy_seconds = 0.0
        """How long the slowest page without a database took."""

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Return when the answers to what is under way have come."""
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    def first(self, status: int, after: float, seconds: float = 60) -> Answer | None:
        """Wait for the first answer of this status that came after a moment."""
        return self._first(lambda its: its == status, after, seconds)

    def first_5xx(self, after: float, seconds: float = 60) -> Answer | None:
        return self._first(lambda its: its >= 500, after, seconds)

    def _first(self, is_it: Callable[[int], bool], after: float, seconds: float) -> Answer | None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            found = [a for a in list(self.answers) if is_it(a.status) and a.ended_at >= after]
            if found:
                return min(found, key=lambda answer: answer.ended_at)
            time.sleep(0.02)
        return None

    def _look(self) -> None:
        while not self._stopped.wait(PAUSE_SECONDS):
            page = http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT_SECONDS)
            started = time.monotonic()
            with contextlib.closing(page), contextlib.suppress(OSError, http.client.HTTPException):
                page.request("GET", "/alive")
                page.getresponse().read()
                self.busy_seconds = max(self.busy_seconds, time.monotonic() - started)

    def _visit(self, at_once: int) -> None:
        visitor = Visitor(self.port, self._ledger, self.answers, padding=self._padding)
        try:
            while not self._stopped.is_set():
                keys = [self._ledger.send() for _ in range(at_once)]
                while not visitor.post(keys):
                    if self._stopped.wait(PAUSE_SECONDS):
                        return
        finally:
            visitor.close()


def settle(port: int, ledger: Ledger, seconds: float = 60) -> list[Answer]:
    """Send what is outstanding until it is final, as browsers do once the server is back."""
    answers: list[Answer] = []
    visitor = Visitor(port, ledger, answers)
    deadline = time.monotonic() + seconds
    try:
        while (keys := ledger.outstanding()) and time.monotonic() < deadline:
            for key in keys:
                if not visitor.post([key]):  # not the moment for the others either
                    time.sleep(PAUSE_SECONDS)
                    break
    finally:
        visitor.close()
    return answers
