"""Keeps the closed days of a database as files, and removes the files of days that have changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from time import monotonic
from zoneinfo import ZoneInfo

from sqlalchemy import Engine

from tcs_events.counts.clock import Clock, database_time
from tcs_events.counts.days import date_in
from tcs_events.counts.days import day as day_of
from tcs_events.counts.events import event_types, events_between
from tcs_events.counts.versions import give_version, unchanged_days, versions
from tcs_events.day_files.folder import DayFile, DayFolder, DayVersion
from tcs_events.day_files.parquet import write_files
from tcs_events.errors import TcsEventsError

CLOSED_AFTER = timedelta(hours=1)
"""How long after midnight the day before is written. Events just after midnight change it."""
Progress = Callable[[int, int], None]
"""Called with the number of days that are done, and the number of all days to write."""


class FilesLeft(TcsEventsError):
    """Files with deleted events could not be removed."""

    def __init__(self, folder: Path, error: OSError) -> None:
        super().__init__(
            f"The events are deleted, but files in {folder} still have them"
            f" ({error.strerror or type(error).__name__}). No report reads these files. Let this"
            " user write there and run this again, or remove the folder."
        )


@dataclass(frozen=True, slots=True)
class Written:
    """What `DayKeeper.write` has done."""

    days: list[date]
    """The days that were written, the newest first."""
    events: int
    """The number of events in their files."""
    left: int
    """How many days are left to the next time: the time was up, or they changed meanwhile."""


class DayKeeper:
    """Keeps the closed days of one database in a folder of this machine.

    Args:
        engine: the engine of the events' database.
        zone: the time zone of the days.
        path: the folder.
        clock: returns the time in UTC. None means the database's clock.
    """

    def __init__(
        self, engine: Engine, zone: ZoneInfo, path: Path, clock: Clock | None = None
    ) -> None:
        self.folder = DayFolder(path)
        self._engine = engine
        self._zone = zone
        self._clock = clock

    def write(
        self, progress: Progress = lambda done, total: None, until: float | None = None
    ) -> Written | None:
        """Write the counted, closed days that have no files, the newest first.

        Removes the files of days that have changed. Others may remove files after each day. Returns
        None if another process is writing.

        Args:
            progress: called before each day, and at the end.
            until: the `monotonic()` time after which no other day is begun.

        Raises:
            OSError: the folder cannot be written.
        """
        with self.folder.writing() as is_ours:
            if not is_ours:
                return None
            self._remove_old()
            to_write = self.days_without_files()
            written: list[date] = []
            events = 0
            for done, day in enumerate(to_write):
                progress(done, len(to_write))
                if until is not None and monotonic() > until:
                    break
                with self.folder.locked():
                    day_events = self._write_day(day)
                if day_events is not None:
                    written.append(day)
                    events += day_events
            progress(len(to_write), len(to_write))
        return Written(written, events, len(to_write) - len(written))

    def remove_old(self) -> None:
        """Remove the files of all days that have changed, those with deleted events among them.

        Waits for a process that is writing a day, but not for its next days.

        Raises:
            FilesLeft: they could not be removed.
        """
        try:
            if not self.folder.path.exists():
                return
            self._remove_old()
        except OSError as error:
            raise FilesLeft(self.folder.path, error) from error

    def days(self) -> set[DayVersion]:
        """Return the days whose files hold what their events are now."""
        return self._valid() & self.folder.days()

    def _valid(self) -> set[DayVersion]:
        with self._engine.connect() as connection:
            found = versions(connection, self._zone)
        return {DayVersion(*pair) for pair in found.items()}

    def _remove_old(self) -> None:
        with self.folder.locked():
            self.folder.remove_except(self._valid())

    def days_without_files(self) -> list[date]:
        """Return the counted, closed days that have no files of their events, the newest first."""
        has_files = {found.day for found in self.days() if self.folder.files(found) is not None}
        with self._engine.connect() as connection:
            now: datetime = self._clock() if self._clock else database_time(connection)
            days = unchanged_days(connection, date_in(self._zone, now - CLOSED_AFTER))
        return [day for day in days if day not in has_files]

    def _write_day(self, day: date) -> int | None:
        """Write a day, and return the number of its events; None if it has changed meanwhile."""
        with self._engine.begin() as connection:
            version = give_version(connection, self._zone, day)
        if version is None:
            return None
        day_version, bounds = DayVersion(day, version), day_of(day, self._zone)
        with self.folder.new_day(day_version) as part:
            files: dict[str, list[DayFile]] = {}
            with self._engine.connect() as connection:
                for event_type in event_types(connection):
                    with events_between(
                        connection, bounds.start, bounds.end, [event_type]
                    ) as events:
                        prefix = str(part / f"{len(files)}")
                        if found := list(write_files(prefix, day, events)):
                            files[event_type] = found
            if day_version not in self._valid():
                return None
            self.folder.publish(part, day_version, files)
        return sum(file.events for day_files in files.values() for file in day_files)
