"""Measured figures as they are kept in the repository, and the table that is made of them."""

from __future__ import annotations

import importlib.metadata
import json
import platform
import sqlite3
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tests.faults.progress import table
from tests.figures.figure import Figure, Row
from tests.support import postgres_binary

FILE = Path(__file__).with_name("results.json")
PACKAGES = ("flask", "sqlalchemy", "marshmallow", "psycopg", "orjson", "gunicorn", "gevent")


@dataclass(frozen=True)
class Result:
    """One run of one figure."""

    n: int
    rows: list[Row]
    versions: dict[str, str]


def versions() -> dict[str, str]:
    found = {"python": platform.python_version(), "sqlite": sqlite3.sqlite_version}
    for package in PACKAGES:
        found[package] = importlib.metadata.version(package)
    if (postgres := postgres_binary("postgres")) is not None:
        said = subprocess.run([postgres, "--version"], capture_output=True, text=True).stdout
        found["postgresql"] = said.split()[2]
    return found


def load(file: Path = FILE) -> dict[str, Result]:
    """Return what is kept, by the number of the figure."""
    if not file.exists():
        return {}
    return {
        number: Result(kept["n"], [Row(**row) for row in kept["rows"]], kept["versions"])
        for number, kept in json.loads(file.read_text()).items()
    }


def save(number: str, result: Result, figures: Sequence[Figure], file: Path = FILE) -> None:
    """Keep one figure in the place of what was kept of it; the others stay as they are."""
    kept = {**load(file), number: result}
    document: dict[str, Any] = {
        figure.number: asdict(kept[figure.number]) for figure in figures if figure.number in kept
    }
    file.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n")


def markdown(figures: Sequence[Figure], results: dict[str, Result]) -> str:
    lines: list[dict[str, object]] = []
    for figure in figures:
        head = {"": figure.number, "what": figure.what, "target": figure.target}
        if figure.number not in results:
            said = "not there yet" if figure.run is None else "not measured yet"
            lines.append({**head, "measured": said, "the control, which must fail": ""})
        else:
            for row in results[figure.number].rows:
                measured = f"{row.measured_on}: {row.measured}"
                lines.append(
                    {
                        **head,
                        "measured": measured if row.met else f"{measured} (target missed)",
                        "the control, which must fail": row.control
                        if row.control_failed
                        else f"{row.control} (did not fail)",
                    }
                )
                head = dict.fromkeys(head, "")
    return table(lines)


def is_as_promised(results: dict[str, Result]) -> bool:
    return all(row.met and row.control_failed for kept in results.values() for row in kept.rows)
