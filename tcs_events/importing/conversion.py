"""Makes events of the rows of a file."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from tcs_events import strict_json
from tcs_events.errors import EventInvalid
from tcs_events.event import Event
from tcs_events.event_types.event_type import NAME_MAX_LENGTH, EventType, EventTypes, check_name
from tcs_events.event_types.schemas import event_schema
from tcs_events.export.csv_format import FORMULA_STARTS
from tcs_events.importing.errors import RowRefused
from tcs_events.importing.mapping import NEEDED, FileMapping
from tcs_events.importing.ndjson_rows import about_row
from tcs_events.importing.times import read_time
from tcs_events.intake.reader import Reader, Scrub

_ANY = "any"
"""The type under which a payload is read that no schema is to check."""
_WORDS = re.compile(r"[\w.:-]+")


class UndeclaredType(RowRefused):
    """The event type of a row is not declared."""

    def __init__(self, event_type: str) -> None:
        super().__init__(
            f"the event type {event_type!r} is not declared: add it to TCS_EVENTS_EVENT_TYPES,"
            " or use --any-type"
        )
        self.event_type = event_type


class Rows:
    """Makes events of rows.

    Args:
        event_types: the declared types.
        reader: the reader of the endpoint. It checks payloads by the schemas of their types.
        scrub: removes personal data from a payload. None leaves payloads as they are.
        max_payload_bytes: the most bytes of JSON that a payload may have.
        any_type: whether types that are not declared are stored, with any payload.
        now: the time of the import, in UTC.
    """

    def __init__(
        self,
        event_types: EventTypes,
        reader: Reader,
        scrub: Scrub | None,
        *,
        max_payload_bytes: int,
        any_type: bool,
        now: datetime,
    ) -> None:
        self._declared = event_types
        self._reader = reader
        self._free_reader = Reader(event_schema({_ANY: EventType(_ANY)}), scrub)
        self._max_payload_bytes = max_payload_bytes
        self._any_type = any_type
        self._now = now

    def of_own_export(self, *, has_quoted_formulas: bool) -> Callable[[dict[str, Any]], Event]:
        """Return what makes an event of a row of our own export: with its id and both times.

        The payload was checked when it was stored, and is not checked by its schema again.

        Args:
            has_quoted_formulas: whether `export` has put a `'` before what would be a formula.
        """

        def text(row: Mapping[str, Any], column: str) -> Any:
            value = row.get(column)
            if has_quoted_formulas and isinstance(value, str) and _is_quoted(value):
                return value[1:]
            return value

        def event(row: dict[str, Any]) -> Event:
            _check_needed(row, ("event_id", "received_at", *NEEDED))
            event_type = self._known_type(text(row, "event_type"))
            return self._event(
                {
                    "event_id": _own_id(row["event_id"]),
                    "session_id": text(row, "session_id"),
                    "payload": _payload(row.get("payload")),
                    "email": text(row, "email"),
                },
                event_type,
                created_at=read_time("created_at", row["created_at"], self._now),
                received_at=read_time("received_at", row["received_at"], self._now),
                is_free=True,
            )

        return event

    def of_other(self, mapping: FileMapping) -> Callable[[dict[str, Any]], Event]:
        """Return what makes an event of a row of another file, which is checked as one sent."""

        def event(row: dict[str, Any]) -> Event:
            found = _fields(row, mapping)
            _check_needed(found, NEEDED)
            event_type = self._known_type(_renamed(found["event_type"], mapping))
            created_at = read_time("created_at", found["created_at"], self._now)
            session_id = _session_id(found["session_id"])
            identity = found.get("event_id")
            event_id = _uuid(identity)
            if event_id is None:
                parts = [session_id, created_at, identity] if identity is not None else [row]
                event_id = _made_id(mapping.source, event_type, *parts)
            return self._event(
                {
                    "event_id": str(event_id),
                    "session_id": session_id,
                    "payload": _payload_of(row, found, mapping),
                    "email": found.get("email"),
                },
                event_type,
                created_at=created_at,
                received_at=self._now,
                is_free=event_type not in self._declared,
            )

        return event

    def _known_type(self, name: object) -> str:
        try:
            check_name(name)
        except ValueError:
            raise RowRefused(
                "the event type is not a name: at most"
                f" {NAME_MAX_LENGTH} letters, digits and _ . : -"
            ) from None
        event_type = str(name)
        if not self._any_type and event_type not in self._declared:
            raise UndeclaredType(event_type)
        return event_type

    def _event(
        self,
        data: dict[str, Any],
        event_type: str,
        *,
        created_at: datetime,
        received_at: datetime,
        is_free: bool,
    ) -> Event:
        reader = self._free_reader if is_free else self._reader
        data["event_type"] = _ANY if is_free else event_type
        try:
            # An event that arrives when it happened: its age is 0, whatever is the limit for ages.
            event = reader.event(data, True, created_at)
        except EventInvalid as error:
            raise RowRefused(_reason(error)) from None
        if len(strict_json.dumps(event.payload).encode()) > self._max_payload_bytes:
            raise RowRefused(
                f"its payload is longer than {self._max_payload_bytes:,} bytes; the limit is twice"
                " TCS_EVENTS_MAX_BODY_BYTES"
            )
        return event._replace(event_type=event_type, received_at=received_at)


def _is_quoted(text: str) -> bool:
    return text.startswith("'") and text[1:].startswith(FORMULA_STARTS)


def _check_needed(found: Mapping[str, Any], names: tuple[str, ...]) -> None:
    missing = [name for name in names if found.get(name) is None]
    if missing:
        raise RowRefused(f"it has no {', '.join(missing)}")


def _fields(row: Mapping[str, Any], mapping: FileMapping) -> dict[str, Any]:
    """Return the fields of an event that the row has, without those that are null."""
    found = {}
    for name, columns in mapping.columns.items():
        values = (row.get(column) for column in columns)
        found[name] = next((value for value in values if value is not None), None)
    if mapping.event_type is not None:
        found["event_type"] = mapping.event_type
    return {name: value for name, value in found.items() if value is not None}


def _renamed(name: object, mapping: FileMapping) -> object:
    if not isinstance(name, str) or name in mapping.renamed:
        return mapping.renamed.get(str(name), name)
    if mapping.makes_names and not _WORDS.fullmatch(name):
        return "_".join(_WORDS.findall(name)).lower()[:NAME_MAX_LENGTH]
    return name


def _session_id(value: object) -> object:
    """Return a session as text: some tools number their visits."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _payload_of(row: Mapping[str, Any], found: Mapping[str, Any], mapping: FileMapping) -> Any:
    values = _payload(found["payload"]) if "payload" in found else None
    if values is None:
        taken = {column for columns in mapping.columns.values() for column in columns}
        values = {column: value for column, value in row.items() if column not in taken}
    if mapping.payload is not None:
        return {name: values[name] for name in mapping.payload if name in values}
    return {name: value for name, value in values.items() if not _is_left_out(name, mapping)}


