"""One day's events, counted. Pure: what goes in is a day and its sessions, what comes out is rows.

Whatever is counted is counted in sessions, each once a day, so that days add up. Payloads are
free-form, so that nothing is certain to be there: an event that does not say what a count is about
is left out of that count.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, Protocol
from zoneinfo import ZoneInfo

from tcs_events.rollups.days import Day
from tcs_events.rollups.tables import NAME_MAX_LENGTH
from tcs_events.rollups.text import normalise

CLICK_WITHIN = timedelta(minutes=5)
"""A click this long after a query is taken as an answer to it."""
REFORMULATED_WITHIN = timedelta(seconds=60)
"""Another query this soon means that the first one was not understood."""
LOOK_AHEAD = max(CLICK_WITHIN, REFORMULATED_WITHIN)
"""What happens this long after the end of a day still says how its queries ended."""

ALL_TYPES = ""
OFF: tuple[object, ...] = (None, "", [])
"""The values of a filter that is off."""


class Seen(NamedTuple):
    """An event as a report sees it."""

    event_type: str
    payload: dict[str, Any]
    at: datetime


@dataclass(slots=True)
class Demand:
    """What became of a query, in sessions. The counts after `sessions` may overlap."""

    sample: str
    """One of the raw texts."""
    sessions: int = 0
    """Sessions that asked it."""
    no_result: int = 0
    """Sessions that were shown nothing at least once."""
    no_result_filtered: int = 0
    """Of these, the ones that were shown nothing only while filters were active."""
    found_unfiltered: int = 0
    """Sessions that were shown something while no filter was active."""
    no_click: int = 0
    """Sessions that were shown something and clicked nothing within five minutes of any ask."""
    reformulated: int = 0
    """Sessions that asked something else within 60 seconds."""


@dataclass(slots=True)
class Use:
    """How often something was used."""

    sample: str = ""
    events: int = 0
    sessions: int = 0


@dataclass(slots=True)
class Exposure:
    """How often an expert was before visitors at one position, in sessions."""

    exposed: int = 0
    seen: int = 0
    clicked: int = 0


UseKey = tuple[str, str, str]
"""Kind, name and detail."""


@dataclass(slots=True)
class Facts:
    """What is kept of a day. The keys are the names of a row, the values its counts."""

    events: int = 0
    activity: dict[tuple[datetime | None, str], Use] = field(
        default_factory=lambda: defaultdict(Use)
    )
    uses: dict[UseKey, Use] = field(default_factory=lambda: defaultdict(Use))
    demand: dict[str, Demand] = field(default_factory=dict)
    exposure: dict[tuple[str, int], Exposure] = field(default_factory=lambda: defaultdict(Exposure))
    visits: set[tuple[str, str]] = field(default_factory=set)
    """Which session sent which types of events."""


class Also(Protocol):
    """Counts something else with each day."""

    def count(self, within: Iterable[Seen]) -> None:
        """Count the events of one session on the day, oldest first."""


def count_day(day: Day, sessions: Iterable[tuple[str, list[Seen]]], also: Also) -> Facts:
    """Count a day.

    Args:
        day: which events count: those that happened in it.
        sessions: the id and the events of each session, oldest first, those of `LOOK_AHEAD` after
            the day included: they only tell how its queries ended.
        also: is given each session, too.
    """
    facts = Facts()
    for session_id, session in sessions:
        within = [seen for seen in session if day.start <= seen.at < day.end]
        if within:
            facts.events += len(within)
            facts.visits.update((session_id, seen.event_type) for seen in within)
            _count_activity(facts, day, within)
            _count_uses(facts, within)
            _count_demand(facts, within, session)
            _count_exposure(facts, within)
            also.count(within)
    return facts


def _count_activity(facts: Facts, day: Day, within: list[Seen]) -> None:
    places: Counter[tuple[datetime | None, str]] = Counter()
    for seen in within:
        hour = _start_of_hour(seen.at, day.zone)
        for event_type in (seen.event_type, ALL_TYPES):
            places[None, event_type] += 1
            places[hour, event_type] += 1
    _add(facts.activity, places)


def _start_of_hour(at: datetime, zone: ZoneInfo) -> datetime:
    """Return when the hour on the local clock began; where clocks are set back it comes twice."""
    # On the clock, not by counting the minutes back: Lord Howe sets its clocks by half an hour.
    local = at.astimezone(zone)
    return local.replace(minute=0, second=0, microsecond=0).astimezone(UTC)


def _count_uses(facts: Facts, within: list[Seen]) -> None:
    places: Counter[UseKey] = Counter()
    samples: dict[UseKey, str] = {}
    for seen in within:
        for key, sample in _uses(seen):
            places[key] += 1
            samples[key] = min(samples.get(key, sample), sample)
    _add(facts.uses, places)
    for key, sample in samples.items():
        # The smallest, so that counting again in another order gives the same.
        use = facts.uses[key]
        use.sample = min(use.sample or sample, sample)


def _add(counts: dict[Any, Use], places: Counter[Any]) -> None:
    """Count what one session did: so many events in each place, and one session."""
    for key, events in places.items():
        counts[key].events += events
        counts[key].sessions += 1


def _uses(seen: Seen) -> Iterator[tuple[UseKey, str]]:
    payload = seen.payload
    match seen.event_type:
        case "card_click":
            if expert := _name(payload.get("expert_id")):
                yield ("click", expert, ""), ""
                yield ("click_in", expert, _name(payload.get("context"))), ""
        case "sage_query":
            text = payload.get("query_text")
            if query := _query(payload):
                yield ("query", query, ""), str(text)[:NAME_MAX_LENGTH]
        case "filter_change":
            nothing_left = _result_count(payload) == 0
            name, value = _name(payload.get("filter")), payload.get("value")
            if name and _was_set(value, payload, name):
                yield ("filter", name, _json(value)), ""
                if nothing_left:
                    yield ("dead_filter", name, _json(value)), ""
            if filters := _filters(payload):
                yield ("combination", _json(filters), ""), ""
                if nothing_left:
                    yield ("dead_combination", _json(filters), ""), ""


def _count_demand(facts: Facts, within: list[Seen], session: list[Seen]) -> None:
    asks: dict[str, list[Seen]] = defaultdict(list)
    for seen in within:
        if seen.event_type == "sage_query" and (query := _query(seen.payload)):
            asks[query].append(seen)
    if not asks:
        return
    clicks = [seen.at for seen in session if seen.event_type == "card_click"]
    queries = [
        (seen.at, query)
        for seen in session
        if seen.event_type == "sage_query" and (query := _query(seen.payload))
    ]
    for query, asked in asks.items():
        sample = min(str(ask.payload["query_text"]) for ask in asked)[:NAME_MAX_LENGTH]
        demand = facts.demand.setdefault(query, Demand(sample))
        demand.sample = min(demand.sample, sample)
        empty = [ask for ask in asked if _result_count(ask.payload) == 0]
        found = [ask for ask in asked if (_result_count(ask.payload) or 0) > 0]
        demand.sessions += 1
        demand.no_result += bool(empty)
        demand.no_result_filtered += bool(empty) and all(_filters(ask.payload) for ask in empty)
        demand.found_unfiltered += any(not _filters(ask.payload) for ask in found)
        demand.no_click += bool(found) and not any(
            ask.at <= click <= ask.at + CLICK_WITHIN for ask in found for click in clicks
        )
        demand.reformulated += any(
            ask.at <= at <= ask.at + REFORMULATED_WITHIN and other != query
            for ask in asked
            for at, other in queries
        )


def _count_exposure(facts: Facts, within: list[Seen]) -> None:
    best: dict[str, int] = {}
    seen_experts: set[str] = set()
    clicked: set[str] = set()
    for seen in within:
        payload = seen.payload
        if seen.event_type == "sage_query":
            expert_ids = payload.get("expert_ids")
            for position, value in enumerate(
                expert_ids if isinstance(expert_ids, list) else [], start=1
            ):
                if expert := _name(value):
                    best[expert] = min(best.get(expert, position), position)
        elif seen.event_type in ("card_impression", "card_click") and (
            expert := _name(payload.get("expert_id"))
        ):
            (clicked if seen.event_type == "card_click" else seen_experts).add(expert)
    for expert in best.keys() | seen_experts | clicked:
        exposure = facts.exposure[expert, best.get(expert, 0)]
        exposure.exposed += 1
        exposure.seen += expert in seen_experts
        exposure.clicked += expert in clicked


def _name(value: object) -> str:
    return value[:NAME_MAX_LENGTH] if isinstance(value, str) else ""


def _query(payload: dict[str, Any]) -> str:
    """Return the normalised text of a query, "" where there is none."""
    text = payload.get("query_text")
    return normalise(text) if isinstance(text, str) else ""


def _result_count(payload: dict[str, Any]) -> int | None:
    count = payload.get("result_count")
    return count if isinstance(count, int) and not isinstance(count, bool) else None


def _filters(payload: dict[str, Any]) -> dict[str, Any]:
    """Return the active filters: a page may also send the others, with nothing in them."""
    filters = payload.get("filters")
    if not isinstance(filters, dict):
        return {}
    return {name: value for name, value in filters.items() if value not in OFF}


def _was_set(value: object, payload: dict[str, Any], name: str) -> bool:
    """Tell a value that was set from one that was switched off.

    A filter that takes several values, such as tags, sends the one that was toggled; whether it is
    on now can be seen in the filters, where the event has any.
    """
    if value in OFF or not isinstance(payload.get("filters"), dict):
        return value not in OFF
    now = _filters(payload).get(name)
    if isinstance(now, list):
        return value == now or value in now
    return now is not None


def _json(value: object) -> str:
    """Return JSON that is the same for the same filters, in whatever order they were set."""
    return _compact(_sorted(value))[:NAME_MAX_LENGTH]


def _compact(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _sorted(value: object) -> object:
    """Return the value with its lists of scalars sorted, numbers by size and before texts."""
    if isinstance(value, dict):
        return {name: _sorted(of) for name, of in value.items()}
    if not isinstance(value, list):
        return value
    if any(isinstance(of, dict | list) for of in value):
        return [_sorted(of) for of in value]
    return sorted(value, key=_place)


def _place(scalar: Any) -> tuple[bool, Any, str]:
    is_number = isinstance(scalar, int | float) and not isinstance(scalar, bool)
    return not is_number, scalar if is_number else 0, _compact(scalar)
