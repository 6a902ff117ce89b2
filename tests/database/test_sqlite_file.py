"""What an SQLite URL names: a file, and which one, or a database in memory."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from tcs_events.database.pools import is_lasting
from tcs_events.database.sqlite_file import path_of
from tests.conftest import MakeHost
from tests.support import post, stored

# Up to 2.1, SQLAlchemy chooses its pool by the parameter `mode`.
pytestmark = pytest.mark.filterwarnings("ignore:Selection of the SingletonThreadPool")

FILES = [
    "app.db",
    "app.db?uri=true",
    "file:app.db",
    "file:app.db?uri=true",
    "file:app.db?mode=rwc&uri=true",
    "file:app.db?cache=shared&uri=1",
    "file:my%20app.db?uri=true",
    "file://{folder}/app.db?uri=true",
    "file://localhost{folder}/app.db?uri=true",
]
IN_MEMORY = [
    "",
    ":memory:",
    "file::memory:?cache=shared&uri=true",
    "file:shared?mode=memory&cache=shared&uri=true",
    "file:?uri=true",
]


@pytest.mark.parametrize("name", FILES)
def test_the_path_is_that_of_the_file_that_sqlite_opens(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    engine = create_engine("sqlite:///" + name.format(folder=tmp_path))
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE pages (id INTEGER)"))
        opened = connection.exec_driver_sql("PRAGMA database_list").one()[2]
    engine.dispose()
    assert is_lasting(engine)
    assert path_of(engine) == os.path.realpath(opened)


@pytest.mark.parametrize("name", IN_MEMORY)
def test_a_database_in_memory_is_no_file(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    engine = create_engine(f"sqlite:///{name}")
    with engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA database_list").one()[2] == ""
    engine.dispose()
    assert not is_lasting(engine)


@pytest.mark.parametrize(
    "name", ["file:app.db?uri=true", "file:shared?mode=memory&cache=shared&uri=true"]
)
def test_events_are_stored_where_a_uri_says(
    name: str, make_host: MakeHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    app = make_host(f"sqlite:///{name}")
    for _ in range(3):
        assert post(app).status_code == 202
    assert len(stored(app)) == 3
