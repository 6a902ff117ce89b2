"""The TypeScript of the declared event types: what `trackEvent` may be given.

JSON that the types admit is JSON that the schemas accept, and the other way round, except for what
the guide to event types lists: rules that TypeScript has no words for, such as a range, and values
that marshmallow converts, such as `"5"` for a number.
"""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterable, Iterator

from tcs_events.event_types.accepted import FREE, About, Accepted, accepted
from tcs_events.event_types.event_type import EventTypes
from tcs_events.event_types.marketplace import MARKETPLACE
from tcs_events.event_types.rules import Json

PACKAGE = "tcs-events"
"""The npm package of the tracker."""
_TAKEN = (
    *("EventPayloads", "EventTypes", "TrackedEvent", "DeclaredPayloads"),
    *("Record", "Partial", "Omit"),  # TypeScript's own, which the text uses
)
_WIDTH = 80
_IDENTIFIER = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*")
_HEADER = """\
// Made by `flask tcs-events types --ts` from the event types that the server
// declares. Do not edit it: run the command again.
import type {{}} from {module};
"""
_FOOTER = """
/** The arguments of `trackEvent`: for your own functions that pass them on. */
export type TrackedEvent = {
  [Name in keyof EventPayloads]: [event_type: Name, payload: EventPayloads[Name]];
}[keyof EventPayloads];
"""
_FOR_THE_PACKAGE = """
declare module {module} {{
  interface EventTypes extends EventPayloads {{}}
}}
"""
# Inside of the block, `EventPayloads` is the tracker's own. It has the package's types already.
_FOR_A_COPY = """
type DeclaredPayloads = Omit<EventPayloads, {ours}>;

declare module {module} {{
  interface EventPayloads extends DeclaredPayloads {{}}
}}
"""


def typescript(event_types: EventTypes, module: str = PACKAGE) -> str:
    """Return a TypeScript file with the declared event types.

    It has an interface for the payload of each type, `EventPayloads` from event type to payload,
    and `TrackedEvent`, the union of the arguments of `trackEvent`. Compiled together with the
    tracker, it narrows `trackEvent` to these types.

    Args:
        event_types: the declared types.
        module: how the host imports the tracker: the npm package, or the path of a copy of
            `tracking.ts`, whose own types stay allowed.

    Raises:
        ConfigError: the values of a field are not known. The message says the remedy.
    """
    narrowed = _FOR_THE_PACKAGE if module == PACKAGE else _FOR_A_COPY
    ours = " | ".join(map(_literal, MARKETPLACE))
    header, narrowed = (
        part.format(module=_literal(module), ours=ours) for part in (_HEADER, narrowed)
    )
    return f"{header}\n{payload_types(event_types)}{_FOOTER}{narrowed}"


def payload_types(
    event_types: EventTypes,
    *,
    about: str = "The payload of each event type.",
    closed: bool = False,
    exported: bool = True,
) -> str:
    """Return the interfaces of the payloads, and `EventPayloads` from event type to payload.

    Args:
        event_types: the declared types.
        about: what the comment of `EventPayloads` says.
        closed: admit only the fields that a schema names, also where it keeps others.
        exported: export the type of each payload, as an interface.

    Raises:
        ConfigError: the values of a field are not known. The message says the remedy.
    """
    found = accepted(event_types, _TAKEN)
    parts = []
    for event_type, payload in found.event_types.items():
        name, said = found.names[event_type], found.about[event_type]
        if payload.get("of") == name:
            parts.append(_object(found, name, said, closed, exported))
        else:  # free-form, or the schema of another type
            line = f"{'export ' if exported else ''}type {name} = {_type(payload)};"
            parts.append("\n".join([*_comment(said), line]))
    nested = [name for name in found.objects if name not in found.names.values()]
    parts += [_object(found, name, About(), closed, exported) for name in nested]
    parts.append(_payloads(found, about))
    return "\n\n".join(parts) + "\n"


