"""The rooms of the package look down only: none imports from a room above it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import tcs_events

PACKAGE = Path(tcs_events.__file__).parent
FLOORS = [
    {"errors", "event", "strict_json", "time_zones"},
    {"event_types"},
    {"settings"},
    {"database", "models"},
    {"stores", "sql_views"},
    {"watch"},
    {"counts"},
    {"intake"},
    {"export"},
    {"importing", "day_files"},
    {"rights"},
    {"reports"},
    {"digest"},
    {"host"},
    {"cli"},
    {"faces", "tracking"},
    {"dashboard"},
    {"wsgi", "payloads", "roles", "prometheus", "migrations", "demo", "testing"},
]
"""From the ground up. Rooms of one floor are neighbours, and may see each other."""
HEIGHT = {room: height for height, floor in enumerate(FLOORS) for room in floor}
DOOR_OF_THE_APP = PACKAGE / "reports" / "in_app.py"
"""Today's functions, which find the app that is asked about when they are called."""
FLASK_ROOMS = {"host", "faces", "tracking", "cli", "dashboard", "demo", "models"}


def imports(path: Path) -> set[str]:
    """Return the modules that a file imports when it runs, without those for type checkers."""
    tree = ast.parse(path.read_text())
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING":
            node.body.clear()
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found


def rooms() -> list[str]:
    names = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py"}
    return sorted({*names, *(path.parent.name for path in PACKAGE.glob("*/__init__.py"))})


def files_of(room: str) -> list[Path]:
    folder = PACKAGE / room
    return sorted(folder.rglob("*.py")) if folder.is_dir() else [PACKAGE / f"{room}.py"]


@pytest.mark.parametrize("room", [room for room in rooms() if room != "__init__"])
def test_a_room_imports_from_no_room_above_it(room: str) -> None:
    for path in files_of(room):
        if path == DOOR_OF_THE_APP:
            continue
        for module in imports(path):
            seen = module.removeprefix("tcs_events.").partition(".")[0]
            if module.startswith("tcs_events.") and seen in HEIGHT:
                assert HEIGHT[seen] <= HEIGHT[room], f"{path.relative_to(PACKAGE)}: {module}"


@pytest.mark.parametrize("room", sorted(set(HEIGHT) - FLASK_ROOMS))
def test_flask_stays_in_the_rooms_that_speak_to_it(room: str) -> None:
    for path in files_of(room):
        assert not {name for name in imports(path) if name.partition(".")[0] == "flask"}, (
            path.relative_to(PACKAGE)
        )
