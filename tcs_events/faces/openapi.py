"""The endpoint in OpenAPI 3.1, made from the schemas that check what is sent.

https://spec.openapis.org/oas/v3.1.1
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import lru_cache, partial
from typing import Any
from weakref import WeakKeyDictionary

from flask import Flask
from marshmallow import Schema
from werkzeug.routing import Rule

from tcs_events.event_types.schemas import IdentitySchema, event_schema
from tcs_events.faces.cacheable import Cacheable
from tcs_events.faces.json_schema import JsonSchema, json_schema
from tcs_events.faces.routes import template, variables
from tcs_events.host import registration_of
from tcs_events.intake.answers import MARK
from tcs_events.settings import EventTypes, Settings
from tcs_events.strict_json import MAX_NUMBER

API_VERSION = "1"
"""The version of what clients rely on, which is not the version of the package."""

_NO_NUL = "^[^\\u0000]*$"
_COUNT: JsonSchema = {"type": "integer", "minimum": 0}
_OURS = {MARK[0]: {"$ref": "#/components/headers/Mark"}}
_LATER = _OURS | {"Retry-After": {"$ref": "#/components/headers/RetryAfter"}}
_MORE: JsonSchema = {
    "propertyNames": {"pattern": _NO_NUL},
    "additionalProperties": {"$ref": "#/components/schemas/Value"},
}
"""Fields that are not known are ignored, but must be storable all the same."""

Described = dict[str, Any]


MAX_MOUNTS = 16
"""For so many mounts of one app the document is kept. Behind a proxy that is believed, the mount is
what a header says."""


class KeptDocument:
    """The document of one app, built once and kept for each place where the app is mounted."""

    def __init__(self, app: Flask) -> None:
        registration = registration_of(app)
        described = document(registration.routes(app), registration.settings)
        self._at = lru_cache(MAX_MOUNTS)(lambda mount: _text(described, mount))

    def at(self, mount: str) -> Cacheable:
        """Return the document as it is to be read below a mount."""
        return self._at(mount)


_documents: WeakKeyDictionary[Flask, KeptDocument] = WeakKeyDictionary()


def document_of(app: Flask) -> KeptDocument:
    """Return the document of an app that has registered the blueprint."""
    if app not in _documents:
        _documents[app] = KeptDocument(app)
    return _documents[app]


def _text(described: Described, mount: str) -> Cacheable:
    text = json.dumps(described | _servers(mount))
    return Cacheable(text.encode(), "application/json")


def document(
    routes: Iterable[tuple[str, Rule]], settings: Settings, mounted_at: str = ""
) -> Described:
    """Return the OpenAPI document of some of our routes.

    Args:
        routes: what is there, by name, as `Registration.routes` gives it.
        settings: which event types are allowed, and how much of them.
        mounted_at: where the app itself is mounted.
    """
    operations = _operations(settings)
    paths: Described = {}
    for name, rule in routes:
        described = operations.get(name)
        if described is not None:
            paths[template(rule)] = described | _path_parameters(rule)
    return {
        "openapi": "3.1.1",
        "info": {
            "title": "tcs_events",
            "version": API_VERSION,
            "description": "Takes what visitors do, and answers 202 once it is safely stored.",
        },
        **_servers(mounted_at),
        "paths": paths,
        "components": {
            "schemas": _schemas(settings),
            "responses": _responses(settings),
            "headers": {
                "RetryAfter": {
                    "description": "After how many seconds to send it again.",
                    "schema": {"type": "integer", "minimum": 0},
                    "required": True,
                },
                "ETag": {"description": "The version.", "schema": {"type": "string"}},
                "Mark": {
                    "description": "On every answer of this endpoint. One without it comes from"
                    " something in front of it: keep the event and send it again later.",
                    "schema": {"type": "string", "const": MARK[1]},
                    "required": True,
                },
            },
        },
    }


def _servers(mount: str) -> Described:
    return {"servers": [{"url": mount.rstrip("/") or "/"}]}


def _path_parameters(rule: Rule) -> Described:
    text = {"type": "string"}
    named = [
        {"name": name, "in": "path", "required": True, "schema": text} for name in variables(rule)
    ]
    return {"parameters": named} if named else {}


def _operations(settings: Settings) -> Described:
    """Return what each of our views does, by its name."""
    post = partial(_post, settings.max_values)
    return {
        "collect": post("collect", "Store one event", "Event", _accepted("Accepted")),
        "collect_batch": post(
            "collectBatch",
            "Store many events in one transaction, with a verdict for each",
            "Batch",
            _accepted("BatchAnswer"),
            none_good="BatchAnswer",
        ),
        "identify": post(
            "identify", "Say who a session belongs to", "Identity", _accepted("Accepted")
        ),
        "tracker": _get(
            "tracker",
            "The tracker",
            {"text/javascript": {"schema": {"type": "string"}}},
            [_query("v", "The version that the page's tag asks for.")],
        ),
        "client": _get(
            "client",
            "The tracker, by a name that ad blockers have no rule for",
            {"text/javascript": {"schema": {"type": "string"}}},
            [_query("v", "The version that the page's tag asks for.")],
        ),
        "openapi": _get("openapi", "This document", _json({"type": "object"})),
        "health": {
            "get": {
                "operationId": "health",
                "summary": "Whether events can be stored",
                "responses": {
                    "200": {
                        "description": "They can.",
                        "headers": _OURS,
                        "content": _json(_schema("Health")),
                    },
                    "503": {
                        "description": "They cannot; it says what is wrong.",
                        "headers": _LATER,
                        "content": _json(_schema("Health")),
                    },
                    "405": _response("MethodNotAllowed"),
                },
            }
        },
    }


def _post(
    max_values: int,
    name: str,
    summary: str,
    body: str,
    accepted: Described,
    none_good: str | None = None,
) -> Described:
    return {
        "post": {
            "operationId": name,
            "summary": summary,
            "requestBody": {
                "required": True,
                "description": f"JSON in UTF-8, whatever its type. At most {max_values:,} values,"
                " an object or a list counted as three.",
                "content": _json(_schema(body)),
            },
            "responses": {
                "202": accepted,
                "405": _response("MethodNotAllowed"),
                "413": _response("TooLarge"),
                "415": _response("Encoded"),
                "422": _response("NoneGood" if none_good else "Invalid"),
                "429": _response("Limited"),
                "503": _response("Unavailable"),
            },
        }
    }


def _get(
    name: str, summary: str, content: Described, parameters: list[Described] | None = None
) -> Described:
    operation = {
        "operationId": name,
        "summary": summary,
        "responses": {
            "200": {
                "description": summary,
                "headers": _OURS | {"ETag": {"$ref": "#/components/headers/ETag"}},
                "content": content,
            },
            "304": {
                "description": "The one that the client has is still good.",
                "headers": _OURS,
            },
            "405": _response("MethodNotAllowed"),
        },
    }
    return {"get": operation | ({"parameters": parameters} if parameters else {})}


def _accepted(schema: str) -> Described:
    return {
        "description": "Safely stored: now, or before. Or not wanted, and then it says why.",
        "headers": _OURS,
        "content": _json({"anyOf": [_schema(schema), _schema("Ignored")]}),
    }


def _responses(settings: Settings) -> Described:
    errors = _json(_schema("Errors"))
    limit = settings.max_body_bytes
    return {
        "Invalid": {
            "description": "Not allowed, and never will be.",
            "headers": _OURS,
            "content": errors,
        },
        "NoneGood": {
            "description": "Not a batch, or none of its events is allowed.",
            "headers": _OURS,
            "content": _json({"anyOf": [_schema("BatchAnswer"), _schema("Errors")]}),
        },
        "MethodNotAllowed": {
            "description": "The address takes other methods.",
            "headers": _OURS | {"Allow": {"schema": {"type": "string"}, "required": True}},
            "content": errors,
        },
        "TooLarge": {
            "description": f"The body is over {limit} bytes.",
            "headers": _OURS,
            "content": errors,
        },
        "Encoded": {
            "description": "The body is compressed.",
            "headers": _OURS,
            "content": errors,
        },
        "Limited": {
            "description": "Too many events: keep it and send it again later.",
            "headers": _LATER,
            "content": errors,
        },
        "Unavailable": {
            "description": "Not stored this time: keep it and send it again later.",
            "headers": _LATER,
            "content": errors,
        },
    }


def _schemas(settings: Settings) -> Described:
    messages = {"type": "array", "items": {"type": "string"}}
    return {
        "Event": _event(settings.event_types),
        "Batch": {
            "type": "object",
            "required": ["events"],
            "properties": {
                "events": {
                    "type": "array",
                    "items": _schema("Event"),
                    "minItems": 1,
                    "maxItems": settings.max_batch_events,
                }
            },
        },
        "Identity": json_schema(IdentitySchema()) | _MORE,
        "Value": _value(),
        "Accepted": _object({"status": {"const": "accepted"}}),
        "Ignored": _object({"status": {"const": "ignored"}, "reason": {"type": "string"}}, True),
        "BatchAnswer": _object(
            {
                "accepted": _COUNT,
                "duplicates": _COUNT,
                "rejected": {"type": "array", "items": _schema("Rejected")},
            }
        ),
        "Rejected": _object({"index": _COUNT, "errors": _schema("Messages")}),
        "Errors": _object({"errors": _schema("Messages")}),
        "Health": _health(),
        "Messages": {
            "type": "object",
            "description": "Messages by field, nested as the fields are; `_schema` for the whole.",
            "minProperties": 1,
            "additionalProperties": {"anyOf": [messages, _schema("Messages")]},
        },
    }


def _health() -> JsonSchema:
    milliseconds = {"type": ["integer", "null"], "minimum": 0}
    counts = {"type": "object", "additionalProperties": _COUNT}
    words = {name: {"type": "string"} for name in ("key", "problem", "remedy")}
    latency = {"p50": milliseconds, "p99": milliseconds, "requests_up_to": counts}
    told = {
        "status": {"enum": ["ok", "failing"]},
        "problems": {"type": "array", "items": _object(words)},
    }
    counted = _object(
        {
            "requests": _COUNT,
            "received": _COUNT,
            "events": counts,
            "reasons": {"type": "object", "additionalProperties": counts},
            "identities": counts,
            "notes": counts,
            "queue": _object({"events": _COUNT, "bytes": _COUNT}),
            "latency_ms": _object(latency),
        }
    )
    return {
        "description": "The counts are told to those only whom the host lets in.",
        "type": "object",
        "required": list(told),
        "properties": told | counted["properties"],
        "additionalProperties": False,
    }


def _event(event_types: EventTypes) -> JsonSchema:
    """Return the envelope: once for all free-form types, and once for each that has a schema."""
    schema = event_schema(event_types)
    envelope = json_schema(schema) | _MORE
    free = [name for name, payload in schema.payload_schemas.items() if payload is None]
    kinds = [_of_types(envelope, free, None)] if free else []
    kinds += [
        _of_types(envelope, [name], payload)
        for name, payload in schema.payload_schemas.items()
        if payload is not None
    ]
    return kinds[0] if len(kinds) == 1 else {"anyOf": kinds}


def _of_types(envelope: JsonSchema, names: list[str], payload: Schema | None) -> JsonSchema:
    described = _strict({"type": "object"} if payload is None else json_schema(payload))
    properties = envelope["properties"] | {
        "event_type": {"type": "string", "enum": names},
        "payload": described,
    }
    required = envelope["required"]
    if payload is not None and any(field.required for field in payload.load_fields.values()):
        required = [*required, "payload"]
    return envelope | {"properties": properties, "required": required}


def _strict(described: JsonSchema) -> JsonSchema:
    """Narrow what a schema leaves open to what may be sent anywhere."""
    kind = described.get("type")
    kinds = kind if isinstance(kind, list) else [kind]
    if not described.keys() - {"title", "description", "examples", "deprecated", "default"}:
        return described | _schema("Value")
    if "object" in kinds:
        inner = described.get("additionalProperties", {})
        described = described | {
            "properties": {
                name: _strict(one) for name, one in described.get("properties", {}).items()
            },
            "propertyNames": {"pattern": _NO_NUL} | described.get("propertyNames", {}),
            "additionalProperties": inner if inner is False else _strict(inner),
        }
    if "array" in kinds:
        described = described | {"items": _strict(described.get("items", {}))}
    if "string" in kinds and not described.keys() & {"enum", "pattern", "format"}:
        described = described | {"pattern": _NO_NUL}
    if "integer" in kinds or "number" in kinds:
        described = {"minimum": -MAX_NUMBER, "maximum": MAX_NUMBER} | described
    return described


def _value() -> JsonSchema:
    """Return what may be sent anywhere: what all readers of a stored row read alike."""
    return {
        "description": "Any JSON value, but at most 32 levels of them.",
        "anyOf": [
            {"type": ["null", "boolean"]},
            {"type": "number", "minimum": -MAX_NUMBER, "maximum": MAX_NUMBER},
            {"type": "string", "pattern": _NO_NUL},
            {"type": "array", "items": _schema("Value")},
            {
                "type": "object",
                "propertyNames": {"pattern": _NO_NUL},
                "additionalProperties": _schema("Value"),
            },
        ],
    }


def _object(properties: Described, more: bool = False) -> JsonSchema:
    described = {"type": "object", "required": list(properties), "properties": properties}
    return described if more else described | {"additionalProperties": False}


def _query(name: str, meaning: str) -> Described:
    return {"name": name, "in": "query", "description": meaning, "schema": {"type": "string"}}


def _json(schema: JsonSchema) -> Described:
    return {"application/json": {"schema": schema}}


def _schema(name: str) -> JsonSchema:
    return {"$ref": f"#/components/schemas/{name}"}


def _response(name: str) -> Described:
    return {"$ref": f"#/components/responses/{name}"}