def _object(found: Accepted, name: str, about: About, closed: bool, exported: bool) -> str:
    described = found.objects[name]
    head = f"export interface {name} {{" if exported else f"type {name} = {{"
    lines = [*_comment(about), head]
    for key, value in described["fields"].items():
        lines += _comment(found.about_fields[name, key], "  ")
        lines += _property(key, value)
    if described["unknown"] == "kept" and not closed:
        lines.append("  [field: string]: unknown;")
    elif not described["fields"]:
        lines.append("  [field: string]: never;")  # `{}` would admit a text
    return "\n".join([*lines, "}" if exported else "};"])


def _property(key: str, value: Json) -> list[str]:
    is_required = value.get("required", False)
    parts = _union(value)
    if not is_required and parts != ["unknown"]:
        # Said as well, so that a host with `exactOptionalPropertyTypes` may pass it on.
        parts.append("undefined")
    start = f"  {_key(key)}{'' if is_required else '?'}:"
    line = f"{start} {' | '.join(parts)};"
    if len(line) <= _WIDTH or len(parts) == 1:
        return [line]
    *others, last = parts
    return [start, *(f"    | {part}" for part in others), f"    | {last};"]


def _payloads(found: Accepted, comment: str) -> str:
    lines = [*_comment(About(comment)), "export interface EventPayloads {"]
    for event_type, name in found.names.items():
        if found.about[event_type].deprecated:
            lines.append("  /** @deprecated */")
        lines.append(f"  {_key(event_type)}: {name};")
    return "\n".join([*lines, "}"])


def _type(value: Json) -> str:
    return " | ".join(_union(value))


def _union(value: Json) -> list[str]:
    """Return the types of which a value may be any."""
    parts = list(dict.fromkeys(_parts(value))) or ["never"]
    if not value.get("null"):
        return parts
    return ["unknown"] if value["kind"] == "any" and "one_of" not in value else [*parts, "null"]


def _parts(value: Json) -> Iterable[str]:
    if "one_of" in value:
        return map(_literal, value["one_of"])
    match value["kind"]:
        case "text":
            return ["string"]
        case "integer" | "number" | "duration" | "timestamp":
            return ["number"]
        case "decimal":
            return ["number", "string"]
        case "boolean":
            return ["boolean"]
        case "constant":
            return [_literal(value["value"])]
        case "list":
            return [f"{_grouped(value['items'])}[]"]
        case "tuple":
            return [f"[{', '.join(map(_type, value['items']))}]"]
        case "map":
            return [_record(value)]
        case "object":
            return [value["of"]]
        case "own":
            return [value["ts"]]
        case kind if kind == FREE:
            return ["Record<string, unknown>"]
    return ["{}"]  # anything but null


def _grouped(value: Json) -> str:
    parts = _union(value)
    is_one = len(parts) == 1 and (value["kind"] != "own" or _IDENTIFIER.fullmatch(parts[0]))
    return parts[0] if is_one else f"({' | '.join(parts)})"


def _record(value: Json) -> str:
    values = _type(value["values"]) if "values" in value else "unknown"
    if "one_of" not in value.get("keys", {}):
        return f"Record<string, {values}>"
    keys = " | ".join(_literal(str(key)) for key in value["keys"]["one_of"]) or "never"
    return f"Partial<Record<{keys}, {values}>>"


def _key(key: str) -> str:
    return key if _IDENTIFIER.fullmatch(key) else _literal(key)


def _literal(value: object) -> str:
    return json.dumps(value, allow_nan=False)


def _comment(about: About, indent: str = "") -> Iterator[str]:
    text = " ".join(about.help.split()).replace("*/", "*\\/")
    lines = textwrap.wrap(text, _WIDTH - len(indent) - len("/**  */"))
    if about.deprecated:
        lines.append("@deprecated")
    if len(lines) == 1:
        yield f"{indent}/** {lines[0]} */"
    elif lines:
        yield f"{indent}/**"
        yield from (f"{indent} * {line}" for line in lines)
        yield f"{indent} */"
