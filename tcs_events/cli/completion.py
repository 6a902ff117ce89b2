"""What the shell completes: event types and their properties, as the host's code declares them.

No database is asked: somebody waits for the answer with a finger on the tab key.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import click
from click.shell_completion import CompletionItem
from marshmallow import Schema, fields

from tcs_events.cli.worded import host_event_types
from tcs_events.event_types.event_type import EventType
from tcs_events.event_types.roles import fields_of

MAX_NESTING = 3
"""How deep objects within objects are followed. A schema may contain itself."""


def complete_type(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Return the accepted event types that begin so."""
    return [
        CompletionItem(name, help=event_type.help or None)
        for name, event_type in host_event_types(context).items()
        if name.startswith(incomplete)
    ]


def complete_property(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Return the properties that begin so: of the type on the command line, else of all types."""
    types = host_event_types(context)
    # Click has not read the arguments, because the last option has no value yet.
    given = [context.params.get("event_type"), *context.args]
    named = [types[text] for text in given if text in types]
    names = [name for each in named or types.values() for name in properties_of(each)]
    return _starting_with(incomplete, dict.fromkeys(names))


def complete_step(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Return the event types that begin so, and after `type[` its properties."""
    name, bracket, _ = incomplete.partition("[")
    if not bracket:
        return complete_type(context, parameter, incomplete)
    event_type = host_event_types(context).get(name)
    properties = properties_of(event_type) if event_type is not None else ()
    return _starting_with(incomplete, (f"{name}[{each}" for each in properties))


def properties_of(event_type: EventType) -> Iterator[str]:
    """Yield the properties that are known from the declaration of a type, such as `room.city`.

    A type without a schema has those that its role and its options name.
    """
    if event_type.schema is not None:
        yield from _stored(event_type.schema(), MAX_NESTING)
    else:
        role = fields_of(event_type.role).values() if event_type.role else ()
        yield from dict.fromkeys([*role, *event_type.break_down, *event_type.add_up])


def _stored(schema: Schema, nesting: int) -> Iterator[str]:
    for own_name, each in schema.dump_fields.items():
        name = each.data_key or own_name
        if isinstance(each, fields.Nested) and not each.many and nesting:
            yield from (f"{name}.{inner}" for inner in _stored(each.schema, nesting - 1))
        else:
            yield name


def _starting_with(incomplete: str, names: Iterable[str]) -> list[CompletionItem]:
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]
