from __future__ import annotations

import pytest
from flask import Flask

from tests.conftest import MakeHost
from tests.databases import make_every_table
from tests.drivers import POSTGRES_DRIVERS, database_by


@pytest.fixture(params=["sqlite", *POSTGRES_DRIVERS])
def database_url(request: pytest.FixtureRequest) -> str:
    return database_by(request, request.param)


@pytest.fixture
def host(make_host: MakeHost, database_url: str) -> Flask:
    """A host with empty tables, on each kind of database."""
    return make_host(database_url)


@pytest.fixture
def host_of_features_turned_off(make_host: MakeHost, database_url: str) -> Flask:
    """One whose refused events and marks of crawlers have tables, from when these were on."""
    make_every_table(make_host(database_url, create=False))
    return make_host(database_url, create=False)


@pytest.fixture
def sqlite_host(make_host: MakeHost, sqlite_url: str) -> Flask:
    """One on SQLite, for what no database has a say in."""
    return make_host(sqlite_url)


@pytest.fixture
def postgres_host(make_host: MakeHost, postgres_url: str) -> Flask:
    """The host, on PostgreSQL."""
    return make_host(postgres_url)
