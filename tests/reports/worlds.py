"""Small worlds full of what makes counting hard, each the same for the same seed."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from random import Random
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from tcs_events.event import Event, Identity, identity_id
from tests.reports.truth import World

FIRST_DAYS = {
    "UTC": date(2024, 2, 26),
    "Europe/Berlin": date(2024, 10, 24),  # the 27th has 25 hours
    "Asia/Kathmandu": date(2024, 3, 1),  # a quarter of an hour off the hour
    "Australia/Lord_Howe": date(2024, 10, 3),  # the 6th has 23 hours and a half
    "America/Sao_Paulo": date(2018, 11, 1),  # the 4th has no midnight
}
DAYS = 7
US = timedelta(microseconds=1)
AT_BORDERS = [-US, timedelta(0), US, timedelta(minutes=5) - US, timedelta(minutes=5)]
STEPS = [
    timedelta(0),
    US,
    timedelta(seconds=20),
    timedelta(seconds=60) - US,
    timedelta(seconds=60),
    timedelta(seconds=60) + US,
    timedelta(minutes=5) - US,
    timedelta(minutes=5),
    timedelta(minutes=5) + US,
    timedelta(minutes=37),
    timedelta(hours=1),
    timedelta(hours=9),
    timedelta(hours=31),
]
QUERIES = [
    "Flask Developer",
    "flask  developer",
    " FLASK developer ",
    "ｆｌａｓｋ developer",  # noqa: RUF001 - in full width
    "straße",
    "STRASSE",
    "rust",
    "Rust\n",
    "ﬁne art",
    "fine art",
    "d\u00e9signer d\u2019int\u00e9rieur",
    "D\u00e9signer d'int\u00e9rieur",
    "DE\u0301SIGNER D'INTE\u0301RIEUR",
    "Fla\u00adsk\u200b Developer\ufeff",
    "\u0130stanbul",
    "istanbul",
    "x" * 199 + " and more",
    "x" * 199,
]
NO_QUERIES = ["", "   ", "\u200b", "\ufeff \u00ad", None, 7, ["rust"], ...]
EXPERTS = ["ada", "bo", "cy", "dee", 7, "7", 7.0, " bo", "e" * 250]
NO_EXPERTS = ["", None, True, {"id": "ada"}, ["ada"], ...]
COUNTS = [0, 0, 0, 1, 3, 12]
NO_COUNTS = [None, "0", 0.0, 2.5, False, True, [], -1, ...]
FILTERS: list[Any] = [
    {},
    {},
    {"tags": [], "rate_max": None},
    {"tags": ["rust"]},
    {"rate_max": 90, "tags": ["rust"]},
    {"tags": ["rust"], "rate_max": 90},
    {"tags": ["rust", "go", "ü", "Go"]},
    {"tags": ["Go", "go", "rust", "ü"]},
    {"range": [90, 100, 9.5], "places": [{"in": ["b", "a"]}, {"in": []}]},
    {"range": [9.5, 100, 90], "places": [{"in": ["a", "b"]}, {"in": []}]},
    {"query": ""},
    {"remote": False, "rate": {"min": None, "max": ""}, "tags": [None, []], "query": " "},
    {"remote": True, "rate": {"min": 0, "max": None}},
    {"rate_max": 0},
    {"query": "a" * 250, "rate_max": 90},
]
NO_FILTERS = [None, "tags", ["rust"], 5, ...]
FILTER_CHANGES = [
    ("tags", "rust"),
    ("tags", ["rust"]),
    ("tags", "go"),
    ("tags", ["rust", "go"]),
    ("tags", ["go", "rust"]),
    ("odd", [True, "1", 1, None]),
    ("odd", [None, 1, "1", True]),
    ("rate_max", 90),
    ("rate_max", None),
    ("query", ""),
    ("query", "a" * 250),
    ("", "rust"),
    (None, 4),
    ("remote", False),
    ("remote", True),
    ("rate", {"min": None, "max": None}),
    ("rate", {"min": 0, "max": None}),
    ("rate_max", 0),
    ("tags", [""]),
    ("remote", {"b": 1, "a": "ü"}),
    ("tags", []),
    ("tags", ...),
]
CONTEXTS = ["grid", "sage_panel", "", None, 5, ...]
EMAILS = ["ada@example.com", "bo@example.com"]


def first_day(zone: ZoneInfo) -> date:
    return FIRST_DAYS[zone.key]


def make_world(seed: int, zone: ZoneInfo, size: int = 90) -> World:
    """Return what a handful of sessions did around a few midnights."""
    random = Random(f"{seed} {zone.key}")
    sessions = [f"session-{number}" for number in range(random.randint(1, 8))]
    events: list[Event] = []
    at = midnight(first_day(zone), zone)
    while len(events) < size:
        if random.random() < 0.25:
            of_day = first_day(zone) + timedelta(days=random.randrange(DAYS))
            at = midnight(of_day, zone) + random.choice(AT_BORDERS)
        session_id = random.choice(sessions)
        # A little story of one session, so that things do follow each other.
        for _ in range(random.randint(1, 5)):
            at += random.choice(STEPS)
            events.append(make_event(random, session_id, at))
    random.shuffle(events)  # they arrive in any order
    identities = [
        Identity(identity_id(session_id, email), session_id, email, at, at)
        for session_id in sessions
        for email in EMAILS
        if random.random() < 0.3
        for at in [random.choice(events).created_at]
    ]
    return World(zone, events, identities)


def midnight(of: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(of, time.min, zone).astimezone(UTC)


def make_event(random: Random, session_id: str, at: datetime) -> Event:
    event_type = random.choice(
        ["sage_query"] * 4
        + ["card_click"] * 3
        + ["filter_change"] * 3
        + ["card_impression", "sign_up"]
    )
    return Event(
        UUID(int=random.getrandbits(128), version=4),
        session_id,
        event_type,
        {key: value for key, value in make_payload(random, event_type).items() if value is not ...},
        random.choice([None] * 9 + EMAILS),
        at,
        at,
    )


def make_payload(random: Random, event_type: str) -> dict[str, Any]:
    def one_of(good: list[Any], bad: list[Any]) -> Any:
        return random.choice(good if random.random() < 0.85 else bad)

    if random.random() < 0.03:
        return {}
    expert = one_of(EXPERTS, NO_EXPERTS)
    count, filters = one_of(COUNTS, NO_COUNTS), one_of(FILTERS, NO_FILTERS)
    match event_type:
        case "sage_query":
            experts = [one_of(EXPERTS, [*NO_EXPERTS[:-1]]) for _ in range(random.randint(0, 9))]
            return {
                "query_text": one_of(QUERIES, NO_QUERIES),
                "result_count": count,
                "filters": filters,
                "expert_ids": one_of([experts], ["ada", None, {}, 4, ...]),
            }
        case "filter_change":
            name, value = random.choice(FILTER_CHANGES)
            return {"filter": name, "value": value, "filters": filters, "result_count": count}
        case "card_click":
            return {"expert_id": expert, "context": random.choice(CONTEXTS)}
        case "card_impression":
            return {"expert_id": expert, "context": "grid", "position": 1}
    return {"plan": "free"}
