"""A month of the marketplace, made up: visitors who behave plausibly, and truths to be found."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from random import Random
from uuid import UUID
from zoneinfo import ZoneInfo

from flask import current_app

from tcs_events.demo.models import Expert
from tcs_events.demo.planted import Planted
from tcs_events.demo.wishes import (
    DEAD_RATE,
    DEAD_TAGS,
    GAPS,
    OFTEN,
    RATES,
    SELDOM,
    TAGS,
    TOO_DEAR,
    TYPOS,
    Sage,
)
from tcs_events.event import Event, Identity, identity_id
from tcs_events.registration import registration_of
from tcs_events.rollups.text import normalise

MIN_VISITORS = 300
"""With fewer there are too few visits for each truth to show."""
FIRST_POSITIONS = 5
CLICKS_AT = (0.05, 0.36, 0.28, 0.22, 0.18, 0.15)
"""The part of visitors who click at each position; at 0 are the cards that no query returned."""
CLICKS_BELOW = 0.06
UNDER_CLICKED_APPEAL = 0.06
BUSY_HOURS = {
    8: 3,
    9: 6,
    10: 9,
    11: 8,
    12: 5,
    13: 5,
    14: 8,
    15: 8,
    16: 7,
    17: 5,
    19: 4,
    20: 5,
    21: 3,
}
"""Hours of the local clock at which visits begin. None is so late that it goes on past midnight."""
WEEKEND = 0.4
VISITS = {1: 45, 2: 25, 3: 15, 4: 8, 6: 5, 9: 2}
"""On how many days a visitor comes, by how many visitors do."""
VISIT_MAX = timedelta(hours=1)
BATCH_EVENTS = 1_000

Progress = Callable[[int], None]
"""Is told how many more events are stored."""


@dataclass
class Visit:
    """What one session does on one day, one thing after the other."""

    random: Random
    session_id: str
    at: datetime
    events: list[Event] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    rate_max: int | None = None
    """The filters, as they are set now."""

    def wait(self, least_seconds: float, most_seconds: float) -> None:
        self.at += timedelta(milliseconds=self.random.randint(*_ms(least_seconds, most_seconds)))

    def send(self, event_type: str, **payload: object) -> None:
        event_id = UUID(int=self.random.getrandbits(128), version=4)
        self.events.append(
            Event(event_id, self.session_id, event_type, payload, None, self.at, self.at)
        )

    @property
    def filters(self) -> dict[str, object]:
        """As the page sends them: those that are off, too."""
        return {"tags": [*self.tags], "rate_max": self.rate_max}


Intention = Callable[[Visit], None]
"""What a visit is for: has it send what it sends."""


@dataclass(frozen=True, slots=True)
class Month:
    """All events, oldest first, who is known, and what is to be found."""

    events: list[Event]
    identities: list[Identity]
    planted: Planted


def simulate(
    experts: Sequence[Expert],
    visitors: int,
    *,
    end: datetime,
    zone: ZoneInfo,
    seed: int = 1,
    days: int = 30,
) -> Month:
    """Return what so many visitors did in the days before `end`.

    The same arguments give the same month. Its truths are counted in days of `zone`.

    Raises:
        ValueError: there are fewer than 300 visitors, or no days.
    """
    if visitors < MIN_VISITORS or days < 1:
        raise ValueError(f"a month takes at least {MIN_VISITORS} visitors and a day")
    random = Random(f"{seed} {end.isoformat()} {zone.key}")  # noqa: S311 - nothing is secret here
    return _Simulation(random, experts, visitors, end, zone, days).run()


def store(month: Month, progress: Progress = lambda events: None) -> None:
    """Store a month in the current app's database. What is there already is not stored again."""
    registration = registration_of(current_app)
    for start in range(0, len(month.events), BATCH_EVENTS):
        batch = month.events[start : start + BATCH_EVENTS]
        registration.store.append(batch)
        progress(len(batch))
    registration.identity_store.append(month.identities)


