"""Naughty texts are stored as they were sent, and do no harm wherever they are shown."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from tests.cli.asking import run
from tests.faces.hostile import FORMULAS, UNSTORABLE, Page, obeyed, post_all
from tests.faces.hosts import hosted, quiet, rows
from tests.faces.naughty import NAUGHTY, TEXTS
from tests.faces.oracle import same_number, strict
from tests.faces.readers import exported, read_by_commands, read_by_pages
from tests.support import card_click, need_module

SESSIONS = ["visitor-1", "' OR '1'='1", "=1+1", "{{ 7*7 }}", "<!--", "../../etc/passwd"]


def test_every_text_is_kept_and_nobody_who_reads_it_is_harmed(
    database_url: str, tmp_path: Path
) -> None:
    need_module("pyarrow")
    with quiet(), hosted(database_url) as app:
        taken, statuses = post_all(app, TEXTS)
        assert set(statuses) == {202}  # an address that is none is left out
        assert len(taken) > 6 * len(TEXTS)
        kept, statuses = post_all(app, UNSTORABLE)
        assert [event for event in kept if event != card_click() and "email" not in event] == []
        assert 422 in statuses
        taken += kept
        for row, event in zip(rows(app, "session_id, payload, email"), taken, strict=True):
            assert row["session_id"] == event["session_id"]
            assert same_number(strict(row["payload"]), event["payload"])
            assert row["email"] in (event.get("email"), None)
        for name in ("ndjson", "csv", "parquet"):
            found = [row["payload"] for row in exported(app, tmp_path, name)]
            assert found == [event["payload"] for event in taken]

        said = read_by_commands(app, SESSIONS)
        # JSON is for programs; its escapes are JSON's.
        assert {asked: obeyed(text) for asked, text in said.items() if obeyed(text)} == {}
        pages = read_by_pages(app, SESSIONS)
        for asked, answer in pages.items():
            if answer.mimetype == "text/html":
                assert Page(answer.text).runs == [], asked
            if answer.mimetype == "text/csv":
                for line in csv.reader(io.StringIO(answer.data.decode("utf-8-sig"), newline="")):
                    assert not any(cell.startswith(FORMULAS) for cell in line), asked


def test_a_spreadsheet_finds_no_formula_in_an_export(sqlite_url: str, tmp_path: Path) -> None:
    with quiet(), hosted(sqlite_url) as app:
        post_all(app, NAUGHTY["formulas"])
        target = tmp_path / "events.csv"
        run(app, "export", str(target))
        with target.open(encoding="utf-8-sig", newline="") as file:
            cells = [cell for line in csv.reader(file, strict=True) for cell in line]
        assert not any(cell.startswith(FORMULAS) for cell in cells)
        assert any(cell.startswith("'=") for cell in cells)
        run(app, "export", str(target), "--raw", "--force")
        assert ',"=1+1",' in target.read_text(encoding="utf-8")  # the control


def test_what_a_page_would_run_is_noticed() -> None:
    """The control: the same page without escaping."""
    noticed = [text for text in TEXTS if Page(f"<p title='{text}'>{text}</p>").runs]
    assert len(noticed) > 8


def test_what_a_terminal_obeys_is_noticed() -> None:
    assert obeyed("a\x1b[31m\u202e\n\x9b") == "\x1b\x9b\u202e"
