"""What visitors did before and after an event."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from tcs_events.dashboard.asked import Asked, BadParameter
from tcs_events.dashboard.filters import Kind
from tcs_events.dashboard.page import FIRST_ROWS, RAW_MAX_DAYS, Answers, Page
from tcs_events.dashboard.table import MAX_ROWS, Table
from tcs_events.errors import UnknownEventType
from tcs_events.reports import Path, Paths
from tcs_events.reports.paths import DEFAULT_DEPTH, END, MAX_DEPTH, PATH_COLUMNS, START, Direction
from tcs_events.reports.types import known_types

DIRECTIONS: tuple[Direction, ...] = ("after", "before")
COLLAPSE = ("no", "yes")
KEEPS = ("direction", "depth", "collapse")
FILTERS: tuple[Kind, ...] = ("type", "where", "who")
NEXT_TYPES = 6
"""The most event types that the tree shows after each other one."""


def event_type_of(asked: Asked) -> str:
    """Return the event type in the URL, or the first one of the default funnel."""
    default = asked.reports.refresher.meaning.default_funnel[0].event_type
    return asked.filters.type_of_conditions or default


def depth_of(asked: Asked) -> int:
    """Return how many events each path has at most."""
    return asked.number("depth", DEFAULT_DEPTH, MAX_DEPTH)


def _ask(asked: Asked, limit: int) -> Paths:
    event_type = event_type_of(asked)
    try:
        return asked.reports.paths(
            asked.period,
            event_type,
            asked.choice("direction", DIRECTIONS),
            depth_of(asked),
            where=asked.filters.where,
            who=asked.filters.who,
            collapse=asked.choice("collapse", COLLAPSE) == "yes",
            limit=limit,
        )
    except UnknownEventType:
        raise
    except ValueError:
        raise BadParameter(f"“{event_type}” cannot be an event type.") from None


def _rows(asked: Asked, limit: int) -> list[Path]:
    return _ask(asked, limit).rows


table = Table(
    "paths",
    "Paths",
    "Visits by what they did next to their first event of the type. A visit is a visitor's day.",
    PATH_COLUMNS,
    _rows,
    keeps=KEEPS,
    filters=FILTERS,
)


def answer(asked: Asked, limit: int) -> Answers:
    """Return the paths of the most visits. `tree` is what the page draws, from all paths."""
    every = _ask(asked, MAX_ROWS)
    found, direction = every.first(limit), asked.choice("direction", DIRECTIONS)
    return {
        "event_type": event_type_of(asked),
        "direction": direction,
        "depth": depth_of(asked),
        "visits": found.visits,
        "paths": found.rows,
        "other_visits": found.other_visits,
        "tree": list(tree(every, direction, depth_of(asked))),
        "notices": found.notices,
        "is_estimate": found.is_estimate,
        "sampled": found.sampled,
    }


@dataclass(frozen=True, slots=True)
class Branch:
    """A line of the tree: an event type, and how many visits came to it this way."""

    level: int
    """1 is next to the event that was asked about, 2 is next to the line of level 1 above it."""
    event_type: str | None
    """None for the end or the start of the visit, and for the other types together."""
    text: str
    sessions: int


def tree(paths: Paths, direction: Direction, depth: int) -> Iterator[Branch]:
    """Yield the lines of the tree, each with those that belong to it below.

    The most visits come first. Of many types after one, all but `NEXT_TYPES` are one line.
    """
    end = END if direction == "after" else START
    walks = [
        ((*(row.path if direction == "after" else reversed(row.path)),), row.visits)
        for row in paths.rows
    ]
    yield from _branches(sorted(walks), 1, depth, end)
    if paths.other_visits:
        yield Branch(1, None, "other paths", paths.other_visits)


Walk = tuple[tuple[str, ...], int]
"""The event types, the nearest one first, and the visits that have just these."""


def _branches(walks: Sequence[Walk], level: int, depth: int, end: str) -> Iterator[Branch]:
    if level > depth:
        return
    parts = [
        (name, sum(sessions for _, sessions in part), part)
        for name, group in groupby(walks, lambda walk: walk[0][:1])
        for part in [list(group)]
    ]
    parts.sort(key=lambda part: (-part[1], part[0]))
    for name, sessions, part in parts[:NEXT_TYPES]:
        if not name:
            yield Branch(level, None, end, sessions)
            continue
        yield Branch(level, name[0], name[0], sessions)
        rest = [(walk[1:], count) for walk, count in part]
        yield from _branches(rest, level + 1, depth, end)
    if others := parts[NEXT_TYPES:]:
        visits = sum(sessions for _, sessions, _ in others)
        yield Branch(level, None, f"{len(others)} more", visits)


def show(asked: Asked, answer: Answers) -> dict[str, Any]:
    """Return what the form has, and the choices that there are."""
    return {
        "directions": DIRECTIONS,
        "depths": range(1, MAX_DEPTH + 1),
        "collapse": asked.choice("collapse", COLLAPSE),
        "event_types": list(dict.fromkeys([*known_types(asked.reports), answer["event_type"]])),
    }


page = Page(
    "paths",
    "Paths",
    "What comes before and after?",
    "What visitors did next to an event, in the same visit.",
    answer,
    show,
    (table,),
    keeps=KEEPS,
    filters=FILTERS,
    event_type=event_type_of,
    max_days=lambda asked: RAW_MAX_DAYS,
    rows=FIRST_ROWS,
    reads_events=lambda asked: asked.filters.who in (None, "known"),
)
