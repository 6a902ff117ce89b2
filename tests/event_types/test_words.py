"""The word for an item comes with the roles."""

from __future__ import annotations

from typing import Any

import pytest

from tcs_events import DEFAULT_EVENT_TYPES, EventType
from tcs_events.counts.meaning import meaning_of
from tcs_events.errors import ConfigError
from tcs_events.event_types.event_type import EventTypes
from tcs_events.event_types.words import Words, words_of
from tcs_events.roles import Click, FilterChange, Impression, Search
from tcs_events.settings import read_settings


def event_types(*types: object) -> EventTypes:
    return read_settings({}, {"event_types": types}).event_types


@pytest.mark.parametrize(
    ("word", "plural"),
    [
        ("room", "rooms"),
        ("flat", "flats"),
        ("bus", "buses"),
        ("box", "boxes"),
        ("dish", "dishes"),
        ("property", "properties"),
        ("holiday", "holidays"),
        ("meeting room", "meeting rooms"),
        (("person", "people"), "people"),
        ("{item}", "{item}s"),
    ],
)
def test_a_word_has_its_plural(word: Any, plural: str) -> None:
    words = words_of(event_types(EventType("opened", role=Click(item="id", word=word))))
    assert words.in_text("{items}") == plural
    assert words.in_text("{Items} and {item}") == (
        plural[0].upper() + plural[1:] + " and " + (word if isinstance(word, str) else word[0])
    )


@pytest.mark.parametrize(
    ("types", "items"),
    [
        (["sign_up"], "items"),
        ([EventType("opened", role=Click(item="id"))], "items"),
        ([EventType("asked", role=Search(query="text", word="room"))], "rooms"),
        ([EventType("seen", role=Impression(item="id", word="room"))], "rooms"),
        (
            [
                EventType("asked", role=Search(query="text")),
                EventType("opened", role=Click(item="id", word="room")),
                EventType("narrowed", role=FilterChange(filter="name", value="to")),
            ],
            "rooms",
        ),
        (
            [
                EventType("asked", role=Search(query="text", word="person")),
                EventType("opened", role=Click(item="id", word=("person", "people"))),
            ],
            "people",
        ),
        (
            [
                EventType("opened", role=Click(item="id", word="room")),
                EventType("booked", role=Click(item="id", word="flat")),
            ],
            "items",
        ),
        ([*DEFAULT_EVENT_TYPES], "experts"),
        (["card_click"], "experts"),
        ([*DEFAULT_EVENT_TYPES, EventType("opened", role=Click(item="id"))], "experts"),
        ([*DEFAULT_EVENT_TYPES, EventType("opened", role=Click(item="id", word="room"))], "items"),
    ],
)
def test_the_word_of_a_host_is_what_its_roles_agree_on(types: list[object], items: str) -> None:
    assert words_of(event_types(*types)).items == items


def test_programs_read_two_fixed_names_whatever_the_word_is() -> None:
    rooms, marketplace = Words("room", "rooms"), words_of(event_types(*DEFAULT_EVENT_TYPES))
    for name in ("item_id", "expert_id"):
        assert (rooms.name(name), marketplace.name(name)) == ("item_id", "expert_id")
    for name in ("items", "experts"):
        assert (rooms.name(name), marketplace.name(name)) == ("items", "experts")
    assert rooms.name("visits") == marketplace.name("visits") == "visits"


def test_an_event_type_more_does_not_change_the_names_that_programs_read() -> None:
    room = EventType("opened", role=Click(item="id", word="room"))
    assert words_of(event_types(*DEFAULT_EVENT_TYPES, room)).name("item_id") == "expert_id"


@pytest.mark.parametrize(
    "word", ["", " room", "room\n", "r" * 41, 7, (), ("room",) * 3, ("room", ""), ["room", "rooms"]]
)
@pytest.mark.parametrize("role", [Search, Click, Impression])
def test_what_is_no_word_stops_the_app_with_the_remedy(role: Any, word: object) -> None:
    with pytest.raises(ConfigError, match="Write the word for one item, such as 'room'"):
        role("id", word=word)


def test_another_word_counts_nothing_again() -> None:
    def version(word: Any) -> int:
        click = EventType("opened", role=Click(item="id", word=word))
        return meaning_of(event_types(click)).version

    assert version("room") == version("flat") == version(None)
