"""What the demo's panel "Just stored" says of an event."""

from __future__ import annotations

from typing import Any

import pytest

from tcs_events import UserEvent
from tcs_events.demo.just_stored import summary


@pytest.mark.parametrize(
    ("count", "said"),
    [
        ({"result_count": 7}, "“flask” · 7 found"),
        ({"result_count": 0}, "“flask” · 0 found"),
        ({"result_count": None}, "“flask” · number of results unknown"),
        ({}, "“flask” · number of results unknown"),
    ],
)
def test_an_unknown_count_is_not_shown_as_none_found(count: dict[str, Any], said: str) -> None:
    event = UserEvent(event_type="sage_query", payload={"query_text": "flask", **count})
    assert summary(event) == said
