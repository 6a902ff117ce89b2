"""Writes the parts of the reference that are made from the code.

    python docs/reference.py

Each such part stands in a page of `docs/pages/reference`, between two comments:

    <!-- made from the code: settings -->
    <!-- end of what is made from the code -->

The rest of a page is written by hand. A test fails when a part is not as the code is today. The
parts are kept in the repository, so that a reader needs neither this program nor a built site.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import is_dataclass
from enum import Enum
from functools import cache
from itertools import pairwise
from pathlib import Path
from textwrap import dedent
from typing import Any

import click
import sqlalchemy as sa
from flask import Flask
from marshmallow import Schema
from structlog.testing import capture_logs

import tcs_events
from tcs_events.payloads import PAYLOAD_SCHEMAS
from tcs_events.settings import SETTINGS

PAGES = Path(__file__).parent / "pages" / "reference"
END = "<!-- end of what is made from the code -->"
PART = re.compile(rf"(<!-- made from the code: (?P<name>[\w ]+) -->\n).*?({END})", re.DOTALL)
PUBLIC = {
    "tcs_events": tcs_events.__all__,
    "tcs_events.reports": importlib.import_module("tcs_events.reports").__all__,
    "tcs_events.roles": importlib.import_module("tcs_events.roles").__all__,
    "tcs_events.dashboard": importlib.import_module("tcs_events.dashboard").__all__,
    "tcs_events.wsgi": ["EventsMiddleware"],
    "tcs_events.prometheus": ["register_metrics"],
    "tcs_events.testing": importlib.import_module("tcs_events.testing").__all__,
    "tcs_events.errors": ["NotCounted", "QuestionTimeout", "UnknownEventType"],
    "tcs_events.payloads": ["PAYLOAD_SCHEMAS", *(s.__name__ for s in PAYLOAD_SCHEMAS.values())],
}
"""The modules that a host imports from, and what it finds there."""


def settings() -> Iterator[str]:
    yield "| key | default | meaning |"
    yield "|---|---|---|"
    for setting in SETTINGS:
        default = f"{setting.default!r}".replace("'", '"')
        yield f"| `{setting.key}` | `{default}` | {setting.help} |"


def event_types() -> Iterator[str]:
    default = next(setting.default for setting in SETTINGS if setting.option == "event_types")
    described = {
        kind["properties"]["event_type"]["enum"][0]: kind["properties"]["payload"]
        for kind in document(event_types=PAYLOAD_SCHEMAS)["components"]["schemas"]["Event"]["anyOf"]
    }
    yield "| event type | what the visitor did | accepted by default |"
    yield "|---|---|---|"
    for name, schema in PAYLOAD_SCHEMAS.items():
        yield f"| `{name}` | {paragraphs(schema)[0]} | {'yes' if name in default else 'no'} |"
    for name, schema in PAYLOAD_SCHEMAS.items():
        yield from ["", f"## {name}", "", *paragraphs(schema, between="")]
        yield from ["", "| field | required | value |", "|---|---|---|"]
        for field, rule in described[name]["properties"].items():
            required = "yes" if field in described[name].get("required", ()) else "no"
            yield f"| `{field}` | {required} | {value_in_words(rule)} |"


def routes() -> Iterator[str]:
    yield "| route | what it does | answers |"
    yield "|---|---|---|"
    for path, operations in document()["paths"].items():
        for method, operation in operations.items():
            statuses = ", ".join(sorted(operation["responses"]))
            yield f"| `{method.upper()} {path}` | {operation['summary']} | {statuses} |"


def commands() -> Iterator[str]:
    found = sorted(tcs_events.create_blueprint().cli.commands.items())
    yield "| command | what it does |"
    yield "|---|---|"
    for name, command in found:
        yield f"| [`flask tcs-events {name}`](#{name}) | {paragraphs(command)[0]} |"
    for name, command in found:
        context = click.Context(command, info_name=f"flask tcs-events {name}")
        usage = " ".join(command.collect_usage_pieces(context))
        yield from ["", f"## {name}", "", f"`flask tcs-events {name} {usage}`"]
        yield from ["", *paragraphs(command, between=""), ""]
        options = [option.get_help_record(context) for option in command.params]
        for names, told in filter(None, options):
            yield f"- `{names}`" + (f": {told}" if told else "")


def columns() -> Iterator[str]:
    for model in (
        tcs_events.UserEvent,
        tcs_events.UserEventIdentity,
        tcs_events.UserEventBotSession,
        tcs_events.UserEventRejection,
        tcs_events.UserEventUser,
    ):
        table: sa.Table = model.__table__
        yield from ["", f"### {table.name}", "", *paragraphs(model, between="")]
        yield from ["", "| column | type | may be null | index |", "|---|---|---|---|"]
        indexed = {index.columns.keys()[0] for index in table.indexes}
        unique = {
            constraint.columns.keys()[0]
            for constraint in table.constraints
            if isinstance(constraint, sa.UniqueConstraint)
        }
        for column in table.columns:
            keys = {"primary key": {"id"}, "unique": unique, "yes": indexed}
            key = next((name for name, held in keys.items() if column.name in held), "no")
            kind = type_in_words(column.type)
            yield f"| `{column.name}` | {kind} | {'yes' if column.nullable else 'no'} | {key} |"


def python() -> Iterator[str]:
    for module_name, names in PUBLIC.items():
        module = importlib.import_module(module_name)
        yield from ["", f"## {module_name}", ""]
        for name in sorted(names, key=lambda name: rank(getattr(module, name))):
            yield from described(name, getattr(module, name), module)


def rank(item: Any) -> int:
    """Return where a name stands: what is called first, errors last."""
    if not isinstance(item, type):
        return 0
    return 2 if issubclass(item, Exception) else 1


def described(name: str, item: Any, module: Any) -> Iterator[str]:
    """Give the section of one name."""
    yield from ["", f"### {name}", ""]
    if isinstance(item, type):
        yield from described_class(name, item)
    elif inspect.isfunction(item):
        yield from ["```py", signature(name, item), "```", "", *docstring(item)]
    else:
        yield attribute_docstrings(module).get(name) or MADE_HERE[name]


MADE_HERE = {
    "db": "A `SQLAlchemy` for a host that has none of its own: call `db.init_app(app)`.",
    "DEFAULT_EVENT_TYPES": "The event types that are accepted by default, for a list of your own.",
    "Role": "Any of these: the type of `EventType.role`.",
    "event_accepted": "A [signal](../guides/hosts.md#signals): `receiver(app, event=...)`, sent for"
    " each new event after its commit.",
    "event_rejected": "A [signal](../guides/hosts.md#signals): `receiver(app, sent=...,"
    " errors=...)`, sent for each event that is refused for good.",
    "events_bp": "The ready-made blueprint: `create_blueprint()` with every default.",
    "PAYLOAD_SCHEMAS": "The schemas below by event type, for `create_blueprint(event_types=...)`.",
}
"""What cannot say it itself, for it is a plain value."""


def described_class(name: str, item: type) -> Iterator[str]:
    if is_dataclass(item):
        told = attribute_docstrings(item)
        yield from [*docstring(item), "", "**Fields**", ""]
        for field, kind in inspect.get_annotations(item).items():
            yield f"- `{field}: {kind}`" + (f": {told[field]}" if field in told else "")
        if shown := list(methods(item)):
            yield from ["", "**Methods**", "", *shown]
    elif issubclass(item, Enum):
        told = attribute_docstrings(item)
        yield from [*docstring(item), ""]
        for member in item:
            yield f"- `{name}.{member.name}` is `{member.value!r}`: {told[member.name]}"
    elif issubclass(item, Exception):
        bases = " and ".join(f"`{base.__name__}`" for base in item.__bases__)
        yield from [*docstring(item), "", f"A subclass of {bases}."]
    elif issubclass(item, Schema):
        yield from [*docstring(item), "", "A marshmallow schema."]
        yield "Fields: " + ", ".join(f"`{field}`" for field in item().fields) + "."
    elif hasattr(item, "__table__"):
        yield from [*docstring(item), "", f"A model; its table is `{item.__table__.name}`."]
        yield f"[Its columns](tables.md#{item.__table__.name})."
    else:
        yield from ["```py", signature(name, item), "```", "", *docstring(item)]


def methods(item: type) -> Iterator[str]:
    for name, member in vars(item).items():
        function = member.fget if isinstance(member, property) else member
        if name.startswith("_") or not inspect.isfunction(function):
            continue
        told = " ".join(paragraphs(function)[0].split())
        shown = name if isinstance(member, property) else signature(name, function)
        yield f"- `{shown}`: {told}"


def signature(name: str, item: Any) -> str:
    """Return a call as it is written, on several lines where one would be long."""
    function = item.__init__ if isinstance(item, type) else item
    found = inspect.signature(function)
    written: list[str] = []
    for each in found.parameters.values():
        if each.name == "self":
            continue
        if each.kind is each.KEYWORD_ONLY and "*" not in written:
            written.append("*")
        stars = {each.VAR_POSITIONAL: "*", each.VAR_KEYWORD: "**"}.get(each.kind, "")
        given = "" if each.default is each.empty else f" = {default(each.default, function)}"
        written.append(f"{stars}{each.name}: {each.annotation}{given}")
    returned = "" if isinstance(item, type) else f" -> {found.return_annotation}"
    line = f"{name}({', '.join(written)}){returned}"
    if len(line) < 90:
        return line
    return f"{name}(\n" + "".join(f"    {each},\n" for each in written) + f"){returned}"


def default(value: object, function: Any) -> str:
    """Return a default value, or the name that it has in its module."""
    if isinstance(value, str | int | float | None):
        return repr(value).replace("'", '"')
    return next(name for name, known in function.__globals__.items() if known is value)


SECTION = re.compile(r"^(Args|Raises|Returns|Example):$")


def docstring(item: Any) -> list[str]:
    """Return a docstring as Markdown: its sections as lists."""
    written: list[str] = []
    for block in paragraphs(item):
        head, *lines = block.split("\n")
        if not SECTION.match(head):
            written += ["", block]
            continue
        heading = {"Args": "Arguments"}.get(head[:-1], head[:-1])
        written += ["", f"**{heading}**", ""]
        for name, meaning in re.findall(
            r"^([\w.]+): (.*(?:\n +.*)*)", dedent("\n".join(lines)), re.MULTILINE
        ):
            written.append(f"- `{name}`: {' '.join(meaning.split())}")
    return written[1:]


def paragraphs(item: Any, between: str | None = None) -> list[str]:
    """Return the paragraphs of a docstring, or of the help of a command."""
    text = item.help if isinstance(item, click.Command) else inspect.getdoc(item)
    text = inspect.cleandoc(text or "").replace("\b\n", "")
    found = [part.strip("\n") for part in re.split(r"\n\n+", text)]
    if isinstance(item, click.Command):
        found = [part if part.startswith("    ") else " ".join(part.split()) for part in found]
    if between is None:
        return found
    return [line for part in found for line in (part, between)][:-1]


@cache
def attribute_docstrings(item: Any) -> dict[str, str]:
    """Return the texts below the attributes of a class or a module: Python does not keep them."""
    source = dedent(inspect.getsource(item))
    tree = ast.parse(source)
    body = tree.body[0].body if isinstance(item, type) else tree.body  # type: ignore[attr-defined]
    found = {}
    for statement, following in pairwise(body):
        target = getattr(statement, "target", None) or next(
            iter(getattr(statement, "targets", ())), None
        )
        if (
            isinstance(target, ast.Name)
            and isinstance(following, ast.Expr)
            and isinstance(following.value, ast.Constant)
        ):
            found[target.id] = " ".join(inspect.cleandoc(str(following.value.value)).split())
    return found


def value_in_words(rule: dict[str, Any]) -> str:
    """Return what a JSON Schema allows, in a few words."""
    if "enum" in rule:
        return " or ".join(f"`{value}`" for value in rule["enum"])
    kinds = rule.get("type", "any JSON value")
    words = {"string": "text", "integer": "whole number", "array": "list"}
    named = [words.get(kind, kind) for kind in ([kinds] if isinstance(kinds, str) else kinds)]
    text = " or ".join(named)
    if "array" in kinds and "type" in rule.get("items", {}):
        text += f" of {words.get(rule['items']['type'], rule['items']['type'])}s"
    if rule.get("minLength"):
        text += ", not empty"
    if rule.get("minimum", -1) >= 0:
        text += f", at least {rule['minimum']}"
    return text


def type_in_words(kind: Any) -> str:
    if isinstance(kind, sa.types.TypeDecorator):
        return "time, in UTC"
    if isinstance(kind, sa.Text):
        return "text"
    if isinstance(kind, sa.String):
        return f"text, at most {kind.length} characters"
    for sort, words in {
        sa.BigInteger: "whole number, 64 bits",
        sa.Integer: "whole number",
        sa.Uuid: "UUID",
        sa.JSON: "JSON (JSONB on PostgreSQL)",
    }.items():
        if isinstance(kind, sort):
            return words
    raise TypeError(f"no words for {kind!r}")


def document(**options: object) -> dict[str, Any]:
    """Return the OpenAPI document of a host."""
    app = Flask("reference")
    app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite://"
    tcs_events.db.init_app(app)
    app.register_blueprint(tcs_events.create_blueprint(**options))
    with capture_logs():  # the first request logs that there are no tables
        answered: dict[str, Any] = app.test_client().get("/api/events/openapi.json").json
    return answered


PARTS: dict[str, Callable[[], Iterable[str]]] = {
    "settings": settings,
    "event types": event_types,
    "routes": routes,
    "commands": commands,
    "columns": columns,
    "python": python,
}


def rewritten(text: str) -> str:
    """Return a page with its parts made anew."""

    def made(found: re.Match[str]) -> str:
        part = "\n".join(PARTS[found["name"]]()).strip("\n")
        return f"{found[1]}\n{part}\n\n{found[3]}"

    return PART.sub(made, text)


def main() -> int:
    for path in sorted(PAGES.glob("*.md")):
        text = path.read_text()
        if (new := rewritten(text)) != text:
            path.write_text(new)
            sys.stdout.write(f"{path.name} is new\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
