"""Posts JSON texts: some must be refused, the others stored as they were sent.

Each goes in alone, where no text is an event, and spliced into a good event.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from tests.faces.oracle import same, same_number, strict, why_not
from tests.support import URL

BEFORE = b'{"event_type":"card_click","session_id":"%s","payload":{"v":'
AFTER = b"}}"


class Client(Protocol):
    """What a text is posted with: Flask's test client, or one that goes through the network."""

    def post(self, path: str, *, data: bytes, content_type: str) -> Any: ...


@dataclass
class Found:
    """What went wrong, by the names of the texts."""

    cases: int = 0
    accepted: list[str] = field(default_factory=list)
    """They must not be."""
    refused: list[str] = field(default_factory=list)
    """They must be stored, or be refused in another way."""
    altered: list[str] = field(default_factory=list)
    """They were acknowledged, and what is stored is something else, or nothing."""
    server_errors: list[str] = field(default_factory=list)
    not_json: list[str] = field(default_factory=list)
    """The answer is not in JSON."""

    def nothing(self) -> bool:
        return not (
            self.accepted or self.refused or self.altered or self.server_errors or self.not_json
        )


def spliced(text: bytes, session: str) -> bytes:
    return BEFORE % session.encode() + text + AFTER


def expected(body: bytes) -> tuple[bool, Any]:
    """Return whether a body is an event that can be stored, and its payload.

    What is JSON is refused only by a documented rule: a number beyond 2^53 - 1, a NUL, half a
    surrogate pair, or more than 32 levels.
    """
    try:
        event = strict(body)
    except (ValueError, RecursionError):
        return False, None
    return not why_not(event), event["payload"]


def post_all(client: Client, texts: Mapping[str, bytes], found: Found) -> dict[str, str]:
    """Post every text alone and spliced; return the name of each by its session."""
    sessions = {}
    for number, (name, text) in enumerate(texts.items()):
        session = f"json-{number}"
        sessions[session] = name
        for body, how in ((text, "alone"), (spliced(text, session), "spliced")):
            found.cases += 1
            answer = client.post(URL, data=body, content_type="application/json")
            case = f"{name}, {how}"
            if answer.status_code >= 500:
                found.server_errors.append(case)
                continue
            try:
                strict(answer.get_data())
            except ValueError:
                found.not_json.append(case)
            good = how == "spliced" and expected(body)[0]
            if answer.status_code == 202 and not good:
                found.accepted.append(case)
            elif answer.status_code != 202 and good:
                found.refused.append(case)
    return sessions


def compare(
    texts: Mapping[str, bytes], stored: Iterator[tuple[str, Any]], found: Found, *, jsonb: bool
) -> None:
    """Compare what is stored, by session, with what was sent."""
    equal = same_number if jsonb else same
    seen = dict(stored)
    for number, (name, text) in enumerate(texts.items()):
        session = f"json-{number}"
        good, payload = expected(spliced(text, session))
        if good != (session in seen):
            if f"{name}, spliced" not in [*found.accepted, *found.refused, *found.server_errors]:
                found.altered.append(f"{name}, spliced")
        elif good and not equal(seen[session], payload):
            found.altered.append(f"{name}, spliced")