def _is_left_out(name: str, mapping: FileMapping) -> bool:
    return any(
        name.startswith(each[:-1]) if each.endswith("*") else name == each
        for each in mapping.left_out
    )


def _payload(value: object) -> dict[str, Any]:
    """Return a payload that is an object, or the JSON text of one.

    Raises:
        RowRefused: it is not.
    """
    if isinstance(value, str):
        try:
            value, _ = strict_json.parse(value.encode(errors="surrogatepass"))
        except strict_json.NotStrictJson as error:
            raise RowRefused(f"of its payload, {about_row(error)}") from None
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise RowRefused("its payload is not a JSON object")
    return value


def _uuid(value: object) -> UUID | None:
    if isinstance(value, UUID):
        return value
    try:
        return UUID(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _own_id(value: object) -> str:
    found = _uuid(value)
    if found is None:
        raise RowRefused("its event_id is not a UUID")
    return str(found)


def _made_id(*parts: object) -> UUID:
    """Return the id of a row that has none of its own: the same row always gets the same."""
    text = json.dumps(parts, sort_keys=True, default=str)
    return uuid5(NAMESPACE_URL, f"tcs_events:import:{text}")


def _reason(error: EventInvalid) -> str:
    parts = [
        f"{detail['path']}: {detail['message']}" if detail["path"] else detail["message"]
        for detail in error.details
    ]
    return "; ".join(parts).replace("The body", "it").rstrip(".")
