"""Checks the folder in which closed days are kept as files."""

from __future__ import annotations

import os

from tcs_events.cli.day_files import size_in_words
from tcs_events.cli.doctor.finding import HINT, Finding
from tcs_events.day_files.keeping import DayKeeper


def day_file_findings(keeper: DayKeeper | None) -> list[Finding]:
    """Check that files can be written, and that no day lacks them. No findings without the setting.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: the database does not answer.
    """
    if keeper is None:
        return []
    path = keeper.folder.path
    what = f"files of days in {path}"
    existing = next(parent for parent in (path, *path.parents) if parent.exists())
    if not existing.is_dir() or not os.access(existing, os.R_OK | os.W_OK | os.X_OK):
        remedy = "this user cannot write there, so explore reads the events from the database"
        return [Finding(what, HINT, f"{remedy}; let the user of the worker and of the app write")]
    days, missing = len(keeper.days()), len(keeper.days_without_files())
    what += f": {days:,} day{'s' * (days != 1)}, {size_in_words(keeper.folder.size())}"
    if missing:
        remedy = f"{missing:,} day{'s have' if missing != 1 else ' has'} no files yet"
        remedy += "; run `flask tcs-events worker`, or `flask tcs-events day-files` every night"
        return [Finding(what, HINT, remedy)]
    return [Finding(what)]
