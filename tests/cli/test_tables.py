"""Tables on a real terminal of 60, 80 and 120 columns: labels and verdicts stay, and say so."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from datetime import timedelta

import pytest
from flask import Flask

from tcs_events.cli import COMMANDS
from tcs_events.cli.visible import columns_of
from tests.cli.asking import NOON, change, click, database_url_of, query, run, save
from tests.support import ROOT

MARCH = ["--from", "2026-03-01", "--to", "2026-03-31"]
WIDTHS = [60, 80, 120]
EXPERTS = [f"soraya-mehrabadi-{number:02}" for number in range(12)]
TABLES = {
    "stats": ["stats", *MARCH],
    "hours": ["stats", "--unit", "hour", *MARCH],
    "visitors": ["visitors", *MARCH],
    "types": ["types", *MARCH],
    "top": ["top", *MARCH],
    "gaps": ["gaps", *MARCH],
    "dead ends": ["dead-ends", *MARCH],
    "exposure": ["exposure", *MARCH],
    "funnel": ["funnel", "sage_query[result_count=0]", "card_click[context=sage_panel]", *MARCH],
    "paths": ["paths", "sage_query", *MARCH],
    "funnel over days": [
        *("funnel", "sage_query[result_count=0]", "card_click[context=grid]", "--within", "7d"),
        *("--break-down", "query_text", *MARCH),
    ],
    "retention": ["retention", "--unit", "day", *MARCH],
    "timeline": ["timeline", "visitor-1"],
    "outcomes": ["outcomes"],
}
LABELS = {
    "stats": ["Mon 2026-03-02", "total"],
    "hours": ["2026-03-02 12:00"],
    "visitors": ["2026-03-02", "card_click", "sage_query"],
    "types": ["card_click", "sage_query", "filter_change"],
    "top": [EXPERTS[0], "wordpress plugin", "rate_max"],
    "gaps": ["wordpress plugin"],
    "dead ends": ["rate_max"],
    "exposure": [EXPERTS[0], "never among the first"],
    "funnel": ["sage_query[result_count=0]"],
    "paths": ["sage_query → card_click → (end of the visit)", "%"],
    "funnel over days": ["sage_query[result_count", "wordpress plugin"],
    "retention": ["2026-03-02", "2026-03-03"],
    "timeline": ["2026-03-02 12:00:00", "sage_query", "card_click"],
    "outcomes": ["accepted", "failed"],
}
"""What a table is read for."""
NUMBERS_ARE = {
    "stats": "visits",
    "hours": "visitors",
    "visitors": "visitors",
    "types": "visits",
    "top": "visits",
    "gaps": "visits",
    "dead ends": "visits",
    "exposure": "visits",
    "funnel": "visits",
    "paths": "visits",
    "funnel over days": "visitors",
    "retention": "visitors",
}


@pytest.fixture
def database_url(sqlite_host: Flask) -> str:
    for day in range(12):
        at = NOON + timedelta(days=day)
        save(
            sqlite_host,
            *(
                query("wordpress plugin", f"visitor-{number}", created_at=at)
                for number in range(day, day + 4)
            ),
            *(
                query("react", f"visitor-{number}", *EXPERTS, created_at=at)
                for number in range(day, day + 4)
            ),
            click(EXPERTS[0], "visitor-1", created_at=at),
        )
    save(sqlite_host, change("rate_max", 40, 0))
    answer = sqlite_host.test_client().post("/api/events", json={})
    assert answer.status_code == 422
    with sqlite_host.app_context():
        registration = sqlite_host.extensions["tcs_events"]
        assert registration.tally.write_now(registration.database.engine, 5)
    return database_url_of(sqlite_host)


ALL_OF_THEM = """
import json, sys
from flask.cli import cli
for args in json.loads(sys.argv[1]):
    cli.main(["--app", "tests.cli.host", "tcs-events", *args], standalone_mode=False)
    print('\\f')
"""


def on_a_terminal(database_url: str, columns: int, *commands: list[str]) -> list[list[str]]:
    """Return the lines of each command on a terminal of so many columns, without colours."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environ = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    process = subprocess.Popen(
        [sys.executable, "-c", ALL_OF_THEM, json.dumps(commands)],
        cwd=ROOT,
        env={**environ, "DATABASE_URL": database_url},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    shown = b""
    try:
        while part := os.read(ours, 65_536):
            shown += part
    except OSError:  # so Linux says that nobody writes there any more
        pass
    os.close(ours)
    assert process.wait() == 0, shown
    text = re.sub(r"\x1b\[[0-9;]*m", "", shown.decode()).replace("\r\n", "\n")
    *each, rest = text.split("\f\n")
    assert (len(each), rest) == (len(commands), "")
    return [text.split("\n") for text in each]


@pytest.mark.parametrize("columns", WIDTHS)
def test_labels_and_verdicts_stay(database_url: str, columns: int) -> None:
    tables = on_a_terminal(database_url, columns, *TABLES.values())
    for name, shown in zip(TABLES, tables, strict=True):
        assert [line for line in shown if columns_of(line) > columns] == [], name
        text = "\n".join(shown)
        for label in LABELS[name]:
            # A label of twenty letters beside a verdict of as many may be cut where there are 60:
            # in its middle, so that it still says which of them it is.
            short = columns < 80 and len(label) > 18
            found = re.search(rf"{re.escape(label[:4])}\S*…\S*{re.escape(label[-2:])}", text)
            assert label in text or (short and found), name
        assert NUMBERS_ARE.get(name, "") in text, name


def test_what_has_no_room_is_named(database_url: str) -> None:
    [narrow] = on_a_terminal(database_url, 80, TABLES["exposure"])
    text = " ".join(narrow)
    assert "No room for: " in text
    for title in ("mean place", "seen", "best place"):
        assert title in text
    [wide] = on_a_terminal(database_url, 140, TABLES["exposure"])
    assert "No room for" not in " ".join(wide)


@pytest.mark.parametrize("command", [command.name or "" for command in COMMANDS])
def test_help_is_for_people(sqlite_host: Flask, command: str) -> None:
    text = run(sqlite_host, command, "--help").output
    assert "\b" not in text
    assert "\\b" not in text
    assert [line for line in text.splitlines() if len(line) > 80] == []
    options = [line for line in text.splitlines() if line.startswith("  -")]
    assert options


def test_the_example_of_the_funnel_can_be_pasted(sqlite_host: Flask) -> None:
    shown = run(sqlite_host, "funnel", "--help").output
    [example] = re.findall(r"flask tcs-events (funnel \\\n.*\\\n.*)\n", shown)
    done = subprocess.run(
        ["sh", "-c", f"printf '%s\\n' {example}"], capture_output=True, text=True, check=True
    )
    steps = done.stdout.split()
    assert steps == ["funnel", "sage_query[result_count>0]", "card_click"]
    assert run(sqlite_host, *steps).exit_code == 0
