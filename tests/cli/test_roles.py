"""A command about a role that no event type has says so, and how to declare it."""

from __future__ import annotations

import json

import pytest
from flask import Flask

from tcs_events import EventType
from tcs_events.roles import Click, FilterChange, Impression, Role, Search
from tests.cli.asking import MARCH, click, lines, query, run, save
from tests.conftest import MakeHost

TOLD = {
    "top": ("Click, Search or FilterChange", 'Click(item="id")'),
    "top items": ("Click", 'Click(item="id")'),
    "top experts": ("Click", 'Click(item="id")'),
    "top queries": ("Search", 'Search(query="text")'),
    "top filters": ("FilterChange", 'FilterChange(filter="name", value="value")'),
    "gaps": ("Search", 'Search(query="text")'),
    "dead-ends": ("FilterChange", 'FilterChange(filter="name", value="value")'),
    "exposure": ("Search, Click or Impression", 'Search(query="text")'),
}


@pytest.fixture
def host(make_host: MakeHost, sqlite_url: str) -> Flask:
    return make_host(sqlite_url, TCS_EVENTS_EVENT_TYPES=["sign_up"])


@pytest.mark.parametrize("args", TOLD)
def test_an_empty_answer_says_which_role_is_missing(host: Flask, args: str) -> None:
    roles, example = TOLD[args]
    told = " ".join(lines(host, *args.split()))
    assert f"no event type has the role {roles}. Declare one:" in told
    assert f'EventType("...", role={example}).' in told


@pytest.mark.parametrize("args", TOLD)
def test_json_stays_json_and_the_reason_is_on_stderr(host: Flask, args: str) -> None:
    done = run(host, *args.split(), "--json")
    assert done.exit_code == 0
    answer = json.loads(done.stdout)
    assert not any(rows for name, rows in answer.items() if name not in ("period", "timezone"))
    assert ("no event type has the role" in done.stderr) == (args != "top")


def test_the_example_is_a_role_that_can_be_declared() -> None:
    names = {each.__name__: each for each in (Search, Click, Impression, FilterChange)}
    for _, example in TOLD.values():
        role: Role = eval(example, names)
        assert EventType("opened", role=role).role == role


@pytest.mark.parametrize(
    ("role", "lists"),
    [
        (Click(item="id"), ["No items from"]),
        (Search(query="text"), ["No queries from"]),
        (FilterChange(filter="name", value="to"), ["No filters from"]),
    ],
)
def test_top_leaves_out_what_no_event_type_can_fill(
    make_host: MakeHost, sqlite_url: str, role: Role, lists: list[str]
) -> None:
    host = make_host(sqlite_url, TCS_EVENTS_EVENT_TYPES=[EventType("done", role=role)])
    told = [line for line in lines(host, "top")[1:] if line]
    assert len(told) == len(lists)
    assert all(line.startswith(start) for line, start in zip(told, lists, strict=True))


def test_what_was_counted_before_is_still_listed(host: Flask) -> None:
    """The types of the marketplace are counted after a host has stopped accepting them."""
    save(host, click("ada"), query("rust", "one"), query("rust", "two"), query("rust", "three"))
    assert "ada" in " ".join(lines(host, "top", "items", *MARCH))
    assert "rust" in " ".join(lines(host, "top", *MARCH))
    assert "rust" in " ".join(lines(host, "gaps", *MARCH))
    assert "ada" in " ".join(lines(host, "exposure", *MARCH))


def test_a_period_without_events_is_still_named(sqlite_host: Flask) -> None:
    for args in TOLD:
        told = " ".join(lines(sqlite_host, *args.split(), *MARCH))
        assert "No " in told
        assert "from 2026-03-01 to 2026-03-31." in told
        assert "no event type has the role" not in told
