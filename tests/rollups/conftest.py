from __future__ import annotations

import pytest

from tests.conftest import MakeHost
from tests.rollups.counting import Counting


@pytest.fixture
def counting(make_host: MakeHost, database_url: str) -> Counting:
    return Counting(make_host(database_url, TCS_EVENTS_TIMEZONE="Europe/Berlin"))


@pytest.fixture
def counting_in_postgres(make_host: MakeHost, postgres_url: str) -> Counting:
    return Counting(make_host(postgres_url, TCS_EVENTS_TIMEZONE="Europe/Berlin"))
