"""Any body has one answer, and any sequence of requests stores what the rules say."""

from __future__ import annotations

import pytest

pytest.importorskip("hypothesis", reason="needs hypothesis: pip install -e '.[test]'")

import json
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tcs_events import strict_json
from tcs_events.event import Outcome
from tests.faces.hosts import FACES, empty, hosted, quiet, rows
from tests.faces.json_texts import ALL
from tests.faces.oracle import same, strict, why_not
from tests.support import URL, card_click

orjson = pytest.importorskip("orjson", reason="needs orjson: pip install -e '.[fast]'")
PARSERS = {"orjson": orjson, "json": None}
IDS = [f"0196f4c2-6b7a-7c3e-8f10-00000000000{n}" for n in range(4)]
ODD = [text for text in ALL.values() if len(text) < 200]


def with_a_text(number: int, text: bytes) -> bytes:
    """Return a valid event with the value of a field replaced by any JSON text, or removed."""
    fields = {name: json.dumps(value).encode() for name, value in card_click(email=None).items()}
    fields[list(fields)[number % len(fields)]] = text
    return b"{" + b",".join(f'"{name}":'.encode() + value for name, value in fields.items()) + b"}"


bodies = st.one_of(
    st.binary(max_size=200),
    st.sampled_from(ODD),
    st.builds(with_a_text, st.integers(0, 9), st.sampled_from(ODD)),
    st.builds(
        lambda events: b'{"events":[' + b",".join(events) + b"]}",
        st.lists(st.builds(with_a_text, st.integers(0, 9), st.sampled_from(ODD)), max_size=4),
    ),
    st.builds(
        lambda event, cut: json.dumps(event).encode()[:cut],
        st.builds(card_click, event_id=st.sampled_from(IDS), age_ms=st.integers(-1, 5)),
        st.integers(0, 200),
    ),
)


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[tuple[str, str], Flask]]:
    """One host for each face and parser, each with its own database."""
    with ExitStack() as stack:
        found = {}
        for face in FACES:
            for parser in PARSERS:
                url = f"sqlite:///{tmp_path_factory.mktemp('host')}/host.db"
                found[face, parser] = stack.enter_context(hosted(url, face))
        yield found


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(path=st.sampled_from(["", "/batch", "/identify"]), body=bodies)
def test_every_face_with_every_parser_gives_the_same_answer(
    hosts: dict[tuple[str, str], Flask], path: str, body: bytes
) -> None:
    answers = set()
    with quiet():
        for (_, parser), app in hosts.items():
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(strict_json, "orjson", PARSERS[parser])
                answer = app.test_client().post(URL + path, data=body)
            answers.add((answer.status_code, answer.data, answer.headers["Content-Type"]))
    [(status, said, label)] = answers
    assert status in (202, 422)
    assert label == "application/json"
    strict(said)


