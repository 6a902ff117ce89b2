"""Counts a day, visit by visit: what one session did on it, event by event. No event is kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from tcs_events.counts.days import Day
from tcs_events.counts.demand import QueriesOfVisit
from tcs_events.counts.exposure import ExpertsOfVisit
from tcs_events.counts.facts import ALL_TYPES, Also, Facts, Seen
from tcs_events.counts.uses import UsesOfVisit


def count_day(day: Day, sessions: Iterable[tuple[str, Iterable[Seen]]], also: Also) -> Facts:
    """Count a day, in time that grows with the number of its events, whoever sent them.

    Args:
        day: which events count: those that happened in it.
        sessions: the id and the events of each session, oldest first, those of `LOOK_AHEAD` after
            the day included: they only tell how its queries ended. The events of a session may
            come from an iterator: each is looked at once, and not kept.
        also: is given each session, too.
    """
    facts = Facts()
    for session_id, session in sessions:
        visit = Visit(day, session_id)
        within = visit.events(session)
        also.count(within)
        for _ in within:
            pass  # whatever `also` has left over
        visit.add_to(facts)
    return facts


class Visit:
    """Counts the events of one session on one day."""

    def __init__(self, day: Day, session_id: str) -> None:
        self._day = day
        self._session_id = session_id
        self._hours: Counter[tuple[datetime, str]] = Counter()
        self._queries = QueriesOfVisit()
        self._experts = ExpertsOfVisit()
        self._uses = UsesOfVisit()

    def events(self, session: Iterable[Seen]) -> Iterator[Seen]:
        """Give the events of the day, each counted by then; take in those that follow the day."""
        start, end = self._day.start, self._day.end
        for seen in session:
            if seen.at >= end:
                self._follow(seen)
            elif seen.at >= start:
                self._count(seen)
                yield seen

    def add_to(self, facts: Facts) -> None:
        """Add what was counted to the facts of the day; nothing where no event was of the day."""
        if not self._hours:
            return
        self._add_activity(facts)
        self._queries.add_to(facts)
        self._experts.add_to(facts)
        self._uses.add_to(facts)

    def _count(self, seen: Seen) -> None:
        event_type, payload, at = seen
        self._hours[_start_of_hour(at, self._day.zone), event_type] += 1
        if event_type == "sage_query":
            self._queries.ask(payload, at)
            self._experts.returned(payload.get("expert_ids"))
        elif event_type == "card_click":
            self._queries.click(at)
            expert = self._experts.clicked(payload.get("expert_id"))
            self._uses.click(expert, payload.get("context"))
        elif event_type == "card_impression":
            self._experts.seen(payload.get("expert_id"))
        elif event_type == "filter_change":
            self._uses.filter_change(payload)

    def _follow(self, seen: Seen) -> None:
        """Take in what happened after the day: it only tells how the queries of the day ended."""
        if seen.event_type == "sage_query":
            self._queries.ask_later(seen.payload, seen.at)
        elif seen.event_type == "card_click":
            self._queries.click(seen.at)

    def _add_activity(self, facts: Facts) -> None:
        places: Counter[tuple[datetime | None, str]] = Counter()
        for (hour, event_type), events in self._hours.items():
            for place in ((hour, event_type), (hour, ALL_TYPES), (None, event_type)):
                places[place] += events
            facts.visits.add((self._session_id, event_type))
            facts.events += events
            places[None, ALL_TYPES] += events
        for key, events in places.items():
            use = facts.activity[key]
            use.events += events
            use.sessions += 1


def _start_of_hour(at: datetime, zone: ZoneInfo) -> datetime:
    """Return when the hour on the local clock began; where clocks are set back it comes twice."""
    # On the clock, not by counting the minutes back: Lord Howe sets its clocks by half an hour.
    local = at.astimezone(zone)
    return local.replace(minute=0, second=0, microsecond=0).astimezone(UTC)
