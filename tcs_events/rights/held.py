"""Exports everything that is stored about a person as one JSON document."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import IO, Any

from sqlalchemy import Connection, select

from tcs_events.database.stored_json import read_columns
from tcs_events.database.streaming import stream
from tcs_events.export.json_text import json_text
from tcs_events.rights.places import PLACES, Place
from tcs_events.rights.subject import Subject


def write_held(connection: Connection, subject: Subject, file: IO[bytes]) -> dict[str, int]:
    """Write a JSON object with the person, the time, and a list of rows for each place.

    Rows are streamed, so they are never all in memory. They are ordered by id within each of the
    queries that find them. Returns the number of rows by the name of the place.
    """
    sessions = [*subject.sessions, *subject.linked_sessions]
    who = {
        "addresses": [*subject.addresses],
        "user_ids": [*subject.user_ids],
        "sessions": sessions,
    }
    head = {"subject": who, "exported_at": datetime.now(UTC)}
    file.write(json_text(head)[:-1].encode())
    counts = {}
    for place in PLACES:
        file.write(f",\n{json_text(place.name)}: [".encode())
        count = 0
        for row in _rows(connection, subject, place):
            separator = "," if count else ""
            file.write(f"{separator}\n{json_text(row)}".encode())
            count += 1
        file.write(b"]")
        counts[place.name] = count
    file.write(b"}\n")
    file.flush()
    return counts


def _rows(connection: Connection, subject: Subject, place: Place) -> Iterator[dict[str, Any]]:
    for condition in subject.conditions(place):
        columns = read_columns(place.table, place.table.c.keys())
        query = select(*columns).where(condition).order_by(place.id)
        with stream(connection, query) as rows:
            for row in rows.mappings():
                yield dict(row)
