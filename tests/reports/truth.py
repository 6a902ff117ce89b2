"""What every report must say, worked out from the raw events: slowly, and to be seen to be right.

Written from the definitions alone. It asks no database, reads nothing that was counted before, and
shares no counting with the package; the classes of the reports are used to hold the answers.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cache
from math import fsum, sqrt
from typing import Any
from zoneinfo import ZoneInfo

from tcs_events.event import Event, Identity
from tcs_events.reports import (
    Activity,
    Cohort,
    DayVisitors,
    DeadEnd,
    ExpertExposure,
    Exposure,
    Period,
    Rung,
    TimelineEvent,
    TopExpert,
    TopFilter,
    TopQuery,
    TypeVisitors,
    UnmetDemand,
    Visitors,
)

FIVE_MINUTES = timedelta(minutes=5)
SIXTY_SECONDS = timedelta(seconds=60)
Matches = Callable[[Event], bool]
SessionDay = tuple[date, str]
LOOK_ALIKE = {"\u200b": "", "\u00ad": "", "\ufeff": "", "\u2019": "'", "i\u0307": "i"}
"""What is in our worlds, and the same to a reader: tests/counts/test_text.py has more of it."""


@dataclass
class World:
    """All that happened, in the order in which it was stored."""

    zone: ZoneInfo
    events: list[Event]
    identities: list[Identity] = field(default_factory=list)

    def date(self, event: Event) -> date:
        return event.created_at.astimezone(self.zone).date()

    def within(self, period: Period, event_type: str | None = None) -> list[Event]:
        return [
            event
            for event in self.in_order()
            if period.first <= self.date(event) <= period.last
            and event_type in (None, event.event_type)
        ]

    def in_order(self) -> list[Event]:
        return sorted(self.events, key=lambda event: event.created_at)

    def session_days(self, events: Collection[Event]) -> dict[SessionDay, list[Event]]:
        """What each session did on each day."""
        keys = {(self.date(event), event.session_id) for event in events}
        return {
            key: [event for event in events if (self.date(event), event.session_id) == key]
            for key in keys
        }

    def count_session_days(self, events: Collection[Event]) -> int:
        return len({(self.date(event), event.session_id) for event in events})


# What payloads say. Nothing is certain to be there.


def text_of(value: object) -> str:
    return value[:200] if isinstance(value, str) else ""


def id_of(value: object) -> str:
    """Numbers and texts: JSON has no other ids."""
    if type(value) is float and value.is_integer():
        value = int(value)
    return str(value).strip()[:200] if type(value) in (str, int, float) else ""


def expert_of(event: Event) -> str:
    return id_of(event.payload.get("expert_id"))


def query_of(event: Event) -> str:
    text = event.payload.get("query_text")
    return "" if event.event_type != "sage_query" or not isinstance(text, str) else normalised(text)


def normalised(text: str) -> str:
    while True:
        folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
        for char, plain in LOOK_ALIKE.items():
            folded = folded.replace(char, plain)
        if folded == text:
            return " ".join(folded.split())[:200].rstrip()
        text = folded


def is_empty(event: Event) -> bool:
    count = event.payload.get("result_count")
    return type(count) is int and count == 0


def is_found(event: Event) -> bool:
    count = event.payload.get("result_count")
    return type(count) is int and count > 0


def is_off(value: object) -> bool:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return all(is_off(inner) for inner in value)
    return value is None or value is False or (isinstance(value, str) and not value.strip())


def filters_of(event: Event) -> dict[str, Any]:
    filters = event.payload.get("filters")
    if not isinstance(filters, dict):
        return {}
    return {name: value for name, value in filters.items() if not is_off(value)}


def filter_set(event: Event) -> tuple[str, str] | None:
    """The filter and the value that an event set; None where it set none."""
    if event.event_type != "filter_change":
        return None
    name, value = text_of(event.payload.get("filter")), event.payload.get("value")
    if not name or is_off(value):
        return None
    if isinstance(event.payload.get("filters"), dict):
        now = filters_of(event)
        if name not in now:
            return None  # switched off
        if isinstance(now[name], list) and value != now[name] and value not in now[name]:
            return None  # one of several, switched off
    return name, as_json(value)


def in_no_order(value: object) -> object:
    """The value with its lists put in one order, for a list of tags says nothing by its own."""
    if isinstance(value, dict):
        return {key: in_no_order(of) for key, of in value.items()}
    if isinstance(value, list):
        if all(not isinstance(of, dict | list) for of in value):
            numbers = sorted(of for of in value if type(of) in (int, float))
            others = [of for of in value if type(of) not in (int, float)]
            return numbers + sorted(others, key=lambda of: json.dumps(of, ensure_ascii=False))
        return [in_no_order(of) for of in value]
    return value


def as_json(value: object) -> str:
    value = in_no_order(value)
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))[:200]


def from_json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


# How much


def activity(world: World, period: Period, unit: str) -> list[Activity]:
    def start(event: Event) -> datetime:
        if unit == "hour":
            return start_of_hour(event.created_at, world.zone)
        of_day = world.date(event)
        if unit == "week":
            of_day = max(monday(of_day), period.first)
        return first_moment(of_day, world.zone)

    events = world.within(period)
    starts = {start(event) for event in events}
    if unit != "hour":
        all_days = [period.first + timedelta(days=n) for n in range(period.days)]
        first_days = {max(monday(d), period.first) if unit == "week" else d for d in all_days}
        starts |= {first_moment(of_day, world.zone) for of_day in first_days}
    types = {event.event_type for event in events} | ({""} if events else set())
    found = []
    for starts_at in sorted(starts):
        for event_type in sorted(types):
            there = [
                event
                for event in events
                if start(event) == starts_at and event_type in ("", event.event_type)
            ]
            if there or unit != "hour":
                sessions = world.count_session_days(there)
                found.append(Activity(starts_at, event_type, len(there), sessions))
    return found


def monday(of: date) -> date:
    while of.isoweekday() != 1:
        of -= timedelta(days=1)
    return of


@cache
def first_moment(of: date, zone: ZoneInfo) -> datetime:
    """The first whole minute on the calendar of the zone that has this date."""
    at = datetime(of.year, of.month, of.day, tzinfo=UTC) - timedelta(hours=16)
    while at.astimezone(zone).date() < of:
        at += timedelta(minutes=1)
    return at


@cache
def start_of_hour(at: datetime, zone: ZoneInfo) -> datetime:
    """Back, minute by minute, to where the clock showed :00, or another hour just before."""
    at = at.replace(second=0, microsecond=0)
    while at.astimezone(zone).minute:
        before = at - timedelta(minutes=1)
        if before.astimezone(zone).hour != at.astimezone(zone).hour:
            break
        at = before
    return at


# What was used most: in any order, as ties have none that matters


def top_experts(world: World, period: Period) -> list[TopExpert]:
    clicks = [event for event in world.within(period, "card_click") if expert_of(event)]
    found = []
    for expert in {expert_of(click) for click in clicks}:
        theirs = [click for click in clicks if expert_of(click) == expert]
        contexts = {text_of(click.payload.get("context")) for click in theirs}
        by_context = {
            context: world.count_session_days(
                [click for click in theirs if text_of(click.payload.get("context")) == context]
            )
            for context in sorted(contexts)
        }
        found.append(TopExpert(expert, len(theirs), world.count_session_days(theirs), by_context))
    return found


def top_queries(world: World, period: Period) -> list[TopQuery]:
    asks = [event for event in world.within(period) if query_of(event)]
    found = []
    for query in {query_of(ask) for ask in asks}:
        theirs = [ask for ask in asks if query_of(ask) == query]
        found.append(
            TopQuery(query, sample(world, theirs), len(theirs), world.count_session_days(theirs))
        )
    return found


def sample(world: World, asks: list[Event]) -> str:
    """Each visit votes for what it has typed most; then all that the voters have asked counts."""

    def vote(visit: list[Event]) -> str:
        texts = [text_of(ask.payload["query_text"]) for ask in visit]
        return min(texts, key=lambda text: (-texts.count(text), text))

    votes: dict[str, list[list[Event]]] = {}
    for visit in world.session_days(asks).values():
        votes.setdefault(vote(visit), []).append(visit)
    return min(votes, key=lambda text: (-len(votes[text]), -sum(map(len, votes[text])), text))


def top_filters(world: World, period: Period) -> list[TopFilter]:
    changes = [event for event in world.within(period) if filter_set(event)]
    found = []
    for key in {filter_set(change) for change in changes}:
        assert key is not None
        theirs = [change for change in changes if filter_set(change) == key]
        found.append(
            TopFilter(key[0], from_json(key[1]), len(theirs), world.count_session_days(theirs))
        )
    return found


def dead_end_values(world: World, period: Period) -> list[DeadEnd]:
    changes = [event for event in world.within(period) if filter_set(event)]
    found = []
    for key in {filter_set(change) for change in changes}:
        assert key is not None
        theirs = [change for change in changes if filter_set(change) == key]
        dead = world.count_session_days([change for change in theirs if is_empty(change)])
        if dead:
            sessions = world.count_session_days(theirs)
            found.append(DeadEnd(key[0], from_json(key[1]), dead, sessions))
    return found


def dead_end_combinations(world: World, period: Period) -> list[DeadEnd]:
    changes = [event for event in world.within(period, "filter_change") if filters_of(event)]
    found = []
    for key in {as_json(filters_of(change)) for change in changes}:
        theirs = [change for change in changes if as_json(filters_of(change)) == key]
        dead = world.count_session_days([change for change in theirs if is_empty(change)])
        if dead:
            found.append(DeadEnd(None, from_json(key), dead, world.count_session_days(theirs)))
    return found


# What was wanted and not found


def unmet_demand(world: World, period: Period, min_sessions: int) -> list[UnmetDemand]:
    asks = [event for event in world.within(period) if query_of(event)]
    found = []
    for query in {query_of(ask) for ask in asks}:
        theirs = [ask for ask in asks if query_of(ask) == query]
        session_days = world.session_days(theirs).values()
        is_there = any(is_found(ask) and not filters_of(ask) for ask in theirs)
        no_result = [day for day in session_days if any(map(is_empty, day))]
        hidden = [
            day
            for day in no_result
            if is_there and all(filters_of(ask) for ask in day if is_empty(ask))
        ]
        no_click = [
            day
            for day in session_days
            if any(map(is_found, day))
            and not any(is_clicked(world, ask) for ask in day if is_found(ask))
        ]
        reformulated = [day for day in session_days if any(is_reformulated(world, a) for a in day)]
        if len(session_days) >= min_sessions and (no_result or no_click or reformulated):
            found.append(
                UnmetDemand(
                    query=query,
                    sample=sample(world, theirs),
                    sessions=len(session_days),
                    no_result=len(no_result),
                    hidden_by_filter=len(hidden),
                    not_available=len(no_result) - len(hidden),
                    no_click=len(no_click),
                    reformulated=len(reformulated),
                )
            )
    return found


def is_clicked(world: World, ask: Event) -> bool:
    return any(
        event.event_type == "card_click"
        and event.session_id == ask.session_id
        and timedelta(0) <= event.created_at - ask.created_at <= FIVE_MINUTES
        for event in world.events
    )


def is_reformulated(world: World, ask: Event) -> bool:
    return any(
        query_of(event) not in ("", query_of(ask))
        and event.session_id == ask.session_id
        and timedelta(0) <= event.created_at - ask.created_at <= SIXTY_SECONDS
        for event in world.events
    )


# Who is seen


def exposure(
    world: World,
    period: Period,
    catalogue: Collection[str] | None,
    first_positions: int,
    min_sessions: int,
) -> Exposure:
    shown = [
        one
        for session_day in world.session_days(world.within(period)).values()
        for one in exposures_of(session_day)
    ]
    ids = set(catalogue) if catalogue is not None else {one.expert for one in shown}
    experts = [expert_exposure(expert, shown, first_positions, min_sessions) for expert in ids]
    experts.sort(key=lambda expert: (expert.exposed, expert.returned, expert.expert_id))
    is_covered = [expert.exposed > 0 for expert in experts]
    return Exposure(
        experts,
        coverage=sum(is_covered) / len(ids) if catalogue is not None and ids else None,
        gini=gini([expert.exposed for expert in experts]),
    )


@dataclass
class Shown:
    """An expert before one session on one day."""

    expert: str
    position: int
    is_seen: bool
    is_clicked: bool


def exposures_of(session_day: list[Event]) -> list[Shown]:
    places = [
        (id_of(expert), position)
        for event in session_day
        if event.event_type == "sage_query" and isinstance(event.payload.get("expert_ids"), list)
        for position, expert in enumerate(event.payload["expert_ids"], start=1)  # type: ignore[arg-type]
    ]

    def of_type(event_type: str) -> set[str]:
        return {expert_of(event) for event in session_day if event.event_type == event_type}

    seen, clicked = of_type("card_impression"), of_type("card_click")
    experts = {expert for expert, _ in places} | seen | clicked
    return [
        Shown(
            expert,
            min((position for other, position in places if other == expert), default=0),
            expert in seen,
            expert in clicked,
        )
        for expert in experts - {""}
    ]


def expert_exposure(
    expert: str, shown: list[Shown], first_positions: int, min_sessions: int
) -> ExpertExposure:
    theirs = [one for one in shown if one.expert == expert]
    positions = [one.position for one in theirs if one.position]
    clicked = sum(one.is_clicked for one in theirs)
    first = sum(position <= first_positions for position in positions)

    def usual(position: int) -> float:
        there = [one for one in shown if one.position == position]
        return sum(one.is_clicked for one in there) / len(there)

    share = clicked / len(theirs) if theirs else None
    expected = sum(usual(one.position) for one in theirs) / len(theirs) if theirs else None
    rung = None
    if not positions:
        rung = Rung.NEVER_RETURNED
    elif not first:
        rung = Rung.NEVER_FIRST
    elif len(theirs) >= min_sessions and not clicked:
        rung = Rung.NEVER_CLICKED
    elif len(theirs) >= min_sessions and expected is not None:
        n, p, z = len(theirs), clicked / len(theirs), 1.96
        upper = (p + z**2 / (2 * n) + z * sqrt((p * (1 - p) + z**2 / (4 * n)) / n)) / (1 + z**2 / n)
        rung = Rung.UNDER_CLICKED if upper < expected else None
    return ExpertExposure(
        expert,
        exposed=len(theirs),
        returned=len(positions),
        returned_first=first,
        best_position=min(positions, default=None),
        mean_position=sum(positions) / len(positions) if positions else None,
        seen=sum(one.is_seen for one in theirs),
        clicked=clicked,
        click_through=share,
        expected_click_through=expected,
        rung=rung,
    )


def gini(values: list[int]) -> float | None:
    """Half of the mean difference between any two, relative to the mean."""
    if sum(values) == 0:
        return None
    mean = sum(values) / len(values)
    differences = sum(abs(one - other) for one in values for other in values)
    return differences / (2 * len(values) ** 2 * mean)


# Who was there


def visitors(world: World, period: Period, event_type: str | None = None) -> Visitors:
    """Whoever has an event in the period; new is who has none before it, of any type."""

    def count(days: Period, name: str | None) -> tuple[int, int, int, int, int]:
        events = world.within(days, name)
        sessions = {event.session_id for event in events}
        earlier = {event.session_id for event in world.events if world.date(event) < days.first}
        new = len(sessions - earlier)
        old = len(sessions & earlier)
        return len(sessions), new, old, world.count_session_days(events), len(events)

    types = {event.event_type for event in world.within(period, event_type)}
    by_type = [TypeVisitors(name, *count(period, name)) for name in sorted(types)]
    by_type.sort(key=lambda row: row.visitors, reverse=True)
    days = []
    for number in range(period.days):
        day = period.first + timedelta(days=number)
        sessions, new, old, _, events = count(Period(day, day), event_type)
        days.append(DayVisitors(day, sessions, new, old, events))
    return Visitors(*count(period, event_type), by_type, days)


# Who goes on, who comes back, who did what


def funnel(world: World, period: Period, steps: list[Matches]) -> list[int]:
    """How many got as far as each step, of those whose first step lies in the period.

    The others may follow for 24 hours. Each follows the last first step that it can follow.
    """
    reached: list[set[SessionDay]] = [set() for _ in steps]
    for session_id in {event.session_id for event in world.events}:
        events = [event for event in world.in_order() if event.session_id == session_id]
        entries: list[list[datetime | None]] = []  # by event and step
        for number, event in enumerate(events):
            entries.append([None] * len(steps))
            for place, matches in enumerate(steps):
                before = [entries[n][place - 1] for n in range(number)] if place else []
                possible = [at for at in before if at is not None] if place else [event.created_at]
                if not matches(event) or not possible:
                    continue
                entered_at = max(possible)
                if event.created_at - entered_at > timedelta(hours=24):
                    continue
                entries[number][place] = entered_at
                entered_on = entered_at.astimezone(world.zone).date()
                if period.first <= entered_on <= period.last:
                    reached[place].add((entered_on, session_id))
    return [len(session_days) for session_days in reached]


def of_visitors(world: World, period: Period, who: str | None) -> Matches:
    """Whether an event is of a visitor who is new in the period, came before, or is known."""
    first: dict[str, date] = {}
    for event in world.in_order():
        first.setdefault(event.session_id, world.date(event))
    known = {identity.session_id for identity in world.identities}
    return {
        None: lambda event: True,
        "new": lambda event: first[event.session_id] >= period.first,
        "returning": lambda event: first[event.session_id] < period.first,
        "known": lambda event: event.session_id in known,
    }[who]


@dataclass
class Way:
    """The way of a visitor or a person through a funnel, from the first step that got furthest."""

    seconds: list[float]
    """From the first step to each step that was reached."""
    value: object


def ways(
    world: World,
    period: Period,
    steps: list[Matches],
    within: timedelta,
    by_person: bool,
    value_of: Callable[[Event], object],
) -> list[Way]:
    """How far each came, of all who took the first step in the period.

    All first steps are tried, each with all that could follow it in order and in time.
    """
    person: dict[str, str] = {}
    for link in sorted(world.identities, key=lambda link: link.created_at):
        person.setdefault(link.session_id, link.email)
    found = []

    def who(event: Event) -> str:
        return person.get(event.session_id, event.session_id) if by_person else event.session_id

    for one in {who(event) for event in world.events}:
        events = [event for event in world.in_order() if who(event) == one]
        tried: list[Way] = []
        for start, entry in enumerate(events):
            if not steps[0](entry) or not period.first <= world.date(entry) <= period.last:
                continue
            possible, seconds = [start], [0.0]
            for matches in steps[1:]:
                possible = [
                    place
                    for place, event in enumerate(events)
                    if matches(event)
                    and any(before < place for before in possible)
                    and event.created_at - entry.created_at <= within
                ]
                if possible:
                    first = events[min(possible)].created_at
                    seconds.append((first - entry.created_at).total_seconds())
            tried.append(Way(seconds, value_of(entry)))
        if tried:
            furthest = max(len(way.seconds) for way in tried)
            found.append([way for way in tried if len(way.seconds) == furthest][-1])
    return found


def funnel_over_days(ways: list[Way], steps: int) -> list[tuple[int, list[float | None]]]:
    """How many reached each step, and the times in which 1, 2 and 3 quarters of them did."""
    rows = []
    for place in range(steps):
        times = [way.seconds[place] for way in ways if len(way.seconds) > place]
        quarters = [
            min(
                (t for t in times if 4 * sum(s <= t for s in times) >= quarters * len(times)),
                default=None,
            )
            for quarters in (1, 2, 3)
        ]
        rows.append((len(times), quarters if place else [None] * 3))
    return rows


def parts(found: list[Way], limit: int) -> list[tuple[object, list[Way]]]:
    """The ways by their value, the most first; those beyond the limit together, as `...`."""
    by_text: dict[str, list[Way]] = {}
    for way in found:
        by_text.setdefault(json.dumps(way.value, sort_keys=True), []).append(way)
    ranked = sorted(
        by_text.values(),
        key=lambda ways: (-len(ways), json.dumps(ways[0].value, sort_keys=True)),
    )
    rows: list[tuple[object, list[Way]]] = [(ways[0].value, ways) for ways in ranked[:limit]]
    others = [way for ways in ranked[limit:] for way in ways]
    return [*rows, (..., others)] if others else rows


def retention(
    world: World,
    period: Period,
    unit: str,
    returning: Matches | None = None,
    began: Matches = lambda _: True,
) -> list[Cohort]:
    """Cohorts of whoever has their first event of all in a day, or in a week from Monday.

    With `began` it is their first one of those.
    """

    def place_of(of_day: date) -> date:
        return monday(of_day) if unit == "week" else of_day

    def is_complete(place: date) -> bool:
        last = place + timedelta(days=6 if unit == "week" else 0)
        return last <= period.last and last < datetime.now(world.zone).date()

    days = [period.first + timedelta(days=n) for n in range(period.days)]
    places = [of_day for of_day in days if place_of(of_day) == of_day]
    beginnings = [event for event in world.events if began(event)]
    first = {
        session: place_of(min(world.date(e) for e in beginnings if e.session_id == session))
        for session in {event.session_id for event in beginnings}
    }
    events = world.within(period)
    cohorts = []
    for number, place in enumerate(places):
        members = {
            event.session_id
            for event in events
            if first.get(event.session_id) == place == place_of(world.date(event)) and began(event)
        }
        following = places[number:] if unit == "week" else places[number : number + 32]
        returned = [
            len(
                {
                    event.session_id
                    for event in events
                    if first.get(event.session_id) == place
                    and place_of(world.date(event)) == later
                    and (returning is None or returning(event))
                }
            )
            for later in following[1:]
        ]
        if members:
            complete = [is_complete(later) for later in following]
            cohorts.append(Cohort(place, len(members), [len(members), *returned], complete))
    return cohorts


def paths(
    world: World, period: Period, matches: Matches, direction: str, depth: int, collapse: bool
) -> dict[tuple[str, ...], int]:
    """What each visit did next to its first event of all that match, by how many visits did it."""
    found: dict[tuple[str, ...], int] = {}
    for events in world.session_days(world.within(period)).values():
        places = [place for place, event in enumerate(events) if matches(event)]
        if not places:
            continue
        first, names = places[0], [event.event_type for event in events]
        # From the event on, to wherever we go.
        walk = names[first:] if direction == "after" else names[first::-1]
        if collapse:
            walk = [name for place, name in enumerate(walk) if walk[place - 1 : place] != [name]]
        steps = walk[1 : depth + 1]
        path = tuple(steps if direction == "after" else reversed(steps))
        found[path] = found.get(path, 0) + 1
    return found


def session_timeline(world: World, session_id: str, limit: int) -> list[TimelineEvent]:
    return _timeline(world, lambda event: event.session_id == session_id, limit)


def person_timeline(world: World, email: str, limit: int) -> list[TimelineEvent]:
    sessions = {link.session_id for link in world.identities if link.email == email}

    def is_theirs(event: Event) -> bool:
        if event.email is None:
            return event.session_id in sessions
        return event.email == email

    return _timeline(world, is_theirs, limit)


def _timeline(world: World, matches: Matches, limit: int) -> list[TimelineEvent]:
    def is_known(event: Event) -> bool:
        return event.email is not None or any(
            link.session_id == event.session_id and link.created_at <= event.created_at
            for link in world.identities
        )

    found = [
        TimelineEvent(
            event.created_at, event.session_id, event.event_type, event.payload, is_known(event)
        )
        for event in world.in_order()
        if matches(event)
    ]
    return found[max(0, len(found) - limit) :]


# Explore


def property_of(event: Event, name: str) -> Any:
    """What a property says; None if it is not there."""
    if name in event.payload:
        return event.payload[name]
    value: Any = event.payload
    for part in name.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def one_form(value: Any) -> Any:
    """1.0 as 1, and objects in one order."""
    if isinstance(value, dict):
        return {key: one_form(value[key]) for key in sorted(value)}
    if isinstance(value, list):
        return [one_form(inner) for inner in value]
    return int(value) if type(value) is float and value == int(value) else value


def measured(world: World, events: Collection[Event], measure: str) -> float | None:
    """What is measured of events: `visits`, or `sum price` with the name of a property."""
    kind, _, name = measure.partition(" ")
    if kind == "visitors":
        return len({event.session_id for event in events})
    if kind == "visits":
        return world.count_session_days(events)
    if kind == "events":
        return len(events)
    values = [property_of(event, name) for event in events]
    numbers = sorted(value for value in values if type(value) in (int, float))
    if kind == "sum":
        return fsum(numbers)
    if not numbers:
        return None
    if kind == "average":
        return fsum(numbers) / len(numbers)
    middle = len(numbers) // 2
    return numbers[middle] if len(numbers) % 2 else (numbers[middle - 1] + numbers[middle]) / 2


@dataclass
class ExploredTruth:
    rows: list[tuple[Any, int, float | None, list[float | None]]]
    other: tuple[int, int, float | None, list[float | None]] | None
    total: tuple[int, float | None, list[float | None]]


def explore(
    world: World,
    period: Period,
    event_type: str,
    by: str,
    measure: str,
    interval: str | None,
    limit: int,
    matches: Matches,
    show: Callable[[Any], Any] = one_form,
) -> ExploredTruth:
    """Rows of value, events, number and series; the others with how many values they are."""
    events = [event for event in world.within(period, event_type) if matches(event)]
    days = [period.first + timedelta(days=n) for n in range(period.days)]
    starts = sorted({max(monday(d), period.first) if interval == "week" else d for d in days})

    def numbers(events: list[Event]) -> tuple[int, float | None, list[float | None]]:
        series = []
        for place, start in enumerate(starts if interval else []):
            end = starts[place + 1] if place + 1 < len(starts) else date.max
            within = [event for event in events if start <= world.date(event) < end]
            series.append(measured(world, within, measure))
        return len(events), measured(world, events, measure), series

    def text(event: Event) -> str:
        return json.dumps(show(property_of(event, by)), sort_keys=True)

    found = [
        (value, numbers([event for event in events if text(event) == value]))
        for value in {text(event) for event in events}
    ]
    is_mean = measure.startswith(("average", "median"))
    found.sort(key=lambda row: (0 if is_mean else -(row[1][1] or 0), -row[1][0], row[0]))
    rest = {value for value, _ in found[limit:]}
    others = [event for event in events if text(event) in rest]
    return ExploredTruth(
        [(json.loads(value), *counted) for value, counted in found[:limit]],
        (len(rest), *numbers(others)) if rest else None,
        numbers(events),
    )
