"""Posts the same JSON and naughty texts to us, to a handwritten endpoint and to peers on PyPI.

    python -m tests.faces.peers

Peers that record a request without its body keep nothing of what they answer 202 for.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from tests.benchmarks.peers import install_peers
from tests.benchmarks.rows import MIDDLEWARE, OBVIOUS, PEERS, PEERS_NOT_RUN, VIEW, Row
from tests.faces.hostile import UNSTORABLE, events_with
from tests.faces.json_suite import expected, spliced
from tests.faces.json_texts import ALL, NOT_JSON
from tests.faces.naughty import TEXTS
from tests.faces.oracle import same_number, strict, why_not
from tests.mariadb import mariadb_binary, mariadb_server
from tests.support import ROOT, URL, new_database, postgres_binary, postgres_server


@dataclass(frozen=True)
class Case:
    body: bytes
    is_json: bool
    good: bool
    """It is to be stored, by the rules that we document."""


@dataclass
class Score:
    """What an app made of the cases."""

    cases: int = 0
    accepted: int = 0
    no_json_accepted: int = 0
    refused: int = 0
    """They are good, and were not taken."""
    lost: int = 0
    """They were acknowledged, and no strict reader finds what was sent."""
    server_errors: int = 0
    not_in_json: int = 0


def json_cases() -> list[Case]:
    found = []
    for number, (name, text) in enumerate(ALL.items()):
        is_json = name.removeprefix("is not: ") not in NOT_JSON
        body = spliced(text, f"case-{number}")
        found += [Case(text, is_json, False), Case(body, is_json, expected(body)[0])]
    return found


def text_cases() -> list[Case]:
    """Return naughty texts at every place; not every one of them is an address."""
    texts = [*TEXTS, *UNSTORABLE]
    events = [event for text in texts for event in events_with(text)]
    return [
        Case(json.dumps(event).encode(), True, "email" not in event and not why_not(event))
        for event in events
    ]


def score(python: Path, row: Row, url: str, cases: Sequence[Case], log: Path) -> Score:
    """Post the cases to an app with an empty database, and look for them there."""
    environment = {**os.environ, "BENCHMARK_DATABASE_URL": url, "BENCHMARK_LOG": str(log)}
    lines = "".join(f"{base64.b64encode(case.body).decode()}\n" for case in cases)
    done = subprocess.run(
        [str(python), "-m", "tests.faces.knock", row.app, URL],
        input=lines,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=environment,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{row.name}: {done.stderr[-2000:]}")
    # A line that is no answer was printed by the app.
    answers = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("[")]
    said, sent = Score(cases=len(cases)), []
    for case, (status, in_json) in zip(cases, answers, strict=True):
        said.server_errors += status >= 500
        said.not_in_json += not in_json
        if status == 202:
            said.accepted += 1
            said.no_json_accepted += not case.is_json
            sent.append(case.body)
        else:
            said.refused += case.good and case.is_json
    said.lost = len(sent) - sum(_found(sent, _stored(url, row)))
    return said


def _stored(url: str, row: Row) -> list[tuple[str, str]] | None:
    """Return session and payload of each row in order; None where there is no payload."""
    engine = sa.create_engine(url)
    try:
        if row.table is None or row.peer:
            return None
        with engine.connect() as connection:
            text = "CHAR" if engine.dialect.name == "mysql" else "TEXT"
            query = f"SELECT session_id, CAST(payload AS {text}) FROM {row.table} ORDER BY id"
            return [(session, payload) for session, payload in connection.execute(sa.text(query))]
    finally:
        engine.dispose()


def _found(sent: list[bytes], stored: list[tuple[str, str]] | None) -> Iterator[bool]:
    """Yield for each acknowledged body whether a strict reader finds it as it was sent."""
    if stored is None or len(stored) != len(sent):
        return
    for body, (session, payload) in zip(sent, stored, strict=True):
        try:
            event, kept = strict(body), strict(payload)
            same = event["session_id"] == session and same_number(kept, event.get("payload", {}))
            session.encode()
            json.dumps(kept, ensure_ascii=False).encode()
        except (ValueError, RecursionError, KeyError, TypeError):
            yield False
        else:
            yield same


@contextmanager
def databases(*, of_ours: bool = False) -> Iterator[dict[str, str | None]]:
    """Give the servers there are: name to URL; None is SQLite, a file of its own each time.

    MariaDB is for apps of ours alone: what is installed for the peers lacks its drivers.
    """
    servers: dict[str, str | None] = {"SQLite": None}
    with ExitStack() as stack:
        if postgres_binary("initdb") is not None:
            servers["PostgreSQL"] = stack.enter_context(postgres_server())
        if of_ours and mariadb_binary("mariadbd") is not None:
            servers["MariaDB"] = stack.enter_context(mariadb_server())
        yield servers


@contextmanager
def new_url(server: str | None, name: str) -> Iterator[str]:
    if server is not None:
        with new_database(server, name) as url:
            yield url
        return
    with tempfile.TemporaryDirectory(prefix="tcs_events_door_") as folder:
        yield f"sqlite:///{folder}/host.db"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.faces.peers", description=__doc__)
    parser.parse_args()
    say, kinds = sys.stdout.write, {"JSON": json_cases(), "texts": text_cases()}
    with tempfile.TemporaryDirectory() as folder, databases() as servers:
        sys.stderr.write("installing the peers\n")
        apart = install_peers(Path(folder) / "peers")
        say("| app | database | cases | accepted | no JSON, accepted | good, refused |")
        say(" lost or altered | 5xx | answers not in JSON |\n|---|---|")
        say("--:|" * 7 + "\n")
        for row in (VIEW, MIDDLEWARE, OBVIOUS, *PEERS):
            for database, server in servers.items():
                for kind, cases in kinds.items():
                    python = apart if row.peer else Path(sys.executable)
                    with new_url(server, "door") as url:
                        found = score(python, row, url, cases, Path(folder) / "log")
                    numbers = " | ".join(str(number) for number in vars(found).values())
                    say(f"| {row.name}, {kind} | {database} | {numbers} |\n")
                    sys.stdout.flush()
    for name, why in PEERS_NOT_RUN.items():
        say(f"{name}: not run, it {why}\n")


if __name__ == "__main__":
    main()
