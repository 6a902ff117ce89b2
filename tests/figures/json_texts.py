"""F6: JSON texts, alone and in an event: what gets in, what comes back, what breaks."""

from __future__ import annotations

import sys
import tempfile
from itertools import islice
from pathlib import Path
from typing import Any

from tcs_events import strict_json
from tests.benchmarks.rows import OBVIOUS
from tests.faces.hosts import FACES, empty, hosted, quiet, rows
from tests.faces.json_suite import Found, compare, post_all
from tests.faces.json_texts import ALL
from tests.faces.oracle import strict
from tests.faces.peers import databases, json_cases, new_url, score
from tests.faces.public_suite import public_suite
from tests.figures.figure import Row


def wrongly_answered(texts: int) -> list[Row]:
    """Hold both faces and both parsers against so many texts of our own and of a public suite."""
    suites = [dict(islice(suite.items(), texts)) for suite in (ALL, public_suite() or {})]
    orjson: Any = strict_json.orjson
    parsers = [None] if orjson is None else [None, orjson]
    measured = []
    with tempfile.TemporaryDirectory() as folder, databases(of_ours=True) as servers:
        for name, server in servers.items():
            found = Found()
            with new_url(server, "f6") as url:
                for face in FACES:
                    for parser in parsers:
                        strict_json.orjson = parser
                        for suite in suites:
                            _measure(url, face, suite, found, name == "PostgreSQL")
                strict_json.orjson = orjson
            with new_url(server, "f6") as url:
                naive = score(
                    Path(sys.executable), OBVIOUS, url, json_cases(), Path(folder) / "log"
                )
            measured.append(
                Row(
                    name,
                    f"{len(found.accepted)}; {len(found.refused) + len(found.altered)};"
                    f" {len(found.server_errors)} of {found.cases:,} requests, 2 faces,"
                    f" {len(parsers)} parsers",
                    not (found.accepted or found.refused or found.altered or found.server_errors),
                    f"a view by hand: {naive.no_json_accepted}; {naive.lost};"
                    f" {naive.server_errors} of {len(json_cases())}",
                    bool(naive.no_json_accepted and naive.lost),
                )
            )
    return measured


def _measure(url: str, face: str, texts: dict[str, bytes], found: Found, jsonb: bool) -> None:
    with quiet(), hosted(url, face) as app:
        empty(app)
        post_all(app.test_client(), texts, found)
        stored = ((row["session_id"], strict(row["payload"])) for row in rows(app))
        compare(texts, stored, found, jsonb=jsonb)
