from __future__ import annotations

from dataclasses import replace

import pytest

from tcs_events.event_types.marketplace import CARD_CLICK, FILTER_CHANGE, SAGE_QUERY
from tests.conftest import MakeHost
from tests.counts.counting import Counting

TYPES = [
    replace(CARD_CLICK, break_down=("expert_id", "context")),
    replace(SAGE_QUERY, break_down=("query_text", "filters"), add_up=("result_count",)),
    replace(FILTER_CHANGE, break_down=("value",), add_up=("value", "result_count")),
    "nobody_sends_this",
]
HOST = {"TCS_EVENTS_TIMEZONE": "Europe/Berlin", "TCS_EVENTS_EVENT_TYPES": TYPES}


@pytest.fixture
def counting(make_host: MakeHost, database_url: str) -> Counting:
    return Counting(make_host(database_url, **HOST))


@pytest.fixture
def counting_in_postgres(make_host: MakeHost, postgres_url: str) -> Counting:
    return Counting(make_host(postgres_url, **HOST))
