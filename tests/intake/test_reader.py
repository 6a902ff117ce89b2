"""An event is read from JSON, and can be written down again as it was sent."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tcs_events.errors import EventInvalid
from tcs_events.event_types.event_type import declared
from tcs_events.event_types.schemas import event_schema
from tcs_events.intake.reader import Reader, as_sent

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
SENT = {
    "event_id": "019ab3c8-7a1d-7c11-8a3b-0123456789ab",
    "session_id": "visitor-1",
    "event_type": "card_click",
    "payload": {"expert_id": "ada", "tags": ["a", {"b": None}]},
    "age_ms": 90_061,
    "email": "ada@example.com",
}


@pytest.mark.parametrize("without", [(), ("email",), ("age_ms", "payload")])
def test_a_stored_event_is_written_down_as_it_was_sent(without: tuple[str, ...]) -> None:
    sent = {name: value for name, value in SENT.items() if name not in without}
    reader = Reader(event_schema(declared({"card_click": None}, {})))
    event = reader.event(sent, False, NOW)
    again = as_sent(event.record())
    assert again == {"age_ms": 0, "payload": {}, **sent}
    assert reader.event(again, False, NOW) == event


@pytest.mark.parametrize(
    ("body", "details"),
    [
        (b"{", [("", "type")]),
        (b'{"event_type": "card_click", "session_id": "s", "age_ms": NaN}', [("", "type")]),
        (b"[]", [("", "type")]),
        (b'{"event_type": "card_click", "session_id": "\\u0000"}', [("", "not_allowed")]),
        (b'{"event_type": "nope", "session_id": "s"}', [("event_type", "unplanned")]),
        (
            b'{"event_type": "card_click", "event_id": "1", "payload": []}',
            [("session_id", "required"), ("payload", "type"), ("event_id", "type")],
        ),
        (
            b'{"event_type": 5, "session_id": " "}',
            [("event_type", "type"), ("session_id", "not_allowed")],
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_outside_a_payload_has_a_path_and_a_code(
    body: bytes, details: list[tuple[str, str]]
) -> None:
    reader = Reader(event_schema(declared({"card_click": None}, {})))
    with pytest.raises(EventInvalid) as caught:
        reader.event(*reader.parse(body), NOW)
    said = [(detail["path"], detail["code"]) for detail in caught.value.details]
    assert sorted(said) == sorted(details)


def test_what_is_wrong_with_a_link_has_a_path_and_a_code() -> None:
    reader = Reader(event_schema(declared({"card_click": None}, {})))
    with pytest.raises(EventInvalid) as caught:
        reader.identity({"email": "nobody"}, False, NOW)
    said = [(detail["path"], detail["code"]) for detail in caught.value.details]
    assert said == [("session_id", "required"), ("email", "not_allowed")]
