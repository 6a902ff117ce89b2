"""What goes wrong between a visitor and the blueprint, told by the test and done by the server."""

from __future__ import annotations

import io
import json
import socket
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from tests.support import URL

Wsgi = Callable[..., Iterable[bytes]]
Headers = dict[str, str]


@dataclass
class Post:
    """A request to the endpoint, and what was answered. Status 0 is no answer."""

    path: str
    method: str
    body: bytes
    at: float = field(default_factory=time.time)
    status: int = 0

    @property
    def events(self) -> list[dict[str, Any]]:
        """The events in it: one, or those of a batch; none where it is something else."""
        try:
            sent = json.loads(self.body)
        except ValueError:
            return []
        return [event for event in sent.get("events", [sent]) if "event_type" in event]


@dataclass(frozen=True)
class Answer:
    """An answer of something in front of us, which has never heard of events."""

    status: int
    headers: Headers = field(default_factory=dict)
    body: bytes = b""


class Faults:
    """WSGI around a host: it notes what comes to the endpoint, and does the fault of the moment."""

    def __init__(self, host: Wsgi) -> None:
        self._host = host
        self._answer: Answer | None = None
        self._answers_left = 0
        self._late_seconds = 0.0
        self._cut = False
        self.posts: list[Post] = []
        """What was sent to the endpoint, in the order in which it arrived."""

    def answer(self, answer: Answer, times: int = 10**9) -> None:
        """Answer so in place of the host, and store nothing."""
        self._answer, self._answers_left = answer, times

    def refuse(self, retry_after: int | None = None) -> None:
        """Answer 503 to everything, and store nothing."""
        headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
        self.answer(Answer(503, headers))

    def answer_late(self, seconds: float) -> None:
        """Store every event, and keep the answer back."""
        self.end()
        self._late_seconds = seconds

    def cut(self) -> None:
        """Close the connection of whatever is sent to the endpoint: pages are served, no event is.

        To the page it is the same as having no network, in every engine.
        """
        self._cut = True

    def end(self) -> None:
        """Behave well."""
        self._answers_left, self._late_seconds, self._cut = 0, 0.0, False

    def events(self) -> list[dict[str, Any]]:
        """Return every event that was sent, each time that it was sent."""
        return [event for post in list(self.posts) for event in post.events]

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        if environ["REQUEST_METHOD"] == "GET" or URL not in environ["PATH_INFO"]:
            return self._host(environ, start_response)
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        post = Post(environ["PATH_INFO"], environ["REQUEST_METHOD"], body)
        self.posts.append(post)
        if self._cut:
            cut_connection(environ)
        if self._answers_left > 0 and self._answer is not None:
            self._answers_left -= 1
            return answered(self._answer, post, start_response)

        environ["wsgi.input"] = io.BytesIO(body)
        head: list[Any] = []
        stored = b"".join(self._host(environ, lambda *args: head.extend(args)))
        time.sleep(self._late_seconds)
        post.status = int(head[0].split()[0])
        start_response(*head)
        return [stored]


def answered(answer: Answer, post: Post, start_response: Callable[..., Any]) -> list[bytes]:
    post.status = answer.status
    # Browsers keep redirects for good unless told otherwise.
    headers = {"Cache-Control": "no-store", "Content-Length": str(len(answer.body))}
    start_response(f"{answer.status} Answered", [*{**headers, **answer.headers}.items()])
    return [answer.body]


def cut_connection(environ: dict[str, Any]) -> None:
    environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
    raise ConnectionAbortedError
