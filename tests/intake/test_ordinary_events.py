"""All that the tracker and the snippets send is accepted with the default settings."""

from __future__ import annotations

import pytest

pytest.importorskip("hypothesis", reason="needs hypothesis: pip install -e '.[test]'")

import json
from random import Random
from typing import Any
from uuid import UUID

from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conftest import MakeHost
from tests.support import URL

QUEUE_EVENTS = 50
QUEUE_BYTES = 49_000
"""The bounds of the tracker's queue: `MAX_EVENTS` and `MAX_BYTES` in tracking.ts."""
WORDS = ["design", "größe", "設計", "data science", "\N{OWL}", "O'Neil", 'say "hi"', "a\\b", ""]


@pytest.fixture(params=["sqlite_url"])
def app(request: pytest.FixtureRequest, make_host: MakeHost) -> Flask:
    return make_host(request.getfixturevalue(request.param))


def sage_query(ids: list[Any]) -> dict[str, Any]:
    filters = {
        "rate_range": {"min": 20, "max": 140},
        "tags": ["python", "data science", "design", "ux"],
        "query": "somebody who can do our taxes",
        "languages": ["de", "en"],
        "available": True,
    }
    payload = {
        "query_text": "find me a designer in Berlin who speaks French",
        "function_called": "search_experts",
        "result_count": len(ids),
        "expert_ids": ids,
        "filters": filters,
    }
    return {"event_type": "sage_query", "payload": payload, "email": "ada@example.com"}


def envelope(number: int) -> dict[str, Any]:
    event_id = UUID(int=number << 80 | 7 << 76 | 2 << 62)
    return {"event_id": str(event_id), "session_id": str(event_id), "age_ms": 604_800_000}


def assert_taken(app: Flask, events: list[dict[str, Any]]) -> None:
    sent = [envelope(number) | event for number, event in enumerate(events)]
    client = app.test_client()
    # Text as a browser writes it: letters as they are, not as escapes.
    body = json.dumps({"events": sent}, ensure_ascii=False, separators=(",", ":")).encode()
    answer = client.post(f"{URL}/batch", data=body)
    assert answer.status_code == 202, (len(body), answer.json)
    assert answer.json is not None
    assert answer.json["rejected"] == []
    assert answer.json["accepted"] + answer.json["duplicates"] == len(events)
    alone = client.post(URL, data=json.dumps(sent[0], ensure_ascii=False).encode())
    assert alone.status_code == 202, alone.json


@pytest.mark.parametrize("ids", [0, 6, 20])
def test_a_full_batch_of_searches_is_taken(app: Flask, ids: int) -> None:
    assert_taken(app, [sage_query([f"expert-{n}" for n in range(ids)])] * QUEUE_EVENTS)


@pytest.mark.parametrize(
    "ids",
    [
        [f"expert-{n}" for n in range(1300)],
        list(range(8000)),
        [n % 10 for n in range(20_000)],
        [{"id": n} for n in range(4000)],
        [[n % 10, n % 7] for n in range(7000)],
        [str(UUID(int=n)) for n in range(1200)],
    ],
    ids=["names", "numbers", "digits", "objects", "pairs", "uuids"],
)
def test_one_event_of_many_ids_is_taken(app: Flask, ids: list[Any]) -> None:
    assert_taken(app, [sage_query(ids)])


def json_value(random: Random, depth: int) -> Any:
    kind = random.choice("tttnnnfblo" if depth else "tnfb")
    few = random.randint(0, 6)
    return {
        "t": lambda: random.choice(WORDS) * few,
        "n": lambda: random.choice([0, 7, 140, -1, 2**53 - 1]),
        "f": lambda: random.choice([0.5, 1e-7, 12.25]),
        "b": lambda: random.choice([True, False, None]),
        "l": lambda: [json_value(random, depth - 1) for _ in range(few)],
        "o": lambda: {random.choice(WORDS): json_value(random, depth - 1) for _ in range(few)},
    }[kind]()


def queue_of(seed: int) -> list[dict[str, Any]]:
    """Return events that fill the tracker's queue, by their number or by their bytes."""
    random, events, room = Random(seed), list[dict[str, Any]](), QUEUE_BYTES
    size = random.choice([1, 20, 200])
    while len(events) < QUEUE_EVENTS:
        event_type = random.choice(["card_click", "sage_query", "filter_change"])
        values = [json_value(random, random.randint(0, 12)) for _ in range(random.randint(0, size))]
        event = {"event_type": event_type, "payload": {"expert_ids": values, "filters": {"a": 1}}}
        # What the queue keeps of it: its key, its claim, the event.
        kept = json.dumps({**envelope(len(events)), **event}, ensure_ascii=False)
        room -= len(kept.encode()) + 70
        if room < 0:
            break
        events.append(event)
    return events


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(seed=st.integers(0, 2**32))
def test_whatever_fits_into_the_trackers_queue_is_taken(app: Flask, seed: int) -> None:
    if events := queue_of(seed):
        assert_taken(app, events)
