"""F14: what is shown of hostile text does nothing: on pages, in spreadsheets, in logs."""

from __future__ import annotations

import csv
import io
import tempfile
from unittest.mock import patch

import structlog
from flask import Flask

from tests.dashboard.addresses import addresses
from tests.faces.hostile import FORMULAS, Page, post_all
from tests.faces.hosts import FACES, hosted, quiet
from tests.faces.logs import CANARY, RENDERERS, knock, logged
from tests.faces.naughty import TEXTS
from tests.figures.figure import Row


def harm_done(count: int) -> list[Row]:
    """Read all pages and CSV files of so many hostile texts; log while canaries knock."""
    texts = TEXTS[:: max(1, len(TEXTS) // count)]
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/host.db"
        with quiet(), hosted(url) as app:
            post_all(app, texts)
            runs, formulas, pages = _shown(app)
            with patch("tcs_events.export.csv_format.FORMULA_STARTS", ()):
                _, armed, _ = _shown(app)
        canaries = records = uneven = 0
        for face in FACES:
            for renderer in RENDERERS:
                with hosted(url, face) as app, logged(renderer) as log:
                    knock(app, texts)
                records += log.records
                uneven += abs(len(log.text.splitlines()) - log.records)
                canaries += log.text.count(CANARY)
        with logged("console") as log:
            for text in texts:
                structlog.get_logger().info(f"refused {CANARY}{text}")
    bare = sum(bool(Page(f"<p title='{text}'>{text}</p>").runs) for text in texts)
    many = len(log.text.splitlines()) - log.records
    quoted = log.text.count(CANARY)
    return [
        Row(
            "pages",
            f"{runs} pieces of markup that would run, of {len(texts)} texts on {pages} pages and"
            " files",
            not runs,
            f"unescaped: {bare} texts run",
            bare > 0,
        ),
        Row(
            "CSV",
            f"{formulas} cells that a spreadsheet takes for a formula",
            not formulas,
            f"unguarded: {armed}",
            armed > 0,
        ),
        Row(
            "logs",
            f"{canaries} canaries, {uneven} lines beyond one each, of {records:,} records by"
            f" {len(RENDERERS)} renderers",
            not (canaries or uneven),
            f"logged as sent: {quoted} canaries, {many} lines too many",
            bool(quoted and many),
        ),
    ]


def _shown(app: Flask) -> tuple[int, int, int]:
    client = app.test_client()
    runs = formulas = seen = 0
    for path in addresses(app):
        answer = client.get(path, buffered=True)
        seen += answer.mimetype in ("text/html", "text/csv")
        if answer.mimetype == "text/html":
            runs += len(Page(answer.text).runs)
        elif answer.mimetype == "text/csv":
            for line in csv.reader(io.StringIO(answer.data.decode("utf-8-sig"), newline="")):
                formulas += sum(cell.startswith(FORMULAS) for cell in line)
    return runs, formulas, seen
