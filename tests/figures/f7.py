"""F7: hostile text at every place of an event: what breaks, what is altered, who stumbles."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

from flask import Flask

from tests.benchmarks.rows import OBVIOUS
from tests.door.hostile import UNSTORABLE, post_all
from tests.door.hosts import FACES, empty, hosted, quiet, rows
from tests.door.naughty import TEXTS
from tests.door.oracle import same_number, strict
from tests.door.peers import databases, new_url, score, text_cases
from tests.door.readers import (
    QUESTIONS,
    Stumbled,
    exported,
    read_by_commands,
    read_by_pages,
)


def run(quick: bool) -> dict[str, str]:
    """Post naughty texts, look at the rows, and let every reader read them."""
    texts = [*(TEXTS[::5] if quick else TEXTS), *UNSTORABLE]
    requests = errors = altered = stumbled = 0
    control = ""
    with tempfile.TemporaryDirectory() as folder, databases() as servers:
        for name, server in servers.items():
            with new_url(server, "f7") as url:
                for face in FACES:
                    with quiet(), hosted(url, face) as app:
                        empty(app)
                        taken, statuses = post_all(app, texts)
                        requests += len(statuses)
                        errors += sum(status >= 500 for status in statuses)
                        altered += _altered(app, taken)
                        stumbled += _stumbled(app, Path(folder))
            with new_url(server, "f7") as url:
                naive = score(
                    Path(sys.executable), OBVIOUS, url, text_cases(), Path(folder) / "log"
                )
            control += f" {name}: {naive.server_errors} / {naive.lost};"
    return {
        "figure": "F7",
        "what": "hostile text at every place: 5xx / stored otherwise than sent / readers that fail",
        "target": "0 / 0 / 0",
        "measured": f"{errors} / {altered} / {stumbled}",
        "n": f"{requests:,} requests of {len(texts)} texts, {', '.join(servers)}; exports,"
        f" {len(QUESTIONS)} commands and all pages of the dashboard read them",
        "control": f"by hand, 5xx / altered or unreadable:{control}".rstrip(";"),
    }


def _altered(app: Flask, taken: list[dict[str, Any]]) -> int:
    found = rows(app)
    same = sum(
        row["session_id"] == event["session_id"]
        and same_number(strict(row["payload"]), event["payload"])
        for row, event in zip(found, taken, strict=False)
    )
    return max(len(found), len(taken)) - same


def _stumbled(app: Flask, folder: Path) -> int:
    readers = [
        lambda: exported(app, folder, "ndjson"),
        lambda: exported(app, folder, "csv"),
        lambda: read_by_commands(app, ["visitor-1"]),
        lambda: read_by_pages(app, ["visitor-1"]),
    ]
    failed = 0
    for read in readers:
        try:
            read()
        except (Stumbled, ValueError):
            failed += 1
    return failed
