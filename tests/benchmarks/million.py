"""What a million events do to the memory of the server."""

from __future__ import annotations

import contextlib
import http.client
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

from tests.benchmarks.database import count_rows
from tests.benchmarks.load import bodies, fill_in
from tests.benchmarks.measure import Setup
from tests.benchmarks.report import Progress, markdown_table
from tests.benchmarks.rows import BATCH_50

MILLION = 1_000_000
STEP = 100_000
BATCHES = STEP // BATCH_50.events
POSTERS = 8


def run(setup: Setup) -> tuple[str, bool]:
    """Post in batches of fifty to SQLite under granian.

    Returns the table, and whether every event was accepted and stored once.
    """
    texts = bodies(BATCH_50.events)
    progress = Progress(MILLION // STEP)
    refused = 0
    with setup.database("sqlite") as (folder, database_url):
        with setup.server(BATCH_50, "granian", database_url, folder) as server:
            url = server.url + BATCH_50.path
            lines = [["0", f"{server.resident_mib():.1f}", ""]]

            def post(start: int) -> int:
                """Post every eighth of the step's batches; return how many were refused."""
                mine = (texts[number % len(texts)] for number in range(start, BATCHES, POSTERS))
                return _post(url, mine)

            for posted in range(STEP, MILLION + 1, STEP):
                start = time.monotonic()
                with ThreadPoolExecutor(POSTERS) as posters:
                    refused += sum(posters.map(post, range(POSTERS)))
                rate = STEP / (time.monotonic() - start)
                server.check()
                lines.append([f"{posted:,}", f"{server.resident_mib():.1f}", f"{rate:,.0f}"])
                progress.step(f"{posted:,} events", f"{lines[-1][1]} MiB, {refused} refused")
        stored = count_rows(database_url, BATCH_50.table or "")
    table = markdown_table(["events", "RSS MiB", "events/s"], lines)
    checked = f"{stored:,} of {MILLION:,} events are stored; {refused:,} batches were refused."
    return f"{table}\n\n{checked}", stored == MILLION and not refused


def _post(url: str, texts: Iterable[str]) -> int:
    """Post bodies over one connection; return how many were refused."""
    parts = urlsplit(url)
    refused = 0
    with contextlib.closing(http.client.HTTPConnection(parts.netloc, timeout=60)) as connection:
        for text in texts:
            headers = {"Content-Type": "application/json"}
            connection.request("POST", parts.path, fill_in(text), headers)
            response = connection.getresponse()
            response.read()
            refused += response.status != 202
    return refused