# What may be in a payload, and now and then something that may not.
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(-(2.0**53), 2.0**53)
    | st.text(max_size=8)
    | st.sampled_from(["\0", "\ud800", "a\udfff", "\N{OWL}", "=1+1", "__proto__"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=6,
)
SESSIONS = ["visitor-1", "visitor-2", "a\x1bb", "\N{OWL}" * 64, "a" * 65, "", "\t"]
events = st.fixed_dictionaries(
    {
        "event_type": st.sampled_from(["card_click", "sage_query", "card_click", "nope"]),
        "session_id": st.sampled_from(SESSIONS),
        "payload": st.dictionaries(st.text(max_size=4), values, max_size=3) | st.just([]),
    },
    optional={
        "event_id": st.sampled_from([*IDS, IDS[0].upper(), "42"]),
        "age_ms": st.sampled_from([0, 1, 604_800_000, 604_800_001, -1, 1.5]),
        "email": st.sampled_from(["ada@example.com", None, "nobody"]),
        "id": st.just(1),
    },
)


def is_good(event: dict[str, Any]) -> bool:
    """Return whether an event must be stored, by the documented rules alone."""
    session = event["session_id"]
    return (
        event["event_type"] != "nope"
        and 0 < len(session) <= 64
        and session.isprintable()
        and isinstance(event["payload"], dict)
        and event.get("event_id", IDS[0]).lower() in IDS
        and not why_not(event)
    )


class Visits(RuleBasedStateMachine):
    """Compares what is stored, counted and answered with the rules."""

    face = "view"

    @initialize()
    def start(self) -> None:
        self.stack = ExitStack()
        folder = self.stack.enter_context(tempfile.TemporaryDirectory())
        self.stack.enter_context(quiet())
        self.app = self.stack.enter_context(hosted(f"sqlite:///{folder}/host.db", self.face))
        self.client = self.app.test_client()
        self.stored: list[dict[str, Any]] = []
        self.ids: set[str] = set()
        self.outcomes: Counter[str] = Counter()
        self.links: set[tuple[str, str]] = set()

    def _expect(self, event: Any) -> str:
        if not (isinstance(event, dict) and "session_id" in event and is_good(event)):
            return "invalid"
        event_id = event.get("event_id", "").lower()
        if event_id in self.ids:
            return "duplicate"
        self.ids |= {event_id} - {""}
        self.stored.append(event)
        return "accepted"

    @rule(event=events | st.sampled_from([None, 7, {}, []]))
    def send_one(self, event: Any) -> None:
        expected = self._expect(event)
        answer = self.client.post(URL, data=json.dumps(event))
        assert answer.status_code == (422 if expected == "invalid" else 202)
        self.outcomes[expected] += 1

    @rule(batch=st.lists(events | st.sampled_from([None, "x"]), max_size=5))
    def send_batch(self, batch: list[Any]) -> None:
        answer = self.client.post(f"{URL}/batch", data=json.dumps({"events": batch}))
        if not batch:
            assert answer.status_code == 422
            self.outcomes["invalid"] += 1
            return
        expected = [self._expect(event) for event in batch]
        self.outcomes.update(expected)
        bad = [place for place, ended in enumerate(expected) if ended == "invalid"]
        assert answer.status_code == (202 if len(bad) < len(batch) else 422)
        assert answer.json["accepted"] == expected.count("accepted")
        assert answer.json["duplicates"] == expected.count("duplicate")
        assert [item["index"] for item in answer.json["rejected"]] == bad

    @rule(
        session=st.sampled_from(["visitor-1", "visitor-2", ""]),
        email=st.sampled_from(["ada@example.com", "bob@example.com", "nobody"]),
    )
    def identify(self, session: str, email: str) -> None:
        body = {"session_id": session, "email": email}
        answer = self.client.post(f"{URL}/identify", json=body)
        good = bool(session) and email != "nobody"
        assert answer.status_code == (202 if good else 422)
        self.links |= {(session, email)} if good else set()

    @rule(cut=st.integers(1, 40))
    def break_off(self, cut: int) -> None:
        body = json.dumps(card_click()).encode()
        assert self.client.post(URL, data=body[:-cut]).status_code == 422
        self.outcomes["invalid"] += 1

    @invariant()
    def what_is_stored_is_what_was_accepted(self) -> None:
        if not hasattr(self, "app"):
            return
        found = rows(self.app)
        assert len(found) == len(self.stored)
        for row, event in zip(found, self.stored, strict=True):
            assert row["session_id"] == event["session_id"]
            assert row["event_type"] == event["event_type"]
            assert same(strict(row["payload"]), event["payload"])

    @invariant()
    def every_event_is_counted_once(self) -> None:
        if not hasattr(self, "app"):
            return
        counted = self.app.extensions["tcs_events"].counters.counted()
        by_outcome: Counter[str] = Counter()
        for (outcome, _), events in counted.outcomes.items():
            by_outcome[str(outcome)] += events
        assert +by_outcome == +self.outcomes
        assert counted.received == sum(self.outcomes.values())
        accepted = counted.identities.get((Outcome.ACCEPTED, ""), 0)
        assert accepted == len(self.links)

    def teardown(self) -> None:
        if hasattr(self, "stack"):
            self.stack.close()


class VisitsInFront(Visits):
    face = "middleware"


FEW = settings(
    max_examples=12,
    stateful_step_count=12,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
for machine in (Visits, VisitsInFront):
    machine.TestCase.settings = FEW
TestVisits = Visits.TestCase
TestVisitsInFront = VisitsInFront.TestCase


def test_what_a_visit_leaves_is_seen(tmp_path: Path) -> None:
    """The control: a row that nobody sent fails the check."""
    with hosted(f"sqlite:///{tmp_path}/host.db") as app, quiet():
        visits = Visits()
        visits.app, visits.stored = app, []
        visits.what_is_stored_is_what_was_accepted()
        app.test_client().post(URL, json=card_click())
        with pytest.raises(AssertionError):
            visits.what_is_stored_is_what_was_accepted()
        empty(app)
