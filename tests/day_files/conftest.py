from __future__ import annotations

from pathlib import Path

import pytest
from flask import Flask

from tests.conftest import MakeHost
from tests.support import need_module

FOLDER = "days"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / FOLDER


@pytest.fixture
def host(make_host: MakeHost, database_url: str, folder: Path) -> Flask:
    """A host that keeps closed days as files, on each kind of database."""
    return host_with_files(make_host, database_url, folder)


@pytest.fixture
def sqlite_host(make_host: MakeHost, sqlite_url: str, folder: Path) -> Flask:
    """The same on SQLite, for what no database has a say in."""
    return host_with_files(make_host, sqlite_url, folder)


def host_with_files(make_host: MakeHost, url: str, folder: Path) -> Flask:
    need_module("duckdb")
    need_module("pyarrow")
    return make_host(
        url, TCS_EVENTS_DAY_FILES=str(folder), TCS_EVENTS_EVENT_TYPES=["booking", "card_click"]
    )
