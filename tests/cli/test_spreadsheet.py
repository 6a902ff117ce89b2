"""LibreOffice opens what was exported, and runs none of it."""

from __future__ import annotations

import codecs
import csv
import io
import re
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree

import pytest
from flask import Flask

from tcs_events.dashboard import create_dashboard
from tests.cli.asking import change, click, query, run, save
from tests.conftest import MakeHost
from tests.support import need

INSTALL = "apt-get install --no-install-recommends libreoffice-calc"
OPEN_SECONDS = 120
HOSTILE = [
    "=1+1",
    "+1",
    "-1",
    "@SUM(1)",
    "\t=1+1",
    "\r=1+1",
    "\n=1+1",
    "＝1+1",  # noqa: RUF001 - in full width
    "＋1",  # noqa: RUF001
    "－1",  # noqa: RUF001
    "＠SUM(1)",  # noqa: RUF001
    "=cmd|' /C calc'!A0",
    '=DDE("cmd";"/C calc";"1")',
    '=HYPERLINK("http://127.0.0.1/"&A1)',
    "=WEBSERVICE(1)",
]
INSIDE = [
    'a "quoted" text',
    'x","=1+1',
    "a;=1+1",
    "a\n=1+1",
    "a\r\n=1+1\r\n",
    "'=1+1",
    "two  spaces",
    "Zoë 日本 🦜",
]
"""What would be a formula if a cell were taken to end before it ends, and texts as they are."""
FODS = {
    "office": "urn:oasis:names:tc:opendocument:xmlns:office:1.0",
    "table": "urn:oasis:names:tc:opendocument:xmlns:table:1.0",
    "text": "urn:oasis:names:tc:opendocument:xmlns:text:1.0",
}
TABLE, TEXT = f"{{{FODS['table']}}}", f"{{{FODS['text']}}}"


@pytest.fixture
def app(make_host: MakeHost, sqlite_url: str) -> Flask:
    need(shutil.which("soffice"), "LibreOffice", INSTALL)
    app = make_host(sqlite_url)
    app.register_blueprint(create_dashboard(lambda: True))
    return app


class Opened:
    """What LibreOffice made of a CSV file."""

    def __init__(self, folder: Path, content: bytes) -> None:
        (folder / "export.csv").write_bytes(content)
        subprocess.run(
            [
                "soffice",
                f"-env:UserInstallation=file://{folder}/profile",
                "--headless",
                "--infilter=CSV:44,34,76,1",  # commas, quotes, UTF-8, from the first row on
                "--convert-to",
                "fods",
                "--outdir",
                str(folder),
                str(folder / "export.csv"),
            ],
            check=True,
            capture_output=True,
            timeout=OPEN_SECONDS,
        )
        sheet = ElementTree.parse(folder / "export.fods")
        self._cells = sheet.findall(".//table:table-cell", FODS)
        self.rows = [
            [
                _text(cell)
                for cell in row.findall("table:table-cell", FODS)
                for _ in range(int(cell.get(f"{TABLE}number-columns-repeated", 1)))
            ]
            for row in sheet.findall(".//table:table-row", FODS)
        ]

    @property
    def formulas(self) -> list[str]:
        found = (cell.get(f"{TABLE}formula") for cell in self._cells)
        return [formula for formula in found if formula is not None]


def _text(cell: ElementTree.Element) -> str:
    return "\n".join(_inside(paragraph) for paragraph in cell.findall("text:p", FODS))


def _inside(element: ElementTree.Element) -> str:
    text = element.text or ""
    for child in element:
        if child.tag == f"{TEXT}s":
            text += " " * int(child.get(f"{TEXT}c", 1))
        else:
            text += "\t" if child.tag == f"{TEXT}tab" else _inside(child)
        text += child.tail or ""
    return text


def rows_of(content: bytes) -> list[list[str]]:
    """Return what stands in the file; LibreOffice has one way only to end a line in a cell."""
    rows = csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True)
    return [[re.sub(r"\r\n?", "\n", cell) for cell in row] for row in rows]


