"""`EventPayloads` in tracking.ts and the payload schemas say the same."""

from __future__ import annotations

import re

from marshmallow import fields, validate

from tcs_events.payloads import PAYLOAD_SCHEMAS
from tcs_events.settings import SETTINGS
from tests.conftest import MakeHost
from tests.support import ROOT, card_click, post

SOURCE = (ROOT / "frontend_snippets" / "tracking.ts").read_text()


def aliases() -> dict[str, str]:
    """Return the types that tracking.ts names, by their names."""
    return dict(re.findall(r"export type (CardContext|Filters) = (.+);", SOURCE))


def in_typescript() -> dict[str, dict[str, str]]:
    """Return the payloads as the source declares them: type to field to what it holds."""
    [block] = re.findall(r"export interface EventPayloads \{\n(.*?)\n\}", SOURCE, re.DOTALL)
    payloads = {}
    for name, body in re.findall(r"(\w+): \{(.*?)\};?(?:\n  (?=\w)|$)", block, re.DOTALL):
        declared = re.findall(r"(\w+\??): ([^;]+?)\s*(?:;|$)", body.strip())
        payloads[name] = {field: aliases().get(kind, kind) for field, kind in declared}
    return payloads


def as_typescript(field: fields.Field) -> str:
    """Return the TypeScript type of the values that a marshmallow field takes."""
    kind = value_as_typescript(field)
    if kind == "unknown":
        return kind  # includes null and undefined
    return kind + " | null" * field.allow_none + " | undefined" * (not field.required)


def value_as_typescript(field: fields.Field) -> str:
    for validator in field.validators:
        if isinstance(validator, validate.OneOf):
            return " | ".join(f'"{choice}"' for choice in validator.choices)
    match field:
        case fields.List():
            return f"{value_as_typescript(field.inner)}[]"
        case fields.Dict():
            return "Record<string, unknown>"
        case fields.Integer():
            return "number"
        case fields.String():
            return "string"
        case fields.Raw():
            return "unknown"
    raise AssertionError(f"no TypeScript for {field!r}")


def test_the_types_and_their_fields_are_the_same() -> None:
    assert in_typescript() == {
        name: {
            field_name + ("" if field.required else "?"): as_typescript(field)
            for field_name, field in schema().fields.items()
        }
        for name, schema in PAYLOAD_SCHEMAS.items()
    }


def test_the_default_types_are_among_them() -> None:
    [default] = [setting.default for setting in SETTINGS if setting.option == "event_types"]
    assert set(default) <= set(PAYLOAD_SCHEMAS)


def test_a_host_may_hold_events_to_them(make_host: MakeHost, sqlite_url: str) -> None:
    app = make_host(sqlite_url, TCS_EVENTS_EVENT_TYPES=PAYLOAD_SCHEMAS)
    assert post(app, payload={"expert_id": "ada", "context": "grid"}).status_code == 202
    more = {"expert_id": "ada", "context": "grid", "experiment": "b"}
    assert post(app, payload=more).status_code == 202
    answer = post(app, payload={"expert_id": "ada", "context": "gird"})
    assert (answer.status_code, list(answer.json["errors"]["payload"])) == (422, ["context"])
    seen = card_click(event_type="card_impression", payload={**more, "position": 1})
    assert post(app, **seen).status_code == 202
    assert post(app, **{**seen, "payload": {**more, "position": 0}}).status_code == 422


def test_a_checked_sage_query_may_have_no_count(make_host: MakeHost, sqlite_url: str) -> None:
    """The count of an answer that only applied filters is null, or is left out."""
    app = make_host(sqlite_url, TCS_EVENTS_EVENT_TYPES=PAYLOAD_SCHEMAS)
    payload = {
        "query_text": "under 100 euros",
        "function_called": "apply_filters",
        "expert_ids": [],
        "filters": {"rate_max": 100},
    }
    for count in ({}, {"result_count": None}, {"result_count": 0}, {"result_count": 7}):
        answer = post(app, event_type="sage_query", payload={**payload, **count})
        assert answer.status_code == 202, count
    for wrong in (-1, "7", 1.5, True):
        answer = post(app, event_type="sage_query", payload={**payload, "result_count": wrong})
        assert answer.status_code == 422, wrong
