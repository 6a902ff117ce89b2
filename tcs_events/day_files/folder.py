"""The folder with the files: a folder for each day and version, with a list of what is in it.

A day's folder gets its name once all that is in it is on the disk. Until then its name begins with
a dot. One process at a time writes a day or removes any, so a day that is removed is not written at
the same time. Between two days of a writer, another process may remove.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import astuple, dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from tcs_events.day_files.columns import Kinds
from tcs_events.export.new_file import sync

try:
    import fcntl
except ImportError:  # on Windows: `TCS_EVENTS_DAY_FILES` is refused there
    fcntl = None  # type: ignore[assignment]

LIST_NAME = "files.json"
PART_SUFFIX = ".part"
WRITER_LOCK, LOCK, TURN_LOCK = ".writer.lock", ".lock", ".turn.lock"
MAX_LISTED = 1_000
"""Of how many days a process remembers the files."""


class DayVersion(NamedTuple):
    """A day, and the version of it that its files have."""

    day: date
    version: int

    @property
    def folder_name(self) -> str:
        return f"{self.day}.{self.version:016x}"


@dataclass(frozen=True, slots=True)
class DayFile:
    """A file with events of one type on one day."""

    path: str
    events: int
    is_whole: bool
    """Whether every property of these events has columns."""
    properties: Mapping[str, Kinds]
    """The properties that have columns."""


class DayFolder:
    """The folder of `TCS_EVENTS_DAY_FILES`. It is made when the first day is written."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._listed: dict[DayVersion, Mapping[str, list[DayFile]]] = {}

    def days(self) -> set[DayVersion]:
        """Return the days that are complete in the folder, whether or not they are old by now."""
        return {found for _, found in self._entries() if found is not None}

    def files(self, day: DayVersion) -> Mapping[str, list[DayFile]] | None:
        """Return the files of a day by the event type. None if they are not there."""
        if day not in self._listed:
            if len(self._listed) >= MAX_LISTED:
                self._listed.clear()
            folder = self.path / day.folder_name
            try:
                found = json.loads((folder / LIST_NAME).read_text(encoding="ascii"))
            except (OSError, ValueError):
                return None
            self._listed[day] = {
                event_type: [_file(folder, file) for file in files]
                for event_type, files in found.items()
            }
        return self._listed[day]

    @contextmanager
    def writing(self) -> Iterator[bool]:
        """Keep other processes from writing days. Gives False if another one does so now.

        Raises:
            OSError: the folder cannot be made, or not written.
        """
        with self._file(WRITER_LOCK) as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
            else:
                yield True  # closing the file gives the lock back, and so does a kill

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Wait until no other process changes the folder, then keep others from it; they may read.

        Raises:
            OSError: the folder cannot be made, or not written.
        """
        with self._file(LOCK) as file:
            # Whoever waits holds the turn. Otherwise a writer could take the lock for its next day
            # before the system has woken a process that waits to remove one.
            with self._file(TURN_LOCK) as turn:
                fcntl.flock(turn, fcntl.LOCK_EX)
                fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _file(self, name: str) -> BinaryIO:
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        return open(self.path / name, "ab")

    @contextmanager
    def new_day(self, day: DayVersion) -> Iterator[Path]:
        """Give a folder for the files of a day. Call `publish` in the block. Needs the lock."""
        part = self.path / f".{day.folder_name}{PART_SUFFIX}"
        shutil.rmtree(part, ignore_errors=True)  # of a process that was killed
        part.mkdir(mode=0o700)
        try:
            yield part
        finally:
            shutil.rmtree(part, ignore_errors=True)

    def publish(self, part: Path, day: DayVersion, files: Mapping[str, list[DayFile]]) -> None:
        """Give the folder of a day its name, once everything is on the disk. Needs the lock."""
        found = {
            event_type: [
                {
                    "name": Path(file.path).name,
                    "events": file.events,
                    "is_whole": file.is_whole,
                    "properties": {name: astuple(each) for name, each in file.properties.items()},
                }
                for file in day_files
            ]
            for event_type, day_files in files.items()
        }
        (part / LIST_NAME).write_text(json.dumps(found), encoding="ascii")
        for path in part.iterdir():
            sync(path)
        sync(part)
        target = self.path / day.folder_name
        shutil.rmtree(target, ignore_errors=True)  # it lacks its list, or it would not be written
        os.replace(part, target)
        sync(self.path)

    def remove_except(self, valid: set[DayVersion]) -> None:
        """Remove all days but these, and what killed processes have left. Needs the lock.

        Raises:
            OSError: something could not be removed.
        """
        for path, day in self._entries():
            if day not in valid:
                shutil.rmtree(path)
        self._listed = {day: files for day, files in self._listed.items() if day in valid}

    def size(self) -> int:
        """Return the bytes of all files."""
        sizes = 0
        for path in self.path.rglob("*"):
            with suppress(OSError):
                sizes += path.stat().st_size if path.is_file() else 0
        return sizes

    def _entries(self) -> list[tuple[Path, DayVersion | None]]:
        """Return what is ours in the folder, with the day that it holds; None if incomplete."""
        try:
            names = [entry.name for entry in os.scandir(self.path)]
        except FileNotFoundError:
            return []
        entries: list[tuple[Path, DayVersion | None]] = []
        for name in names:
            plain = name.removeprefix(".").removesuffix(PART_SUFFIX)
            if (day := _read_name(plain)) is not None:
                entries.append((self.path / name, day if plain == name else None))
        return entries


def _read_name(name: str) -> DayVersion | None:
    day, _, version = name.partition(".")
    try:
        found = DayVersion(date.fromisoformat(day), int(version, 16))
    except ValueError:
        return None  # not ours: left as it is
    return found if found.folder_name == name else None


def _file(folder: Path, file: dict[str, Any]) -> DayFile:
    properties = {name: _kinds(*kinds) for name, kinds in file["properties"].items()}
    return DayFile(str(folder / file["name"]), file["events"], file["is_whole"], properties)


@cache  # there are few, and each property of each file has one
def _kinds(*kinds: bool) -> Kinds:
    return Kinds(*kinds)
