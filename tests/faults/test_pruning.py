"""Old events are deleted while new ones arrive: all of these, and no new one is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from tests.faults import pruning
from tests.faults.pruning import Action, Pruned, a_few_at_a_time, prune_under_load

ROWS = 3_000


def pruned(database_url: str, folder: Path, delete: Action) -> Pruned:
    how = {"face": "view", "kind": "gunicorn-gthread"}
    return prune_under_load(database_url, folder, delete, rows=ROWS, **how)


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pruning, "WARM_UP_SECONDS", 0.5)
    monkeypatch.setattr(pruning, "CALM_SECONDS", 0.5)


def test_every_event_is_stored_meanwhile_and_just_the_old_ones_go(
    database_url: str, tmp_path: Path
) -> None:
    found = pruned(database_url, tmp_path, a_few_at_a_time)
    assert (found.not_stored(), found.wrong_rows) == (0, 0)
    assert found.busy.statuses[202] > 0


@pytest.mark.parametrize(
    ("condition", "wrong"),
    [("false", ROWS), ("session_id NOT LIKE 'new-%'", ROWS // 2)],
    ids=["too few", "too many"],
)
def test_a_command_that_deletes_other_rows_is_found_out(
    sqlite_url: str, tmp_path: Path, condition: str, wrong: int
) -> None:
    def delete(database_url: str, folder: Path) -> None:
        engine = create_engine(database_url)
        with engine.begin() as connection:
            connection.execute(text(f"DELETE FROM user_events WHERE {condition}"))
        engine.dispose()

    assert pruned(sqlite_url, tmp_path, delete).wrong_rows == wrong
