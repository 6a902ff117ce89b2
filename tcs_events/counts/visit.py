"""Counts the events of one day, visit by visit. Events are not kept in memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from tcs_events.counts.days import Day
from tcs_events.counts.demand import QueriesOfVisit
from tcs_events.counts.exposure import ItemsOfVisit
from tcs_events.counts.facts import ALL_TYPES, Also, Facts, Seen
from tcs_events.counts.properties import NOTHING_DECLARED, DeclaredProperties
from tcs_events.counts.uses import UsesOfVisit
from tcs_events.event_types.roles import Click, FilterChange, Impression, Roles, Search, values_of


def count_day(
    day: Day,
    sessions: Iterable[tuple[str, Iterable[Seen]]],
    also: Also,
    roles: Roles,
    declared: DeclaredProperties = NOTHING_DECLARED,
) -> Facts:
    """Return the counts of a day. The time it takes is proportional to the number of events.

    Args:
        day: the day whose events count.
        sessions: the id and the events of each session, oldest first. Events of `LOOK_AHEAD` after
            the day must be included: they tell how the day's queries ended. Events may come from an
            iterator: each is read once.
        also: a second counter that gets the events of each visit.
        roles: what the event types mean.
        declared: the properties of event types that are counted, too.
    """
    facts = Facts()
    for session_id, session in sessions:
        count_session(facts, day, session_id, session, also, roles, declared)
    return facts


def count_session(
    facts: Facts,
    day: Day,
    session_id: str,
    session: Iterable[Seen],
    also: Also,
    roles: Roles,
    declared: DeclaredProperties = NOTHING_DECLARED,
) -> None:
    """Add one session to the facts of a day. The arguments are those of `count_day`."""
    visit = Visit(day, session_id, roles)
    visit_events = visit.events(session)
    if declared:
        visit_events = facts.properties.counted(visit_events, declared, roles)
    also.count(visit_events)
    for _ in visit_events:
        pass  # read the events that `also` has not read
    visit.add_to(facts)


class Visit:
    """Counts the events of one session on one day."""

    def __init__(self, day: Day, session_id: str, roles: Roles) -> None:
        self._day = day
        self._session_id = session_id
        self._roles = roles
        self._hours: Counter[tuple[datetime, str]] = Counter()
        self._queries = QueriesOfVisit()
        self._items = ItemsOfVisit()
        self._uses = UsesOfVisit()

    def events(self, session: Iterable[Seen]) -> Iterator[Seen]:
        """Count the session's events, and yield those of the day."""
        start, end = self._day.start, self._day.end
        for event in session:
            if event.at >= end:
                self._follow(event)
            elif event.at >= start:
                self._count(event)
                yield event

    def add_to(self, facts: Facts) -> None:
        """Add the visit to the facts of the day, unless it has no events on the day."""
        if not self._hours:
            return
        self._add_activity(facts)
        self._queries.add_to(facts)
        self._items.add_to(facts)
        self._uses.add_to(facts)

    def _count(self, event: Seen) -> None:
        event_type, payload, at = event
        self._hours[_start_of_hour(at, self._day.zone), event_type] += 1
        role = self._roles.get(event_type)
        if role is None:
            return
        values = values_of(role, payload)
        match role:
            case Search():
                self._queries.ask(values, at)
                self._items.returned(values["item_ids"])
            case Click():
                self._queries.click(at)
                item = self._items.clicked(values["item"])
                self._uses.click(item, values["context"])
            case Impression():
                self._items.seen(values["item"])
            case FilterChange():
                self._uses.filter_change(values)

    def _follow(self, event: Seen) -> None:
        """Note an event after the day, which only tells how the day's queries ended."""
        match self._roles.get(event.event_type):
            case Search() as role:
                self._queries.ask_later(values_of(role, event.payload), event.at)
            case Click():
                self._queries.click(event.at)

    def _add_activity(self, facts: Facts) -> None:
        activity: Counter[tuple[datetime | None, str]] = Counter()
        for (hour, event_type), events in self._hours.items():
            for row_key in ((hour, event_type), (hour, ALL_TYPES), (None, event_type)):
                activity[row_key] += events
            facts.visits.add((self._session_id, event_type))
            facts.events += events
            activity[None, ALL_TYPES] += events
        for key, events in activity.items():
            use = facts.activity[key]
            use.events += events
            use.sessions += 1


def _start_of_hour(at: datetime, zone: ZoneInfo) -> datetime:
    """Return when the local hour began, in UTC. If the clocks are set back, an hour comes twice."""
    # Set the minute of the local time to 0. Subtracting the minutes would be wrong on Lord Howe
    # Island, where clocks change by half an hour.
    local = at.astimezone(zone)
    return local.replace(minute=0, second=0, microsecond=0).astimezone(UTC)
