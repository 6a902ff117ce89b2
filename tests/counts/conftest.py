from __future__ import annotations

import pytest

from tests.conftest import MakeHost
from tests.counts.counting import Counting
from tests.reports.test_against_truth import ACCEPTED

HOST = {"TCS_EVENTS_TIMEZONE": "Europe/Berlin", "TCS_EVENTS_EVENT_TYPES": ACCEPTED}


@pytest.fixture
def counting(make_host: MakeHost, database_url: str) -> Counting:
    return Counting(make_host(database_url, **HOST))


@pytest.fixture
def counting_in_postgres(make_host: MakeHost, postgres_url: str) -> Counting:
    return Counting(make_host(postgres_url, **HOST))
