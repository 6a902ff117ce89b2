"""The schema that our tables are in: that of the host's tables, or the one that a setting names.

`UserEvent` and our other classes name no schema, because they serve apps with different schemas.
Each engine has a dialect of its own, which writes the names of tables into the statements that it
compiles. So the dialect of the host's engine adds the schema to our tables, in our statements and
in those of the host's session.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from sqlalchemy import Connection, Engine, MetaData, Table, inspect

from tcs_events.models import own_metadata

SchemaOf = Callable[[Any], str | None]
_PLACED = "_tcs_events_schema"


def place_tables(engine: Engine, schema: str | None) -> None:
    """Have an engine look for our tables in a schema. None leaves it as it is.

    A `schema_translate_map` of the host applies to this schema as to those of its own tables.
    """
    preparer: Any = engine.dialect.identifier_preparer
    if schema is None or getattr(preparer, _PLACED, None) == schema:
        return
    setattr(preparer, _PLACED, schema)
    placed = Table("placed", MetaData(), schema=schema)
    translate = preparer._with_schema_translate

    def with_schema_translate(map_: Any) -> Any:
        translated = translate(map_)
        translated.schema_for_object = _placed_like(placed, translated.schema_for_object)
        return translated

    preparer.schema_for_object = _placed_like(placed, preparer.schema_for_object)
    preparer._with_schema_translate = with_schema_translate


def _placed_like(placed: Table, schema_of: SchemaOf) -> SchemaOf:
    """Return a function that gives our tables the schema of `placed`, and others their own."""

    def schema_for_object(item: Any) -> str | None:
        is_ours = getattr(item, "metadata", None) is own_metadata
        return schema_of(placed if is_ours else item)

    return schema_for_object


def schema_of(bind: Engine | Connection, table: Table) -> str | None:
    """Return the schema in which a table of ours is in this database. None is the default one."""
    preparer: Any = bind.dialect.identifier_preparer
    schema: str | None = preparer.schema_for_object(table)
    translated = bind.get_execution_options().get("schema_translate_map") or {}
    translated_schema: str | None = translated.get(schema, schema)
    return translated_schema


def in_its_schema(bind: Engine | Connection, table: Table) -> Table:
    """Return the table under the schema that it has in this database.

    For statements that are written or compiled without SQLAlchemy's help.
    """
    schema = schema_of(bind, table)
    if schema == table.schema:
        return table
    return table.to_metadata(MetaData(), schema=schema)  # type: ignore[arg-type]


def full_name(bind: Engine | Connection, table: Table) -> str:
    """Return the table's name as statements have it: with its schema, and quoted if necessary."""
    return bind.dialect.identifier_preparer.format_table(in_its_schema(bind, table))


def has_table(bind: Engine | Connection, table: Table) -> bool:
    """Return whether the database has this table.

    The settings do not tell. A feature that is on may lack its table until the next migration. One
    that was turned off, or is on in another app, has left its rows in the database.
    """
    return inspect(bind).has_table(table.name, schema_of(bind, table))


def missing_tables(bind: Engine | Connection, tables: Iterable[Table]) -> list[str]:
    """Return the full names of the tables that the database lacks. One query for each schema."""
    inspector = inspect(bind)
    there: dict[str | None, set[str]] = {}
    missing = []
    for table in tables:
        schema = schema_of(bind, table)
        if schema not in there:
            there[schema] = set(inspector.get_table_names(schema))
        if table.name not in there[schema]:
            missing.append(full_name(bind, table))
    return missing
