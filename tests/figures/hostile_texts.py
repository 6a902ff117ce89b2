"""F7: hostile text at every place of an event: what breaks, what is altered, who stumbles."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

from flask import Flask

from tests.benchmarks.rows import OBVIOUS
from tests.faces.hostile import UNSTORABLE, post_all
from tests.faces.hosts import FACES, empty, hosted, quiet, rows
from tests.faces.naughty import TEXTS
from tests.faces.oracle import same_number, strict
from tests.faces.peers import databases, new_url, score, text_cases
from tests.faces.readers import (
    QUESTIONS,
    Stumbled,
    exported,
    read_by_commands,
    read_by_pages,
)
from tests.figures.figure import Row


def stumbled(count: int) -> list[Row]:
    """Post so many naughty texts, look at the rows, and let every reader read them."""
    texts = [*TEXTS[:: max(1, len(TEXTS) // count)], *UNSTORABLE]
    measured = []
    with tempfile.TemporaryDirectory() as folder, databases(of_ours=True) as servers:
        for name, server in servers.items():
            requests = errors = altered = failed = 0
            with new_url(server, "f7") as url:
                for face in FACES:
                    with quiet(), hosted(url, face) as app:
                        empty(app)
                        taken, statuses = post_all(app, texts)
                        requests += len(statuses)
                        errors += sum(status >= 500 for status in statuses)
                        altered += _altered(app, taken)
                        failed += _failed(app, Path(folder))
            with new_url(server, "f7") as url:
                naive = score(
                    Path(sys.executable), OBVIOUS, url, text_cases(), Path(folder) / "log"
                )
            measured.append(
                Row(
                    name,
                    f"{errors}; {altered}; {failed} of {requests:,} requests with"
                    f" {len(texts)} texts; exports, {len(QUESTIONS)} commands and all pages read"
                    " them",
                    not (errors or altered or failed),
                    f"a view by hand: {naive.server_errors} times 5xx, {naive.lost} altered or"
                    " unreadable",
                    bool(naive.server_errors or naive.lost),
                )
            )
    return measured


def _altered(app: Flask, taken: list[dict[str, Any]]) -> int:
    found = rows(app)
    same = sum(
        row["session_id"] == event["session_id"]
        and same_number(strict(row["payload"]), event["payload"])
        for row, event in zip(found, taken, strict=False)
    )
    return max(len(found), len(taken)) - same


def _failed(app: Flask, folder: Path) -> int:
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
