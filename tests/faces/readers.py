"""All that read stored rows: exports, commands and pages. None of them may fail on a row."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

from flask import Flask
from werkzeug.test import TestResponse

from tests.cli.asking import run
from tests.dashboard.addresses import addresses
from tests.faces.oracle import strict

QUESTIONS: tuple[tuple[str, ...], ...] = (
    ("stats",),
    ("stats", "--unit", "hour"),
    ("types",),
    ("top", "--limit", "1000"),
    ("gaps", "--limit", "1000"),
    ("dead-ends", "--limit", "1000"),
    ("exposure",),
    ("funnel", "sage_query", "card_click"),
    ("paths", "sage_query"),
    ("retention", "--unit", "day"),
    ("tail", "--limit", "1000"),
)


class Stumbled(AssertionError):
    """A reader failed, or returned something wrong."""


def exported(app: Flask, folder: Path, name: str) -> list[dict[str, Any]]:
    """Return what an export holds, with each payload parsed strictly.

    Raises:
        Stumbled: there is none.
    """
    target = folder / f"events.{name}"
    done = run(app, "export", str(target), "--force", *(["--raw"] if name == "csv" else []))
    if done.exit_code:
        raise Stumbled(f"export {name}: {done.output[-300:]} {done.exception!r}")
    if name == "ndjson":
        return [strict(line) for line in target.read_bytes().splitlines()]
    if name == "csv":
        # Its own limit is for files of strangers.
        csv.field_size_limit(1 << 24)
        with target.open(encoding="utf-8", newline="") as file:
            found: list[dict[str, Any]] = list(csv.DictReader(file, strict=True))
    else:
        import pyarrow.parquet

        found = pyarrow.parquet.read_table(target).to_pylist()
    return [row | {"payload": strict(row["payload"])} for row in found]


def read_by_commands(app: Flask, sessions: list[str]) -> dict[str, str]:
    """Return what each command prints, by how it was called.

    Raises:
        Stumbled: one failed, or printed what is no strict JSON.
    """
    said = {}
    for question in (*QUESTIONS, *(("timeline", "--", session) for session in sessions)):
        for options in ((), ("--json",)):
            asked = (question[0], *options, *question[1:])
            done = run(app, *asked)
            if done.exit_code:
                raise Stumbled(f"{asked}: {done.output[-300:]} {done.exception!r}")
            if options:
                try:
                    _read_json(done.stdout)
                except ValueError as error:
                    raise Stumbled(f"{asked}: {error}") from None
            said[" ".join(asked)] = done.stdout
    return said


def _read_json(printed: str) -> None:
    """Read one document, or one on each line."""
    try:
        strict(printed)
    except json.JSONDecodeError:
        for line in printed.splitlines():
            strict(line)


def read_by_pages(app: Flask, sessions: list[str]) -> dict[str, TestResponse]:
    """Return the answer at each address of the dashboard.

    Raises:
        Stumbled: one is an error, or JSON that is not strict.
    """
    client, answers = app.test_client(), {}
    asked: list[tuple[str, dict[str, str]]] = [(path, {}) for path in addresses(app)]
    asked += [("/insights/timeline", {"session": session}) for session in sessions]
    asked += [("/insights/api/timeline.json", {"session": session}) for session in sessions]
    for path, query in asked:
        answer = client.get(path, query_string=query, buffered=True)
        if answer.status_code >= 400 and "no-such" not in path:
            raise Stumbled(f"{path} {query}: {answer.status_code} {answer.text[-300:]}")
        if answer.is_json:
            strict(answer.data)
        answers[f"{path} {query}"] = answer
    return answers
