"""Simulates a month of the marketplace, with known findings for the reports."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from random import Random
from uuid import UUID
from zoneinfo import ZoneInfo

from flask import current_app

from tcs_events.counts.text import normalise
from tcs_events.demo.bookings import Bookings
from tcs_events.demo.clicks import FIRST_POSITIONS, Clicks
from tcs_events.demo.models import Expert
from tcs_events.demo.page import Page
from tcs_events.demo.planted import Planted
from tcs_events.demo.visits import Calendar, Visit
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
from tcs_events.host import registration_of
from tcs_events.stores.retries import append_with_retries

MIN_VISITORS = 300
"""With fewer visitors, some findings would have too few visits to show."""
BATCH_EVENTS = 1_000

Progress = Callable[[int], None]
"""Called with the number of events of each batch, once it is stored."""
Intention = Callable[[Visit], None]
"""What a visitor comes for. Adds the events to the visit."""


@dataclass(frozen=True, slots=True)
class Month:
    """The events, oldest first, the identities, and what the reports must find."""

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
    """Return the events of simulated visitors in the days up to `end`.

    The same arguments always give the same events. Visits are counted by days in `zone`.

    Raises:
        ValueError: there are fewer than 300 visitors or less than one day.
    """
    if visitors < MIN_VISITORS or days < 1:
        raise ValueError(f"it takes at least {MIN_VISITORS} visitors and one day")
    random = Random(f"{seed} {end.isoformat()} {zone.key}")  # noqa: S311 - nothing is secret here
    return _Simulation(random, experts, Calendar(random, end, zone, days)).run(visitors)


def store(month: Month, progress: Progress = lambda events: None) -> None:
    """Store a month in the current app's database. Events that are stored already are skipped."""
    registration = registration_of(current_app)
    for start in range(0, len(month.events), BATCH_EVENTS):
        batch = month.events[start : start + BATCH_EVENTS]
        append_with_retries(registration.store, [event.record() for event in batch])
        progress(len(batch))
    links = [link.record() for link in month.identities]
    append_with_retries(registration.identity_store, links)


