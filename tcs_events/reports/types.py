"""The event types there are."""

from __future__ import annotations

from tcs_events.counts.events import event_types
from tcs_events.reports.reading import Reading


def known_types(reading: Reading) -> list[str]:
    """Return the accepted event types in their order, then those that are only stored, by name.

    Raises:
        TableMissing: the database has not all of our tables.
        sqlalchemy.exc.DBAPIError: the database does not answer.
    """
    accepted = reading.settings.event_types
    with reading.events() as connection:
        stored = event_types(connection)
    return [*accepted, *sorted(name for name in stored if name not in accepted)]
