"""The bars that long commands draw in a terminal."""

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
from pathlib import Path

from tests.support import ROOT

COLUMNS = 80
ROWS = 3_000
_COLOURS_AND_MOVES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def in_a_terminal(database_url: str, *args: str) -> tuple[str, str, int]:
    """Run a command whose stderr is a terminal of 80 columns.

    Returns what it printed to stdout, what it drew, and its exit code.
    """
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, COLUMNS, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-m", "flask", "--app", "tests.cli.host", "tcs-events", *args],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": database_url, "TERM": "xterm"},
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=theirs,
        text=True,
    )
    os.close(theirs)
    drawn = b""
    try:
        while chunk := os.read(ours, 65_536):
            drawn += chunk
    except OSError:  # how Linux says that nobody has the other end any more
        pass
    finally:
        os.close(ours)
        printed, _ = process.communicate()
    return printed, drawn.decode(), process.returncode


def test_an_import_draws_how_much_of_the_file_is_stored(
    tmp_path: Path, sqlite_host_url: str
) -> None:
    path = tmp_path / "events.csv"
    rows = [f"v{n},card_click,2026-03-01T12:00:00Z,{'x' * (n % 40)}" for n in range(ROWS)]
    path.write_text("\n".join(["session_id,event_type,created_at,context", *rows, ""]))
    printed, drawn, exit_code = in_a_terminal(sqlite_host_url, "import", str(path), "--json")
    assert exit_code == 0, drawn
    assert json.loads(printed)["stored"] == ROWS
    frames = [_COLOURS_AND_MOVES.sub("", frame) for frame in re.split(r"[\r\n]+", drawn)]
    frames = [frame for frame in frames if frame.strip()]
    assert all(frame.startswith("Importing  [") for frame in frames)
    assert max(map(len, frames)) <= COLUMNS  # a longer line would wrap, and leave a trail
    shares = [int(share) for share in re.findall(r" (\d+)%", drawn)]
    assert shares == sorted(shares)
    assert len(set(shares)) > 2
    assert shares[-1] == 100
    assert f"{ROWS:,} rows, " in frames[-1]


def test_a_rebuild_draws_the_days_that_are_counted(tmp_path: Path, sqlite_host_url: str) -> None:
    path = tmp_path / "events.csv"
    rows = [f"v{day},card_click,2026-03-{day:02}T12:00:00Z" for day in range(1, 9)]
    path.write_text("\n".join(["session_id,event_type,created_at", *rows, ""]))
    assert in_a_terminal(sqlite_host_url, "import", str(path))[2] == 0
    _, drawn, exit_code = in_a_terminal(sqlite_host_url, "rollup", "--rebuild")
    assert exit_code == 0, drawn
    frames = [_COLOURS_AND_MOVES.sub("", frame) for frame in re.split(r"[\r\n]+", drawn)]
    frames = [frame for frame in frames if frame.strip()]
    assert max(map(len, frames)) <= COLUMNS
    assert "  8/8  " in frames[-1]
    assert "8 events, " in frames[-1]