class _Simulation:
    def __init__(
        self,
        random: Random,
        experts: Sequence[Expert],
        visitors: int,
        end: datetime,
        zone: ZoneInfo,
        days: int,
    ) -> None:
        self._random = random
        self._experts = [expert.username for expert in experts]
        self._sage = Sage(experts)
        self._visitors = visitors
        self._end = end.astimezone(UTC)
        self._zone = zone
        last = end.astimezone(zone).date()
        self._dates = [last - timedelta(days=ago) for ago in reversed(range(days))]
        self._never_clicked, self._under_clicked = self._choose_unloved()
        # An expert's first chance is taken: whoever is before many visitors is clicked by some.
        self._due: dict[str, float] = defaultdict(lambda: 0.99)
        self._events: list[Event] = []
        self._gaps: Counter[str] = Counter()
        self._typos: Counter[str] = Counter()
        self._hidden: Counter[str] = Counter()
        self._dead_values: Counter[tuple[str, str | int]] = Counter()
        self._dead_combinations: Counter[tuple[tuple[str, str], ...]] = Counter()
        self._best_positions: dict[str, int] = {}
        self._visits = self._found = self._clicked = 0

    def run(self) -> Month:
        intentions = self._intentions()
        persons: dict[str, set[str]] = {}
        identities: list[Identity] = []
        for number in range(self._visitors):
            visits = self._visits_of(str(UUID(int=self._random.getrandbits(128), version=4)))
            for visit in visits:
                self._make(visit, next(intentions))
            if visits and number % 12 == 3:
                # Two such visitors are one person, with two devices.
                person = f"visitor{number // 24 * 24}@example.com"
                last = visits[-1]
                link = identity_id(last.session_id, person)
                identities.append(Identity(link, last.session_id, person, last.at, last.at))
                persons.setdefault(person, set()).add(last.session_id)
        self._events.sort(key=lambda event: (event.created_at, event.event_id))
        return Month(self._events, identities, self._planted(persons))

    def _planted(self, persons: dict[str, set[str]]) -> Planted:
        first = {name for name, at in self._best_positions.items() if at <= FIRST_POSITIONS}
        return Planted(
            gaps=dict(self._gaps),
            typos=dict(self._typos),
            hidden_by_filter=dict(self._hidden),
            dead_values=dict(self._dead_values),
            dead_combinations=dict(self._dead_combinations),
            always_dead_value=("rate_max", DEAD_RATE),
            never_returned=set(self._experts) - self._best_positions.keys(),
            never_first=self._best_positions.keys() - first,
            never_clicked=self._never_clicked,
            under_clicked=self._under_clicked,
            funnel=(self._found, self._clicked),
            persons=persons,
            visits=self._visits,
        )

    def _choose_unloved(self) -> tuple[set[str], set[str]]:
        """Choose two whom nobody clicks, and two who are clicked little.

        Many visitors see them, the latter most of all, so that it is not by chance. At no position
        are they many: what others reach there is what they are measured by.
        """
        found = [self._sage.answer(query).expert_ids[:FIRST_POSITIONS] for query in OFTEN]
        at_position = [
            Counter(names[place] for names in found if len(names) > place)
            for place in range(FIRST_POSITIONS)
        ]
        names = sorted({name for counts in at_position[:3] for name in counts})
        self._random.shuffle(names)
        chosen: list[str] = []
        for name in names:
            parts = [
                sum(counts[other] for other in (*chosen, name)) / counts.total()
                for counts in at_position
            ]
            if max(parts) <= 0.35 and len(chosen) < 4:
                chosen.append(name)
        chosen.sort(key=lambda name: sum(name in names for names in found))
        return set(chosen[:2]), set(chosen[2:])

    def _intentions(self) -> Iterator[Intention]:
        """Give what each visit is for: at first everything there is, then at random."""
        plant: list[Intention] = [
            *(partial(self._ask_gap, query=query) for query in GAPS),
            *(partial(self._ask_too_dear, query=query) for query in TOO_DEAR),
            *(partial(self._ask_misspelt, typo=typo) for typo in TYPOS),
            self._set_dead_rate,
            self._set_dead_tags,
        ]
        seldom = [*SELDOM, *TOO_DEAR]
        asks: list[Intention] = [partial(self._ask, query=query) for query in (*OFTEN, *seldom)]
        # Each of the tags that are dead together is alive alone.
        alone: list[Intention] = [partial(self._browse, tag=tag) for tag in DEAD_TAGS]
        first = [*plant * 3, *alone, *asks]
        self._random.shuffle(first)
        yield from first
        weights = [*[9] * len(OFTEN), *[2] * len(seldom), *[2] * len(plant), 12]
        while True:
            browse: Intention = partial(self._browse, tag=self._random.choice(TAGS))
            yield self._random.choices([*asks, *plant, browse], weights)[0]

    def _visits_of(self, session_id: str) -> list[Visit]:
        """Return the visits of a session, still empty: on different days, oldest first."""
        [count] = self._random.choices(list(VISITS), list(VISITS.values()))
        weights = [WEEKEND if of_day.weekday() >= 5 else 1 for of_day in self._dates]
        on = sorted(set(self._random.choices(self._dates, weights, k=count)))
        visits = [Visit(self._random, session_id, self._time_on(of_day)) for of_day in on]
        return [visit for visit in visits if visit.at + VISIT_MAX <= self._end]

    def _time_on(self, of_day: date) -> datetime:
        [hour] = self._random.choices(list(BUSY_HOURS), list(BUSY_HOURS.values()))
        local = time(hour, self._random.randrange(60), self._random.randrange(60))
        milliseconds = timedelta(milliseconds=self._random.randrange(1000))
        return datetime.combine(of_day, local, self._zone).astimezone(UTC) + milliseconds

    # What a visit is for. Between two questions lies more than a minute, save where one is asked
    # anew.

    def _make(self, visit: Visit, intention: Intention) -> None:
        if self._random.random() < 0.4:
            self._look_around(visit)
        intention(visit)
        while self._random.random() < 0.25 and len(visit.events) < 40:
            visit.wait(90, 240)
            self._ask(visit, self._random.choice((*OFTEN, *SELDOM)))
        self._visits += 1
        self._click(visit)
        self._events += visit.events

    def _look_around(self, visit: Visit) -> None:
        start = self._random.randrange(len(self._experts) - 6)
        visit.wait(2, 10)
        for position, expert in enumerate(self._experts[start : start + 6], start + 1):
            visit.wait(1, 3)
            visit.send("card_impression", expert_id=expert, context="grid", position=position)

    def _browse(self, visit: Visit, tag: str) -> None:
        self._toggle_tag(visit, tag)
        rate_max = self._random.choice(RATES)
        if self._random.random() < 0.5 and self._sage.answer("", [tag], rate_max).expert_ids:
            self._set_rate(visit, rate_max)
        self._clear_filters(visit)

    def _ask_gap(self, visit: Visit, query: str) -> None:
        self._send_query(visit, self._spelt(query))
        self._gaps[normalise(query)] += 1
        visit.wait(90, 200)

    def _ask_misspelt(self, visit: Visit, typo: str) -> None:
        self._send_query(visit, typo)
        self._typos[normalise(typo)] += 1
        visit.wait(8, 40)
        self._send_query(visit, self._spelt(TYPOS[typo]))

    def _ask_too_dear(self, visit: Visit, query: str) -> None:
        self._set_rate(visit, TOO_DEAR[query])
        self._send_query(visit, self._spelt(query))
        self._hidden[normalise(query)] += 1
        visit.wait(20, 60)
        if self._random.random() < 0.5:
            self._clear_filters(visit)
            self._send_query(visit, self._spelt(query))
        self._clear_filters(visit)
        visit.wait(90, 120)

    def _set_dead_rate(self, visit: Visit) -> None:
        self._set_rate(visit, DEAD_RATE)
        self._clear_filters(visit)

    def _set_dead_tags(self, visit: Visit) -> None:
        for tag in self._random.sample(DEAD_TAGS, 2):
            self._toggle_tag(visit, tag)
        self._clear_filters(visit)

    def _ask(self, visit: Visit, query: str) -> None:
        """Ask for what there is, now and then within a filter that leaves somebody."""
        tag = self._random.choice(TAGS)
        if self._random.random() < 0.2 and self._sage.answer(query, [tag]).expert_ids:
            self._toggle_tag(visit, tag)
        self._send_query(visit, self._spelt(query))
        visit.wait(10, 30)
        self._clear_filters(visit)

    def _spelt(self, query: str) -> str:
        """Return the query as one visitor types it."""
        return self._random.choice(
            (query, query, query.lower(), query.upper(), query.replace(" ", "  "), f" {query}")
        )

    # What the page sends

    def _send_query(self, visit: Visit, text: str) -> None:
        answer = self._sage.answer(text, visit.tags, visit.rate_max)
        visit.wait(2, 6)
        visit.send(
            "sage_query",
            query_text=text.strip(),
            function_called="search_experts" if answer.has_searched else "apply_filters",
            result_count=len(answer.expert_ids),
            expert_ids=[*answer.expert_ids],
            filters=visit.filters,
        )
        for position, expert in enumerate(answer.expert_ids[: self._random.randint(5, 8)], start=1):
            visit.wait(0.2, 1)
            visit.send("card_impression", expert_id=expert, context="sage_panel", position=position)

    def _toggle_tag(self, visit: Visit, tag: str) -> None:
        visit.tags = (
            [one for one in visit.tags if one != tag] if tag in visit.tags else [*visit.tags, tag]
        )
        self._send_filter_change(visit, "tags", tag, is_set=tag in visit.tags)

    def _set_rate(self, visit: Visit, rate_max: int | None) -> None:
        visit.rate_max = rate_max
        self._send_filter_change(visit, "rate_max", rate_max, is_set=rate_max is not None)

    def _clear_filters(self, visit: Visit) -> None:
        if visit.rate_max is not None:
            self._set_rate(visit, None)
        for tag in reversed(visit.tags):
            self._toggle_tag(visit, tag)

    def _send_filter_change(
        self, visit: Visit, name: str, value: str | int | None, *, is_set: bool
    ) -> None:
        found = self._sage.answer("", visit.tags, visit.rate_max).expert_ids
        visit.wait(2, 8)
        visit.send(
            "filter_change",
            filter=name,
            value=value,
            filters=visit.filters,
            result_count=len(found),
        )
        if not found and is_set and value is not None:
            self._dead_values[name, value] += 1
            on = {
                # In whatever order the tags were chosen, they are the same filter.
                one: sorted(value) if isinstance(value, list) else value
                for one, value in visit.filters.items()
                if value not in (None, [])
            }
            key = tuple(sorted((one, json.dumps(value)) for one, value in on.items()))
            self._dead_combinations[key] += 1

    def _click(self, visit: Visit) -> None:
        """Have the visitor click, and count what became of the visit.

        Each expert is due for a click so often as the positions of the visits say, so that chance
        makes nobody look neglected who is not.
        """
        positions: dict[str, int] = {}
        shown_at: dict[str, datetime] = {}
        for event in visit.events:
            payload = event.payload
            if event.event_type == "card_impression":
                positions.setdefault(str(payload["expert_id"]), 0)
                shown_at[str(payload["expert_id"])] = event.created_at
            elif event.event_type == "sage_query":
                returned: list[str] = payload["expert_ids"]  # type: ignore[assignment]
                for position, expert in enumerate(returned, start=1):
                    best = positions.get(expert) or position
                    positions[expert] = min(best, position)
                    shown_at[expert] = event.created_at + timedelta(seconds=9)
                    overall = self._best_positions.get(expert, position)
                    self._best_positions[expert] = min(overall, position)
        clicks = [expert for expert in positions if self._is_due(expert, positions[expert])]
        for expert in clicks:
            context = "sage_panel" if positions[expert] else "grid"
            payload = {"expert_id": expert, "context": context}
            event_id = UUID(int=self._random.getrandbits(128), version=4)
            at = shown_at[expert] + timedelta(milliseconds=self._random.randrange(500, 20_000))
            visit.events.append(
                Event(event_id, visit.session_id, "card_click", payload, None, at, at)
            )
        found_at = [
            event.created_at
            for event in visit.events
            if event.event_type == "sage_query" and event.payload["result_count"] != 0
        ]
        if found_at:
            self._found += 1
            self._clicked += any(
                event.event_type == "card_click" and event.created_at > min(found_at)
                for event in visit.events
            )

    def _is_due(self, expert: str, position: int) -> bool:
        if expert in self._never_clicked:
            return False
        rate = CLICKS_AT[position] if position < len(CLICKS_AT) else CLICKS_BELOW
        self._due[expert] += rate * (UNDER_CLICKED_APPEAL if expert in self._under_clicked else 1)
        if self._due[expert] < 1:
            return False
        self._due[expert] -= 1
        return True


def _ms(*seconds: float) -> tuple[int, ...]:
    return tuple(int(one * 1000) for one in seconds)
