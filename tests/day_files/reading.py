"""What files of days hold, read back without the package's own reader."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flask import Flask

from tcs_events.day_files.columns import column_names, session_number, value_of
from tcs_events.day_files.folder import DayFile
from tcs_events.day_files.keeping import DayKeeper
from tcs_events.host import registration_of


def keeper_of(app: Flask) -> DayKeeper:
    with app.app_context():
        keeper = registration_of(app).day_keeper
    assert keeper is not None
    return keeper


def days_of(app: Flask) -> list[str]:
    """Return the days whose files may be read."""
    with app.app_context():
        return sorted(str(day) for day, _ in keeper_of(app).days())


def folders(folder: Path) -> list[str]:
    """Return the days that have anything on the disk, complete or not."""
    names = [path.name for path in folder.iterdir() if not path.name.endswith(".lock")]
    return sorted(name.removeprefix(".")[:10] for name in names)


def sessions_in(folder: Path) -> set[int]:
    """Return the numbers of all sessions in all files on the disk."""
    from pyarrow.parquet import read_table

    return {
        number
        for path in folder.rglob("*.parquet")
        for number in read_table(path, columns=["session"])["session"].to_pylist()
    }


def has_session(folder: Path, session_id: str) -> bool:
    return session_number(session_id) in sessions_in(folder)


def rows_of(files: list[DayFile]) -> list[dict[str, Any]]:
    """Return the properties of each event in these files, in their order."""
    from pyarrow.parquet import read_table

    rows: list[dict[str, Any]] = []
    for file in files:
        columns = read_table(file.path).to_pydict()
        events: list[dict[str, Any]] = [{} for _ in range(file.events)]
        for name in file.properties:
            for column in column_names(name):
                for event, cell in zip(events, columns.get(column, []), strict=False):
                    if cell is not None:
                        event[name] = value_of(cell)
        rows += events
    return rows
