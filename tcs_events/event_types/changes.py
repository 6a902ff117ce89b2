"""What a release would refuse of the payloads that the last one accepted.

The last one is known from a snapshot: a file with what its event types accepted. Fields that it did
not name are not compared, also where its schema kept or dropped them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tcs_events.event_types.accepted import FREE, Accepted, accepted
from tcs_events.event_types.event_type import EventTypes
from tcs_events.event_types.rules import Json

VERSION = 1
"""The form of the snapshot."""
_SHOWN = 3
"""How many of the values that are refused now a line names."""

_WORDS = {
    FREE: "any object",
    "text": "a text",
    "integer": "a whole number",
    "number": "a number",
    "decimal": "a decimal",
    "duration": "a duration",
    "timestamp": "a timestamp",
    "boolean": "true or false",
    "any": "any value",
    "list": "a list",
    "tuple": "a tuple",
    "map": "a dict",
    "object": "a nested object",
    "own": "a type of its own",
}
_WIDER = {
    # A duration or timestamp is a number, but not every number: they have bounds.
    "integer": ("number", "decimal"),
    "number": ("decimal",),
    "decimal": ("number",),
    "duration": ("number", "decimal"),
    "timestamp": ("number", "decimal"),
    "tuple": ("list",),
    "object": ("map",),
}
"""The kinds that take all that a kind takes, beside itself and any value."""
_WIDER_FORMATS = {
    "ipv4": ("ip",),
    "ipv6": ("ip",),
    "ipv4 interface": ("ip interface",),
    "ipv6 interface": ("ip interface",),
}


class NotASnapshot(ValueError):
    """The text is not a snapshot that can be read. The message says why."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Something that the last release accepted, and this one would refuse."""

    path: str
    """The event type, and the field in its payload: `room_opened.guests[].name`."""
    reason: str
    """The end of a sentence that begins with the path."""

    def __str__(self) -> str:
        return f"{self.path} {self.reason}"


