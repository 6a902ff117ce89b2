"""F6: JSON texts, alone and in an event: what gets in, what comes back, what breaks."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tcs_events import strict_json
from tests.benchmarks.rows import OBVIOUS
from tests.door.hosts import FACES, empty, hosted, quiet, rows
from tests.door.json_suite import Found, compare, post_all
from tests.door.json_texts import ALL
from tests.door.oracle import strict
from tests.door.peers import databases, json_cases, new_url, score
from tests.door.public_suite import public_suite


def run(quick: bool) -> dict[str, str]:
    """Hold both faces, both parsers and both databases against our own and a public suite."""
    suites = [ALL] if quick else [ALL, public_suite() or {}]
    total, control, orjson = Found(), "", strict_json.orjson
    parsers = [None] if orjson is None else [None, orjson]
    with tempfile.TemporaryDirectory() as folder, databases() as servers:
        for name, server in servers.items():
            with new_url(server, "f6") as url:
                for face in FACES:
                    for parser in parsers:
                        strict_json.orjson = parser
                        for texts in suites:
                            _measure(url, face, texts, total, name != "SQLite")
                strict_json.orjson = orjson
            with new_url(server, "f6") as url:
                naive = score(
                    Path(sys.executable), OBVIOUS, url, json_cases(), Path(folder) / "log"
                )
            control += f" {name}: {naive.no_json_accepted} / {naive.lost} / {naive.server_errors};"
    wrong = len(total.refused) + len(total.altered)
    return {
        "figure": "F6",
        "what": "JSON texts: accepted that must not be / refused or altered that may not / 5xx",
        "target": "0 / 0 / 0",
        "measured": f"{len(total.accepted)} / {wrong} / {len(total.server_errors)}",
        "n": f"{total.cases:,} requests, {', '.join(servers)}, 2 faces, {len(parsers)} parsers",
        "control": f"by hand, {len(json_cases())} requests each:{control}".rstrip(";"),
    }


def _measure(url: str, face: str, texts: dict[str, bytes], total: Found, jsonb: bool) -> None:
    with quiet(), hosted(url, face) as app:
        empty(app)
        post_all(app.test_client(), texts, total)
        stored = ((row["session_id"], strict(row["payload"])) for row in rows(app))
        compare(texts, stored, total, jsonb=jsonb)
