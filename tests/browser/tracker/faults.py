"""What a server does wrong, told by the test and done by the server, in a folder they share."""

from __future__ import annotations

import io
import json
import os
import signal
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Self

from tests.support import URL

Wsgi = Callable[..., Iterable[bytes]]


class Faults:
    """The fault of the moment, and a ledger of what was sent to the endpoint.

    Files, so that all processes of a server and those that come after it see the same.
    """

    def __init__(self, folder: Path) -> None:
        self._fault = folder / "fault.json"
        self._received = folder / "received.jsonl"

    @classmethod
    def of_environment(cls) -> Self:
        return cls(Path(os.environ["FAULTS"]))

    def refuse(self, *, retry_after: int) -> None:
        """Answer 503 to every event, and store none."""
        self._set({"name": "refuse", "retry_after": retry_after})

    def answer_late(self, seconds: float) -> None:
        """Store every event, and keep the answer back."""
        self._set({"name": "answer_late", "seconds": seconds})

    def die_before_answering(self) -> None:
        """Store one event, and kill the server before it can say so."""
        self._set({"name": "die_before_answering"})

    def end(self) -> None:
        """Behave well."""
        self._fault.unlink(missing_ok=True)

    def now(self) -> dict[str, Any]:
        try:
            fault: dict[str, Any] = json.loads(self._fault.read_text())
        except FileNotFoundError:
            return {"name": "none"}
        return fault

    def _set(self, fault: dict[str, Any]) -> None:
        new = self._fault.with_suffix(".new")
        new.write_text(json.dumps(fault))
        new.replace(self._fault)  # at once: a server may be reading

    def note(self, method: str, body: bytes, status: int) -> None:
        """Write down a request to the endpoint, and what was answered. 0 is no answer."""
        try:
            event = json.loads(body)
        except ValueError:
            event = {}
        entry = {"method": method, "event": event, "status": status, "at": time.time()}
        with self._received.open("a") as ledger:
            ledger.write(json.dumps(entry) + "\n")

    def received(self) -> list[dict[str, Any]]:
        """Return what was sent to the endpoint, in the order in which it was answered."""
        if not self._received.exists():
            return []
        return [json.loads(line) for line in self._received.read_text().splitlines()]


class Misbehaving:
    """WSGI around a host: it notes what comes to the endpoint, and does the fault of the moment."""

    def __init__(self, host: Wsgi, faults: Faults) -> None:
        self._host = host
        self._faults = faults

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        if environ["REQUEST_METHOD"] == "GET" or not environ["PATH_INFO"].startswith(URL):
            return self._host(environ, start_response)

        method, fault = environ["REQUEST_METHOD"], self._faults.now()
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        if fault["name"] == "refuse":
            self._faults.note(method, body, 503)
            start_response("503 Refused", [("Retry-After", str(fault["retry_after"]))])
            return [b""]

        environ["wsgi.input"] = io.BytesIO(body)
        head: list[Any] = []
        answer = b"".join(self._host(environ, lambda *args: head.extend(args)))
        if fault["name"] == "die_before_answering":
            self._faults.note(method, body, 0)
            self._faults.end()
            os.killpg(
                0, signal.SIGKILL
            )  # gunicorn and its worker, which have a group to themselves
        if fault["name"] == "answer_late":
            time.sleep(fault["seconds"])
        self._faults.note(method, body, int(head[0].split()[0]))
        start_response(*head)
        return [answer]
