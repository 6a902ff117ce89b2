"""What is stored of a payload with a schema: what the schema loads and then dumps, as JSON.

A schema is looked through once, when the app starts. Most have no hooks and ordinary fields: there
the fast way of `plain_fields` does the same.
"""

from __future__ import annotations

import traceback
from typing import Any

from marshmallow import Schema, ValidationError

from tcs_events import strict_json
from tcs_events.errors import NOT_ALLOWED, Message
from tcs_events.event_types.json_values import NotJson, as_json
from tcs_events.event_types.own_schema import Survey, check_number
from tcs_events.event_types.plain_fields import QuickLoad
from tcs_events.event_types.unknown_fields import put_back


class SchemaFailed(Exception):
    """A schema raised something that is not a ValidationError, or its dump is not JSON.

    This is a mistake in the schema or its hooks, and not in the payload.
    """

    def __init__(self, event_type: str, schema: str, error: Exception) -> None:
        super().__init__(f"The schema of {event_type} failed: {type(error).__name__}.")
        self.event_type = event_type
        self.schema = schema
        self.reason = str(error) if isinstance(error, NotJson) else type(error).__name__
        """What went wrong. It is not the error's text, which may quote the payload."""
        frame = traceback.extract_tb(error.__traceback__)[-1]
        self.where = f"{frame.filename}:{frame.lineno}"


class PayloadForm:
    """Makes what is stored of the payloads of one event type.

    Args:
        event_type: its name, for `SchemaFailed`.
        schema: the schema of its payload.
        max_bytes: the most bytes of JSON to store. Defaults can make a payload longer than it was
            sent. None is without limit.

    Raises:
        Exception: the schema, or one within it, cannot be made.
    """

    def __init__(self, event_type: str, schema: type[Schema], max_bytes: int | None = None) -> None:
        self._event_type = event_type
        self._max_bytes = max_bytes
        self._survey = Survey()
        self._schema = self._survey.own(schema())
        self._quick = QuickLoad(self._schema, check_number) if self._survey.is_quick else None

    def stored(self, payload: dict[str, Any]) -> dict[str, Any]:
        """Return what is stored of a payload, and leave the payload as it is.

        Raises:
            ValidationError: the payload is not allowed.
            SchemaFailed: the schema is at fault.
        """
        try:
            return self._stored(payload)
        except ValidationError:
            raise
        except Exception as error:
            raise SchemaFailed(self._event_type, type(self._schema).__name__, error) from error

    def _stored(self, payload: dict[str, Any]) -> dict[str, Any]:
        if self._quick is not None and (quick := self._quick(payload)) is not None:
            if self._survey.may_grow:
                self._check(quick)
            return quick
        # A copy, because a pre_load hook may change what it gets.
        loaded = self._schema.load(as_json(payload))
        if loaded is None:
            raise NotJson("a post_load hook returned None")
        dumped = self._schema.dump(loaded)
        if self._survey.keeps_unknown:
            put_back(self._schema, None, loaded, dumped)
        stored = as_json(dumped)
        if type(stored) is not dict:
            raise NotJson(f"the dump is a {type(dumped).__name__}, not a dict")
        self._check(stored)
        return stored

    def _check(self, stored: dict[str, Any]) -> None:
        """Check a payload as it is checked when it is sent: a schema may make any value of it."""
        try:
            strict_json.check([stored])  # in an event, which is the first level
        except strict_json.NotStrictJson as error:
            raise ValidationError(Message(error, NOT_ALLOWED)) from None
        if (
            self._max_bytes is not None
            and len(strict_json.dumps(stored).encode()) > self._max_bytes
        ):
            text = f"With its defaults it is longer than {self._max_bytes} bytes."
            raise ValidationError(Message(text, NOT_ALLOWED))
