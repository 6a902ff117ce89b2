"""Answers saved funnels over days from the courses that are kept of them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import Connection

from tcs_events.counts import tables
from tcs_events.counts.agreement import Configuration
from tcs_events.counts.kept_courses import KeptFunnel, find_kept, kept_seconds
from tcs_events.errors import NotCounted, QuestionTimeout
from tcs_events.reports import sampling
from tcs_events.reports.reading import Reading
from tcs_events.reports.stored_courses import CourseQuestion
from tcs_events.reports.who import is_of


def read_kept(
    reading: Reading, question: CourseQuestion, add: Callable[[list[float]], None]
) -> datetime | None:
    """Read the courses that are kept, and return the time up to which they are complete.

    None if these do not answer the question, or cannot be read in time: then `add` may have been
    called in vain.

    Args:
        reading: where the counts are.
        question: what is asked.
        add: is called for each visitor with the seconds from the first step to each other step.
    """
    if question.per != "visitor" or question.break_down is not None:
        return None
    with reading.events() as connection:  # counts are not refreshed in vain
        if _find(connection, reading, question) is None:
            return None
    try:
        with reading.counts(share=sampling.EXACT_SHARE) as connection:
            funnel = _find(connection, reading, question)
            if funnel is None:
                return None
            conditions = []
            if question.who is not None:
                session_id = tables.courses.c.session_id
                conditions.append(is_of(connection, question.who, question.period, session_id))
            first, last = question.period.first, question.period.last
            for seconds in kept_seconds(connection, funnel, first, last, *conditions):
                add(seconds)
            return connection.scalar(sa.select(tables.state.c.refreshed_at))
    except (NotCounted, QuestionTimeout):
        return None


def _find(connection: Connection, reading: Reading, question: CourseQuestion) -> KeptFunnel | None:
    """Return the funnel if it is kept for the whole period, by our rules and in our time zone."""
    funnel = find_kept(connection, question.steps, question.within)
    if funnel is None or funnel.counted_from is None:
        return None
    state = tables.state.c
    row = connection.execute(sa.select(state.version, state.zone)).one_or_none()
    is_ours = row is not None and Configuration(*row) == reading.refresher.configuration
    return funnel if is_ours and funnel.counted_from <= question.period.first else None