def exported(app: Flask, *args: str) -> bytes:
    result = run(app, "export", "-", "--format", "csv", *args)
    assert result.exit_code == 0, result.stderr
    return bytes(result.stdout_bytes)


def column(rows: list[list[str]], name: str) -> list[str]:
    place = rows[0].index(name)
    return [row[place] for row in rows[1:]]


def test_an_export_has_no_formulas_and_all_texts(app: Flask, tmp_path: Path) -> None:
    for text in HOSTILE + INSIDE:
        save(app, click(text, text, event_type=text[:50], email=text))
    content = exported(app)
    opened = Opened(tmp_path, content)
    assert opened.formulas == []
    written = rows_of(content)
    assert opened.rows[0] == written[0]
    for name in ("session_id", "event_type", "payload", "email"):
        assert column(opened.rows, name) == column(written, name)
    assert column(written, "session_id")[0] == "'=1+1"


@pytest.mark.parametrize(
    ("table", "names"),
    [
        ("queries", ["query", "sample"]),
        ("gaps", ["query", "sample"]),
        ("experts", ["expert_id", "by_context"]),
        ("filters", ["filter", "value"]),
        ("timeline", ["session_id", "payload"]),
        ("exposure", ["expert_id"]),
    ],
)
def test_a_table_of_the_dashboard_has_no_formulas_and_all_texts(
    app: Flask, tmp_path: Path, table: str, names: list[str]
) -> None:
    for number, text in enumerate(HOSTILE + INSIDE):
        for session in ("=1+1", f"visitor-{number}", f"visitor-{number}-b"):
            save(
                app,
                query(text, session),
                click(text, session, payload={"expert_id": text, "context": text}),
                change(text, text, 0, session),
            )
    address = f"/insights/csv/{table}.csv?from=2026-03-01&to=2026-03-31"
    if table == "timeline":
        address += "&session=%3D1%2B1"
    content = app.test_client().get(address).data
    opened = Opened(tmp_path, content)
    assert opened.formulas == []
    written = rows_of(content)
    assert opened.rows[0] == written[0]
    assert len(written) > len(INSIDE)
    for name in names:
        assert column(opened.rows, name) == column(written, name)


@pytest.mark.parametrize("address", [None, "/insights/csv/queries.csv?from=2026-03-01"])
def test_a_spreadsheet_is_told_that_it_is_utf_8(
    sqlite_host: Flask, tmp_path: Path, address: str | None
) -> None:
    """Excel has no other way to know: without the mark "Zoë" is "ZoÃ«" there."""
    save(sqlite_host, query("Zoë 日本", created_at=datetime.now(UTC)))
    sqlite_host.register_blueprint(create_dashboard(lambda: True))
    if address is None:
        content = exported(sqlite_host)
        assert run(sqlite_host, "export", str(tmp_path / "events.csv")).exit_code == 0
        assert (tmp_path / "events.csv").read_bytes() == content
    else:
        content = sqlite_host.test_client().get(address).data
    assert content.startswith(codecs.BOM_UTF8)
    assert content.count(codecs.BOM_UTF8) == 1
    assert "Zoë 日本".casefold() in content.decode("utf-8-sig").casefold()


def test_a_raw_export_has_no_mark_so_that_programs_can_put_them_together(
    sqlite_host: Flask,
) -> None:
    save(sqlite_host, query("Zoë 日本"))
    content = exported(sqlite_host, "--raw")
    assert content.startswith(b'"id"')
    assert codecs.BOM_UTF8 not in content


def test_a_raw_export_does_have_formulas(app: Flask, tmp_path: Path) -> None:
    """The control: LibreOffice would run it, and this would be seen."""
    save(app, click(session="=1+1"), click(session="=cmd|' /C calc'!A0"))
    formulas = Opened(tmp_path, exported(app, "--raw")).formulas
    assert len(formulas) == 2
    assert formulas[0] == "of:=1+1"
