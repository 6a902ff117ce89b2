"""The load: realistic bodies, and wrk that posts them."""

from __future__ import annotations

import json
import random
import subprocess
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4

VARIANTS = 4096
SESSIONS = 500
PLACEHOLDER = "@"  # stands where events.lua puts an event_id; no body has it otherwise
SCRIPT = Path(__file__).with_name("events.lua")

NAMES = ["ada", "grace", "katherine", "dorothy", "annie", "radia", "barbara", "margaret"]
FAMILIES = ["lovelace", "hopper", "johnson", "vaughan", "easley", "perlman", "liskov", "hamilton"]
TAGS = ["design", "branding", "research", "strategy", "analytics", "copywriting"]
WORDS = ["who", "can", "help", "me", "with", "a", "new", "logo", "for", "the", "shop", "please"]


def _event(chance: random.Random, sessions: list[str], experts: list[str]) -> dict[str, object]:
    """Return an event as the tracker sends it."""
    tag = chance.choice(TAGS)
    event_type, payload = chance.choice(
        [
            (
                "card_click",
                {
                    "expert_id": chance.choice(experts),
                    "context": chance.choice(["grid", "sage_panel"]),
                },
            ),
            (
                "sage_query",
                {
                    "query_text": " ".join(chance.choices(WORDS, k=6)),
                    "function_called": "search_experts",
                    "result_count": 1,
                    "expert_ids": [chance.choice(experts)],
                    "filters": {},
                },
            ),
            (
                "filter_change",
                {
                    "filter": "tags",
                    "value": tag,
                    "filters": {"tags": [tag], "language": "en"},
                    "result_count": chance.randrange(60),
                },
            ),
        ]
    )
    session_id = chance.choice(sessions)
    return {
        "event_id": PLACEHOLDER,
        "event_type": event_type,
        "session_id": session_id,
        "payload": payload,
    }


def _booking(chance: random.Random, sessions: list[str]) -> dict[str, object]:
    """Return an event of the host in `apps/bookings.py`."""
    return {
        "event_id": PLACEHOLDER,
        "event_type": "booking_done",
        "session_id": chance.choice(sessions),
        "payload": {
            "room_id": f"room-{chance.randrange(500)}",
            "plan": chance.choice(["flexible", "saver"]),
            "price": chance.randrange(4000, 90000) / 100,
            "guests": chance.randrange(1, 6),
            "breakfast": chance.choice([True, False]),
            "arrives": f"2026-03-{chance.randrange(10, 31)}",
        },
    }


def bodies(events: int, bookings: bool = False) -> list[str]:
    """Return bodies of so many events, 0 for one that is not in a batch; always the same ones."""
    chance = random.Random(1)
    sessions = [str(UUID(int=chance.getrandbits(128), version=4)) for _ in range(SESSIONS)]
    experts = [
        f"{chance.choice(NAMES)}-{chance.choice(FAMILIES)}-{chance.getrandbits(48):012x}"
        for _ in range(200)
    ]
    singles = [
        _booking(chance, sessions) if bookings else _event(chance, sessions, experts)
        for _ in range(VARIANTS)
    ]
    sent = singles
    if events:
        sent = [
            {"events": singles[i : i + events]} for i in range(0, VARIANTS - events + 1, events)
        ]
    return [json.dumps(body, separators=(",", ":")) for body in sent]


@dataclass(frozen=True)
class Answers:
    """What wrk saw in one run."""

    answers: int
    refused: int  # by status
    broken: int  # no answer at all
    seconds: float
    p50_ms: float
    p99_ms: float
    late_share: float  # requests that had to wait for a free connection, with a rate

    @property
    def acknowledged(self) -> int:
        return self.answers - self.refused


def fill_in(body: str) -> str:
    """Give every event of a body an id."""
    pieces = body.split(PLACEHOLDER)
    return "".join(f"{piece}{uuid4()}" for piece in pieces[:-1]) + pieces[-1]


def post(
    url: str, bodies_file: Path, connections: int, seconds: float, rate: float | None = None
) -> Answers:
    """Post as fast as the answers come, or at a rate whatever the answers do."""
    command = ["wrk", "--latency", "--threads", "1", "--connections", str(connections)]
    # wrk's own limit of 2 s would count a slow answer as none.
    command += ["--duration", f"{round(seconds)}s", "--timeout", "60s", "--script", str(SCRIPT)]
    command += [url, "--", str(bodies_file), str(uuid4())[15:24]]
    if rate is not None:
        command.append(str(rate))
    result = subprocess.run(command, check=True, capture_output=True, text=True)
    return Answers(**json.loads(result.stdout.splitlines()[-1]))
