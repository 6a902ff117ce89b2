"""The digest of a period: true counts, no chance findings, and no harm in a mail program."""

from __future__ import annotations

import json
from datetime import timedelta
from html.parser import HTMLParser

import pytest
from flask import Flask

from tcs_events.digest import Change
from tests.cli.asking import NOON, ask, change, click, lines, query, run, save
from tests.conftest import MakeHost

WEEK = ("digest", "--days", "7", "--to", "2026-03-08")
BEFORE = NOON - timedelta(days=7)
HOSTILE = ["<script>alert(1)</script>", "\x1b[2J\u202e", "日本" * 200, "x" * 5000, "& \" '"]


def test_counts_are_compared_with_the_days_before(host: Flask) -> None:
    save(host, click(created_at=BEFORE - timedelta(days=7)))  # so that there is a week before
    save(host, *(click(session=f"v{n}", created_at=BEFORE) for n in range(10)))
    save(host, *(click(session=f"v{n}") for n in range(60)))
    save(host, *(query("yoga", f"v{n}") for n in range(4)))
    save(host, *(query("yoga", f"v{n}", created_at=BEFORE) for n in range(2)))
    save(
        host, *(query("piano", f"v{n}") for n in range(3)), query("rare"), query("found", "v1", "a")
    )
    save(host, *(change("city", "Oslo", 0, f"v{n}") for n in range(3)))
    found = ask(host, *WEEK)
    assert [(each["name"], each["now"], each["before"]) for each in found["counts"]] == [
        ("Visits", 61, 10),
        ("Events", 72, 12),
        ("Clicks", 60, 10),
        ("Queries asked", 9, 2),
        ("Queries without result", 8, 2),
    ]
    assert found["changed"] == [{"name": "card_click", "now": 60, "before": 10}]
    assert [
        (each["query"], each["visits"], each["no_result"], each["no_result_before"])
        for each in found["wanted"]
    ] == [("yoga", 4, 4, 2), ("piano", 3, 3, 0)]
    assert [(each["filter"], each["value"]) for each in found["dead_ends"]] == [("city", "Oslo")]
    text = lines(host, *WEEK)
    assert text[0] == "What happened from 2026-03-02 to 2026-03-08"
    assert "Compared with 2026-02-23 to 2026-03-01. Days are in UTC." in text
    [clicks, card_clicks] = [line.split() for line in text if "lick" in line]
    assert clicks == ["Clicks", "60", "10", "+500", "%", "*"]
    assert card_clicks == ["card_click", "60", "10", "+500", "%", "*"]
    assert [line.split() for line in text if line.startswith("piano")] == [
        ["piano", "3", "3", "new"]
    ]
    assert not [line for line in text if "rare" in line]


@pytest.mark.parametrize(
    ("now", "before", "is_finding"),
    [
        (19, 0, False),
        (0, 20, True),
        (20, 40, False),
        (20, 50, True),
        (10_000, 10_900, False),
        (10_000, 11_500, True),
        (5, None, False),
    ],
)
def test_a_change_is_large_and_more_than_chance(
    now: int, before: int | None, is_finding: bool
) -> None:
    assert Change("visits", now, before).is_more_than_chance == is_finding


def test_without_events_before_nothing_is_compared(sqlite_host: Flask) -> None:
    save(sqlite_host, click())
    assert {each["before"] for each in ask(sqlite_host, *WEEK)["counts"]} == {None}
    text = "\n".join(lines(sqlite_host, *WEEK))
    assert "There are no events of the whole period before" in text
    assert "%" not in text


def test_a_period_without_events_is_said(sqlite_host: Flask) -> None:
    assert lines(sqlite_host, *WEEK)[-1] == "Nothing was stored of this period."


@pytest.mark.parametrize("options", [[], ["--html"], ["--json"]])
def test_without_roles_there_are_visits_events_and_what_changed(
    make_host: MakeHost, sqlite_url: str, options: list[str]
) -> None:
    host = make_host(sqlite_url, TCS_EVENTS_EVENT_TYPES=["sign_up", "booking_done"])
    save(host, click(event_type="sign_up", created_at=BEFORE - timedelta(days=7)))
    save(host, click(event_type="sign_up", created_at=BEFORE))
    save(host, *(click(session=f"v{n}", event_type="booking_done") for n in range(60)))
    found = run(host, *WEEK, *options)
    assert found.exit_code == 0, found.output
    if options == ["--json"]:
        said = json.loads(found.stdout)
        assert [(each["name"], each["now"], each["before"]) for each in said["counts"]] == [
            ("Visits", 60, 1),
            ("Events", 60, 1),
        ]
        assert said["changed"] == [{"name": "booking_done", "now": 60, "before": 0}]
        return
    for words in ("Visits", "Events", "booking_done", "60"):
        assert words in found.stdout
    for words in ("Clicks", "Queries", "found nothing", "filter"):
        assert words not in found.stdout


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}


def test_texts_of_visitors_do_no_harm(sqlite_host: Flask) -> None:
    save(sqlite_host, *(query(text, f"v{n}") for text in HOSTILE for n in range(3)))
    text = run(sqlite_host, *WEEK).stdout
    assert "found nothing" in text
    assert all(len(line) <= 80 and line.isprintable() for line in text.splitlines())
    html = run(sqlite_host, *WEEK, "--html").stdout
    tags = _Tags()
    tags.feed(html)
    assert tags.tags == {"html", "head", "meta", "title", "body", "h1", "h2", "p"} | {
        "table",
        "tr",
        "th",
        "td",
    }
    assert tags.attributes == {
        "lang",
        "charset",
        "border",
        "cellpadding",
        "cellspacing",
        "align",
    }
    assert "\x1b" not in html
    assert len(html) < 20_000
