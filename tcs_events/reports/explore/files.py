"""Reads closed days from their files, and all other days from the database, into one answer."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path

from sqlalchemy import Connection

from tcs_events.counts.days import runs
from tcs_events.counts.time_limit import time_of
from tcs_events.counts.versions import versions
from tcs_events.day_files.duck import NotAnswered, asking
from tcs_events.day_files.folder import DayFile, DayFolder, DayVersion
from tcs_events.errors import NotCounted, QuestionTimeout
from tcs_events.reports.explore.file_answer import tally_of
from tcs_events.reports.explore.file_events import NOTHING, FileEvents
from tcs_events.reports.explore.question import Question
from tcs_events.reports.explore.rows import DatabaseRows
from tcs_events.reports.explore.source import Source, Tally
from tcs_events.reports.period import Period
from tcs_events.reports.reading import Reading
from tcs_events.reports.sampling import EXACT_SHARE, counted_events
from tcs_events.watch.log import log
from tcs_events.watch.log_lines import log_lines


def source_of(reading: Reading) -> Source:
    """Return where the events of a question are read: with the files of days, if there are any."""
    rows, path = DatabaseRows(reading), reading.settings.day_files
    return rows if path is None else FilesAndRows(reading, _folder_at(path), rows)


@cache  # it remembers what is in the files
def _folder_at(path: Path) -> DayFolder:
    return DayFolder(path)


@dataclass(frozen=True)
class FilesAndRows:
    """Files of closed days as a source, and the database for the other days."""

    reading: Reading
    folder: DayFolder
    rows: DatabaseRows
    """The source if the files do not answer, or take too long."""

    def tally(self, question: Question, period: Period) -> Tally:
        """Return what `Source.tally` says.

        Raises:
            NotCounted: as for `DatabaseRows.tally`.
            QuestionTimeout: there was not even time for a sample.
        """
        try:
            with self.reading.counts(share=EXACT_SHARE) as connection:
                chosen = self._chosen(connection, question, period)
                if chosen and not self._has_too_many_rows(connection, question, period, chosen):
                    with asking(self.folder.path, time_of(connection)) as duck:
                        events = FileEvents(
                            duck, connection, self.reading, question, period, chosen
                        )
                        events.prepare()
                        return tally_of(duck, connection, events, question, period)
        except (QuestionTimeout, NotCounted):
            pass  # the database makes an estimate, or says the same
        except NotAnswered as error:
            if log_lines.allows("day_files_not_read", per_second=1):
                log.warning("tcs_events.day_files_not_read", reason=type(error.__cause__).__name__)
        return self.rows.tally(question, period)

    def _has_too_many_rows(
        self, connection: Connection, question: Question, period: Period, chosen: Collection[date]
    ) -> bool:
        """Return whether the days without a file have more events than may be read."""
        if self.reading.most_events is None:
            return False
        without = [day for day in period.dates() if day not in chosen]
        return self.reading.most_events < sum(
            counted_events(connection, [question.event_type], Period(first, last))
            for first, last in runs(without)
        )

    def _chosen(
        self, connection: Connection, question: Question, period: Period
    ) -> dict[date, list[DayFile]]:
        """Return the days whose files answer the question, with the files of its event type."""
        chosen = {}
        for day, version in versions(connection, self.reading.zone).items():
            if not period.first <= day <= period.last:
                continue
            types = self.folder.files(DayVersion(day, version))
            if types is not None:
                files = types.get(question.event_type, [])
                if all(_answers(file, question) for file in files):
                    chosen[day] = files
        return chosen


def _answers(file: DayFile, question: Question) -> bool:
    """Return whether a file has columns for the question, and no numbers that are not in them."""
    compared = {condition.field for condition in question.where} | {question.measure.field}
    return all(
        name is None or name in file.properties or file.is_whole
        for name in {question.by, *compared}
    ) and not any(file.properties.get(name or "", NOTHING).has_huge for name in compared)