def snapshot(event_types: EventTypes) -> str:
    """Return what the event types accept, as a text to be kept and compared.

    Raises:
        ConfigError: the values of a field are not known.
    """
    found = accepted(event_types)
    document = {
        "version": VERSION,
        "event_types": found.event_types,
        "objects": found.objects,
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def refusals(last: str, event_types: EventTypes) -> list[Refusal]:
    """Return what these event types refuse of what those of the snapshot `last` accepted.

    In the order of the snapshot; an empty list if nothing.

    Raises:
        NotASnapshot: `last` is not a snapshot of this version.
        ConfigError: the values of a field are not known.
    """
    try:
        return list(_Comparison(_read(last), accepted(event_types)).of_all())
    except (KeyError, TypeError, AttributeError) as error:
        raise NotASnapshot(f"it lacks what a snapshot has ({error})") from None


def _read(text: str) -> Accepted:
    try:
        document = json.loads(text)
    except ValueError:
        raise NotASnapshot("it is not JSON") from None
    version = document.get("version") if isinstance(document, dict) else None
    if version != VERSION:
        raise NotASnapshot(f"it has the version {version!r}, and {VERSION} can be read")
    return Accepted(document["event_types"], document["objects"])


class _Comparison:
    def __init__(self, last: Accepted, now: Accepted) -> None:
        self._last, self._now = last, now
        self._seen: set[tuple[str, str]] = set()

    def of_all(self) -> Iterator[Refusal]:
        for name, last in self._last.event_types.items():
            now = self._now.event_types.get(name)
            self._seen.clear()
            if now is None:
                yield Refusal(name, "is no longer an event type")
            elif last["kind"] == FREE != now["kind"]:
                yield Refusal(name, "took any payload, and now has a schema")
            elif now["kind"] != FREE:
                yield from self._of_value(name, last, now)

    def _of_value(self, path: str, last: Json, now: Json) -> Iterator[Refusal]:
        if last.get("null") and not now.get("null"):
            yield Refusal(path, "no longer takes null")
        if (known := _only(last)) is not None:
            refused = [value for value in known if not _takes(now, value)]
            if refused:
                yield Refusal(path, f"no longer takes {_listed(refused)}")
        elif now["kind"] not in (last["kind"], "any", "constant", *_WIDER.get(last["kind"], ())):
            yield Refusal(path, f"was {_WORDS[last['kind']]}, and is now {_named(now)}")
            return
        elif (only := _only(now)) is not None and now["kind"] != "constant":
            yield Refusal(path, f"now takes only {_listed(only)}")
        yield from (Refusal(path, reason) for reason in _narrower_rules(last, now))
        yield from self._of_parts(path, last, now)

    def _of_parts(self, path: str, last: Json, now: Json) -> Iterator[Refusal]:
        match last["kind"], now["kind"]:
            case "list", "list":
                yield from self._of_value(f"{path}[]", last["items"], now["items"])
            case "tuple", "list":
                for place, item in enumerate(last["items"]):
                    yield from self._of_value(f"{path}[{place}]", item, now["items"])
            case "tuple", "tuple":
                if len(last["items"]) != len(now["items"]):
                    yield Refusal(path, f"now has {len(now['items'])} items")
                    return
                for place, items in enumerate(zip(last["items"], now["items"], strict=True)):
                    yield from self._of_value(f"{path}[{place}]", *items)
            case "map", "map":
                for part, shown in ("keys", "(keys)"), ("values", "[]"):
                    if part in now:
                        before = last.get(part, _ANY[part])
                        yield from self._of_value(f"{path}{shown}", before, now[part])
            case "object", "map" if "values" in now:
                for key, value in self._last.objects[last["of"]]["fields"].items():
                    yield from self._of_value(f"{path}.{key}", value, now["values"])
            case "object", "object" if (last["of"], now["of"]) not in self._seen:
                self._seen.add((last["of"], now["of"]))
                before, after = self._last.objects[last["of"]], self._now.objects[now["of"]]
                yield from self._of_objects(path, before, after)

    def _of_objects(self, path: str, last: Json, now: Json) -> Iterator[Refusal]:
        if now["unknown"] == "refused" != last["unknown"]:
            yield Refusal(path, "now refuses fields that its schema does not name")
        for key, value in last["fields"].items():
            field = now["fields"].get(key)
            if field is not None:
                if field.get("required") and not value.get("required"):
                    yield Refusal(f"{path}.{key}", "is now required")
                yield from self._of_value(f"{path}.{key}", value, field)
            elif now["unknown"] == "refused":
                yield Refusal(f"{path}.{key}", "is no longer a field")
        for key, field in now["fields"].items():
            if key not in last["fields"] and field.get("required"):
                yield Refusal(f"{path}.{key}", "is new, and required")
        yield from (
            Refusal(path, reason) for reason in _new_of(last, now, "own_rules", "has a new rule")
        )


_ANY = {"keys": {"kind": "text"}, "values": {"kind": "any", "null": True}}
"""What a dict without a field for its keys or values takes."""


def _only(value: Json) -> list[Any] | None:
    """Return the only values that are taken, or that a page would send; None if there are many."""
    if value["kind"] == "constant":
        return [value["value"]]
    only: list[Any] | None = value.get("one_of")
    return only


def _takes(now: Json, value: object) -> bool:
    """Whether a single value, a text, a number, true or false, is of the kind that is taken."""
    if "one_of" in now:
        return any(value == each and type(value) is type(each) for each in now["one_of"])
    match now["kind"]:
        case "any" | "constant" | "own":
            return True
        case "text":
            return isinstance(value, str)
        case "boolean":
            return isinstance(value, bool)
        case "integer" | "number" | "decimal" | "duration" | "timestamp":
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            return is_number and not (now.get("strict") and value != int(value))  # type: ignore[call-overload]
    return False


def _narrower_rules(last: Json, now: Json) -> Iterator[str]:
    """Yield what is narrower of the rules of a value, apart from its kind."""
    form, before = now.get("format"), last.get("format")
    if form not in (None, before, *_WIDER_FORMATS.get(str(before), ())):
        yield f"now takes only the format {form!r}"
    if now.get("offset") and now.get("offset") != last.get("offset"):
        yield f"now has its offset from UTC {now['offset']}"
    if now.get("strict") and not last.get("strict"):
        yield "now refuses fractions and texts (strict)"
    for rule in "length", "range":
        yield from _narrower_bounds(rule, last.get(rule, {}), now.get(rule, {}))
    for pattern in _added(last, now, "patterns"):
        yield f"now has the pattern {pattern!r}"
    yield from _new_of(last, now, "none_of", "now refuses")
    if "one_of_loaded" in now:
        gone = _added(now, last, "one_of_loaded")
        if "one_of_loaded" not in last:
            yield f"now takes only {_listed(now['one_of_loaded'])}"
        elif gone:
            yield f"no longer takes {_listed(gone)}"
    if form == before == "url":
        yield from _new_of(now, last, "schemes", "no longer takes")
        if last["relative"] and not now["relative"]:
            yield "no longer takes a relative URL"
        if now["needs_domain"] and not last["needs_domain"]:
            yield "no longer takes a URL without a domain"
    yield from _new_of(last, now, "own_rules", "has a new rule")
    if now["kind"] == "own" and (last.get("ts"), last.get("class")) != (now["ts"], now["class"]):
        yield f"now takes {now['ts']} ({now['class']})"


def _narrower_bounds(rule: str, last: Json, now: Json) -> Iterator[str]:
    names = {"at_least": "at least", "above": "above", "at_most": "at most", "below": "below"}
    what = "must now have a length of" if rule == "length" else "must now be"
    for name, bound in now.items():
        if not _is_implied(name, bound, last):
            yield f"{what} {names[name]} {bound}"


def _is_implied(name: str, bound: Any, last: Json) -> bool:
    """Whether the bounds of the last release let through nothing that this bound refuses."""
    inclusive, exclusive = (
        ("at_least", "above") if name in ("at_least", "above") else ("at_most", "below")
    )
    is_lower = inclusive == "at_least"
    for known_name in inclusive, exclusive:
        known = last.get(known_name)
        if known is None or isinstance(known, str) != isinstance(bound, str):
            continue
        if known == bound and not (name == exclusive and known_name == inclusive):
            return True
        if known != bound and (known > bound) == is_lower:
            return True
    return False


def _new_of(last: Json, now: Json, rule: str, words: str) -> Iterator[str]:
    if added := _added(last, now, rule):
        yield f"{words} {_listed(added)}"


def _added(last: Json, now: Json, rule: str) -> list[Any]:
    rest = list(last.get(rule, []))
    added = []
    for each in now.get(rule, []):
        if each in rest:
            rest.remove(each)
        else:
            added.append(each)
    return added


def _named(value: Json) -> str:
    return value["ts"] if value["kind"] == "own" else _WORDS[value["kind"]]


def _listed(values: Sequence[Any] | Iterable[Any]) -> str:
    texts = [json.dumps(value, ensure_ascii=False) for value in values]
    more = len(texts) - _SHOWN
    return ", ".join(texts[:_SHOWN]) + (f" and {more} more" if more > 0 else "") or "nothing"
