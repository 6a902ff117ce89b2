from __future__ import annotations

import pytest
from flask import Flask

from tests.conftest import MakeHost


@pytest.fixture
def host(make_host: MakeHost, database_url: str) -> Flask:
    """A host with empty tables, on each kind of database."""
    return make_host(database_url)


@pytest.fixture
def sqlite_host_url(sqlite_host: Flask, sqlite_url: str) -> str:
    """The database of one, for commands in a process of their own."""
    return sqlite_url


@pytest.fixture
def sqlite_host(make_host: MakeHost, sqlite_url: str) -> Flask:
    """One on SQLite, for what no database has a say in."""
    return make_host(sqlite_url)
