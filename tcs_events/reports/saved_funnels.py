"""Funnels that are saved by name, to be asked again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from sqlalchemy import Connection

from tcs_events.counts.steps import Step, definition_of, steps_of
from tcs_events.counts.tables import SAVED_NAME_MAX_LENGTH
from tcs_events.counts.tables import saved_funnels as table
from tcs_events.reports.over_days import Per, text_of_within, time_allowed
from tcs_events.reports.reading import Reading

MAX_SAVED = 100
"""The most funnels that are saved: the page lists them all."""


@dataclass(frozen=True, slots=True)
class SavedFunnel:
    """A funnel that is saved by name: the arguments of `funnel`, but no period."""

    name: str
    steps: Sequence[Step]
    within: str | None
    """The time allowed, such as `7d`; None for visits."""
    per: Per
    break_down: str | None


def save_funnel(  # noqa: D417 - `Reports` passes itself
    reading: Reading,
    name: str,
    steps: Sequence[Step],
    within: str | timedelta | None = None,
    per: Per = "visitor",
    break_down: str | None = None,
) -> SavedFunnel:
    """Save a funnel by name. The page of the funnel and its command then have it, too.

    Args:
        name: 1 to 100 printable characters. A funnel that has the name already is replaced.
        steps: as of `funnel`, and so are the others.

    Raises:
        ValueError: an argument is not allowed; or 100 funnels are saved already.
        sqlalchemy.exc.DBAPIError: the database takes no writes.
    """
    if not name.isprintable() or name != name.strip() or not 0 < len(name) <= SAVED_NAME_MAX_LENGTH:
        raise ValueError(
            f"{name!r} is not a name for a funnel: use 1 to {SAVED_NAME_MAX_LENGTH} printable"
            " characters, without spaces around them"
        )
    if not steps:
        raise ValueError("a funnel has at least one step")
    time = time_allowed(within, per, break_down)
    text = text_of_within(time) if time else None
    funnel = SavedFunnel(name, tuple(steps), text, per, break_down)
    try:
        _store(reading, funnel)
    except sa.exc.IntegrityError:
        _store(reading, funnel)  # another process has saved this name just now: replace its funnel
    return funnel


def saved_funnels(reading: Reading) -> list[SavedFunnel]:
    """Return the saved funnels, ordered by name."""
    with reading.events() as connection:
        return _read(connection)


def delete_funnel(reading: Reading, name: str) -> bool:
    """Delete a saved funnel. Returns whether there was one of this name.

    Raises:
        sqlalchemy.exc.DBAPIError: the database takes no writes.
    """
    with reading.engine.begin() as connection:
        return connection.execute(table.delete().where(table.c.name == name)).rowcount > 0


def _store(reading: Reading, funnel: SavedFunnel) -> None:
    definition = json.dumps(
        {
            "steps": json.loads(definition_of(funnel.steps)),
            "within": funnel.within,
            "per": funnel.per,
            "break_down": funnel.break_down,
        }
    )
    values = {"definition": definition, "saved_at": datetime.now(UTC)}
    with reading.engine.begin() as connection:
        # Whether a row was found, and not whether it was changed, which is what MariaDB tells.
        found = connection.scalar(sa.select(table.c.id).where(table.c.name == funnel.name))
        if found is not None:
            connection.execute(table.update().where(table.c.id == found).values(**values))
            return
        if (connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0) >= MAX_SAVED:
            raise ValueError(f"{MAX_SAVED} funnels are saved already: delete one first")
        connection.execute(table.insert().values(name=funnel.name, **values))


def _read(connection: Connection) -> list[SavedFunnel]:
    rows = connection.execute(sa.select(table.c.name, table.c.definition)).all()
    return [_funnel(name, definition) for name, definition in sorted(map(tuple, rows))]


def _funnel(name: str, definition: str) -> SavedFunnel:
    read = json.loads(definition)
    steps = steps_of(json.dumps(read["steps"]))
    return SavedFunnel(name, steps, read["within"], read["per"], read["break_down"])