class _Simulation:
    """Makes the visits.

    Two queries are more than a minute apart, except where the first one is asked again.
    """

    def __init__(self, random: Random, experts: Sequence[Expert], calendar: Calendar) -> None:
        self._random = random
        self._experts = [expert.username for expert in experts]
        self._calendar = calendar
        self._sage = Sage(experts)
        self._page = Page(random, self._experts, self._sage)
        self._clicks = Clicks(random, self._sage)
        self._events: list[Event] = []
        self._gaps: Counter[str] = Counter()
        self._typos: Counter[str] = Counter()
        self._hidden: Counter[str] = Counter()

    def run(self, visitors: int) -> Month:
        intentions = self._intentions()
        persons: dict[str, set[str]] = {}
        identities: list[Identity] = []
        visits_of: list[list[Visit]] = []
        for number in range(visitors):
            session_id = str(UUID(int=self._random.getrandbits(128), version=4))
            visits = self._calendar.visits_of(session_id)
            visits_of.append(visits)
            for visit in visits:
                self._make(visit, next(intentions))
            if visits and number % 12 == 3:
                # Two such visitors are one person with two devices.
                person = f"visitor{number // 24 * 24}@example.com"
                at = visits[-1].at
                link = identity_id(session_id, person)
                identities.append(Identity(link, session_id, person, at, at))
                persons.setdefault(person, set()).add(session_id)
        bookings = Bookings()
        self._events += bookings.plant(visits_of)
        self._events.sort(key=lambda event: (event.created_at, event.event_id))
        return Month(self._events, identities, self._planted(persons, bookings))

    def _planted(self, persons: dict[str, set[str]], bookings: Bookings) -> Planted:
        best = self._clicks.best_positions
        return Planted(
            gaps=dict(self._gaps),
            typos=dict(self._typos),
            hidden_by_filter=dict(self._hidden),
            dead_values=dict(self._page.dead_values),
            dead_combinations=dict(self._page.dead_combinations),
            always_dead_value=("rate_max", DEAD_RATE),
            never_returned=set(self._experts) - best.keys(),
            never_first={name for name, at in best.items() if at > FIRST_POSITIONS},
            never_clicked=self._clicks.never_clicked,
            under_clicked=self._clicks.under_clicked,
            funnel=(self._clicks.found, self._clicks.clicked),
            booked_by_plan=bookings.by_plan,
            booked_as_persons=bookings.persons,
            persons=persons,
            visits=self._clicks.visits,
        )

    def _intentions(self) -> Iterator[Intention]:
        """Give the intentions of the visits: first each one that there is, then random ones."""
        plant: list[Intention] = [
            *(partial(self._ask_gap, query=query) for query in GAPS),
            *(partial(self._ask_too_dear, query=query) for query in TOO_DEAR),
            *(partial(self._ask_misspelt, typo=typo) for typo in TYPOS),
            self._set_dead_rate,
            self._set_dead_tags,
        ]
        seldom = [*SELDOM, *TOO_DEAR]
        asks: list[Intention] = [partial(self._ask, query=query) for query in (*OFTEN, *seldom)]
        # Tags that find nobody together do find somebody alone.
        alone: list[Intention] = [partial(self._browse, tag=tag) for tag in DEAD_TAGS]
        first = [*plant * 3, *alone, *asks]
        self._random.shuffle(first)
        yield from first
        weights = [*[9] * len(OFTEN), *[2] * len(seldom), *[2] * len(plant), 12]
        while True:
            browse: Intention = partial(self._browse, tag=self._random.choice(TAGS))
            yield self._random.choices([*asks, *plant, browse], weights)[0]

    def _make(self, visit: Visit, intention: Intention) -> None:
        if self._random.random() < 0.4:
            self._page.look_around(visit)
        intention(visit)
        while self._random.random() < 0.25 and len(visit.events) < 40:
            visit.wait(90, 240)
            self._ask(visit, self._random.choice((*OFTEN, *SELDOM)))
        self._clicks.click(visit)
        self._events += visit.events

    def _browse(self, visit: Visit, tag: str) -> None:
        self._page.toggle_tag(visit, tag)
        rate_max = self._random.choice(RATES)
        if self._random.random() < 0.5 and self._sage.answer("", [tag], rate_max).expert_ids:
            self._page.set_rate(visit, rate_max)
        self._page.clear_filters(visit)

    def _ask_gap(self, visit: Visit, query: str) -> None:
        self._page.ask(visit, self._spelt(query))
        self._gaps[normalise(query)] += 1
        visit.wait(90, 200)

    def _ask_misspelt(self, visit: Visit, typo: str) -> None:
        self._page.ask(visit, typo)
        self._typos[normalise(typo)] += 1
        visit.wait(8, 40)
        self._page.ask(visit, self._spelt(TYPOS[typo]))

    def _ask_too_dear(self, visit: Visit, query: str) -> None:
        self._page.set_rate(visit, TOO_DEAR[query])
        self._page.ask(visit, self._spelt(query))
        self._hidden[normalise(query)] += 1
        visit.wait(20, 60)
        if self._random.random() < 0.5:
            self._page.clear_filters(visit)
            self._page.ask(visit, self._spelt(query))
        self._page.clear_filters(visit)
        visit.wait(90, 120)

    def _set_dead_rate(self, visit: Visit) -> None:
        self._page.set_rate(visit, DEAD_RATE)
        self._page.clear_filters(visit)

    def _set_dead_tags(self, visit: Visit) -> None:
        for tag in self._random.sample(DEAD_TAGS, 2):
            self._page.toggle_tag(visit, tag)
        self._page.clear_filters(visit)

    def _ask(self, visit: Visit, query: str) -> None:
        """Ask for something that exists, sometimes with a filter that leaves somebody."""
        tag = self._random.choice(TAGS)
        if self._random.random() < 0.2 and self._sage.answer(query, [tag]).expert_ids:
            self._page.toggle_tag(visit, tag)
        self._page.ask(visit, self._spelt(query))
        visit.wait(10, 30)
        self._page.clear_filters(visit)

    def _spelt(self, query: str) -> str:
        """Return the query as one visitor types it."""
        return self._random.choice(
            (query, query, query.lower(), query.upper(), query.replace(" ", "  "), f" {query}")
        )
