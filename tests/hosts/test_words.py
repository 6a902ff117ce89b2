"""A booking host reads of rooms everywhere, and the marketplace of experts, as ever."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tcs_events import EventType
from tcs_events.cli import COMMANDS
from tcs_events.dashboard import create_dashboard
from tcs_events.dashboard.pages import PAGES, TABLES
from tcs_events.roles import Click, FilterChange, Search
from tests.cli.asking import MARCH, ask, run
from tests.conftest import MakeHost
from tests.dashboard.visitors import EXPERTS, fill, noon_today, visitors
from tests.reports.test_roles import BOOKING, as_booking

EMPTY = "from=2020-01-01&to=2020-01-31"
REPORTS = [["top"], ["gaps"], ["dead-ends"], ["exposure"], ["stats"], ["types"], ["retention"]]
ABOUT_ITEMS = {"top", "exposure", "dead_ends"}
"""The pages, and the commands, that are about items."""
THE_OTHER = re.compile(r"expert|\bsage\b|\bcards?\b", re.IGNORECASE)
ITEM = re.compile(r"\bitems?\b", re.IGNORECASE)


@pytest.fixture
def booking(make_host: MakeHost, sqlite_url: str) -> Flask:
    """A host with rooms, and a month of visitors."""
    app = make_host(sqlite_url, TCS_EVENTS_EVENT_TYPES=BOOKING)
    rooms, random = [f"nr-{number}" for number in range(60)], Random(3)
    app.register_blueprint(create_dashboard(lambda: True, catalogue=rooms))
    events = []
    for event in visitors(40, 25, noon_today(), rooms):
        payload = {key: item for key, item in event.payload.items() if key != "function_called"}
        if "context" in payload:
            payload["context"] = "map"
        events.append(as_booking(event._replace(payload=payload), random))
    fill(app, events)
    return app


@pytest.fixture
def marketplace(make_host: MakeHost, sqlite_url: str) -> Flask:
    app = make_host(sqlite_url)
    app.register_blueprint(create_dashboard(lambda: True, catalogue=EXPERTS))
    fill(app, list(visitors(40, 25, noon_today())))
    return app


def text_of(html: str) -> str:
    """Return what a person reads of a page: its text, and the hints of its elements."""
    html = re.sub(r"<(style|script)\b.*?</\1>", "", html, flags=re.DOTALL)
    hints = re.findall(r'(?:title|aria-label|placeholder)="([^"]*)"', html)
    return " ".join([re.sub(r"<[^>]*>", " ", html), *hints])


def pages_of(client: FlaskClient) -> dict[str, str]:
    """Return every page and table, with and without events in its period."""
    paths = [page.path for page in PAGES.values()] + [f"/tables/{name}" for name in TABLES]
    urls = [f"/insights{path}?{query}" for path in paths for query in ("days=30", EMPTY)]
    urls += [
        f"/insights/tables/exposure?rung={rung}" for rung in ("never_returned", "never_clicked")
    ]
    answers = {url: client.get(url) for url in urls}
    assert {answer.status_code for answer in answers.values()} == {200}
    return {url: answer.text for url, answer in answers.items()}


def test_the_pages_of_a_booking_host_say_room(booking: Flask) -> None:
    for url, html in pages_of(booking.test_client()).items():
        assert not THE_OTHER.findall(text_of(html)), url
        assert not ITEM.findall(text_of(html)), url
        assert "expert" not in html.lower(), url
        name = re.split(r"[?/]", url.removeprefix("/insights/"))[0].replace("-", "_")
        assert name not in ABOUT_ITEMS or "room" in text_of(html), url


def test_the_files_of_a_booking_host_have_neutral_names(booking: Flask) -> None:
    client = booking.test_client()
    for name in PAGES:
        answer = client.get(f"/insights/api/{name}.json")
        assert answer.status_code == 200
        assert "expert" not in answer.text, name
    for name in (*TABLES, "experts"):  # a table can also be asked for by the name it has elsewhere
        answer = client.get(f"/insights/csv/{name}.csv")
        assert answer.status_code == 200
        assert "expert" not in answer.text + answer.headers["Content-Disposition"], name
        header = next(csv.reader(io.StringIO(answer.data.decode("utf-8-sig"))))
        assert ("item_id" in header) == (name in ("items", "experts", "exposure"))


def test_the_help_of_a_booking_host_says_room(booking: Flask) -> None:
    told = {str(command.name): run(booking, str(command.name), "--help") for command in COMMANDS}
    told[""] = run(booking, "--help")
    for name, done in told.items():
        assert done.exit_code == 0
        text = done.output.replace("[items|queries|filters]", "")
        assert not THE_OTHER.findall(text), name
        assert not ITEM.findall(text), name
        assert name not in ("", "top", "exposure", "dead-ends") or "room" in text


@pytest.mark.parametrize("args", REPORTS, ids=" ".join)
@pytest.mark.parametrize("period", [(), MARCH], ids=["filled", "empty"])
def test_the_commands_of_a_booking_host_say_room(
    booking: Flask, args: list[str], period: tuple[str, ...]
) -> None:
    done = run(booking, *args, *period)
    assert done.exit_code == 0
    assert not THE_OTHER.findall(done.output)
    assert not ITEM.findall(done.output)
    assert args not in (["top"], ["exposure"]) or "room" in done.output
    assert "expert" not in str(ask(booking, *args, *period))


def test_a_catalogue_of_a_booking_host_is_of_rooms(booking: Flask, tmp_path: Path) -> None:
    ids = tmp_path / "ids.txt"
    ids.write_text("nr-1\nnobody\n")
    told = run(booking, "exposure", "--catalogue-file", str(ids)).output
    assert "50.0 % of rooms were shown to at least one visitor." in told


def test_a_mistake_names_the_choices_of_the_host(booking: Flask, marketplace: Flask) -> None:
    told = run(booking, "top", "clicks").output
    assert "'[items|queries|filters]...': 'clicks' is not one of 'items', 'queries'" in told
    told = run(marketplace, "top", "clicks").output
    assert "'[experts|queries|filters]...': 'clicks' is not one of 'experts', 'queries'" in told


@pytest.mark.parametrize("name", ["items", "experts"])
def test_both_names_work_on_every_host(booking: Flask, marketplace: Flask, name: str) -> None:
    assert run(booking, "top", name).output == run(booking, "top", "items").output
    assert run(marketplace, "top", name).output == run(marketplace, "top", "experts").output
    for app, told in ((booking, "Rooms"), (marketplace, "Experts")):
        page = app.test_client().get(f"/insights/tables/{name}").text
        assert f"<h1>{told}</h1>" in page


def test_a_word_is_text_and_never_markup(make_host: MakeHost, sqlite_url: str) -> None:
    word = ("<b>room & co</b>", "{items} <i>")
    app = make_host(
        sqlite_url,
        TCS_EVENTS_EVENT_TYPES=[
            EventType("asked", role=Search(query="text", item_ids="ids", word=word)),
            EventType("opened", role=Click(item="id")),
            EventType("narrowed", role=FilterChange(filter="name", value="to")),
        ],
    )
    app.register_blueprint(create_dashboard(lambda: True, catalogue=["one"]))
    for url, html in pages_of(app.test_client()).items():
        assert "<b>room" not in html, url
        assert "<i>" not in html, url
    page = app.test_client().get("/insights/exposure").text
    assert "Which {items} &lt;i&gt; are never seen?" in page


def test_the_names_that_programs_read_of_the_marketplace_stay(marketplace: Flask) -> None:
    client = marketplace.test_client()
    read: Callable[[str], str] = lambda path: client.get(f"/insights/{path}").text  # noqa: E731
    assert read("csv/experts.csv").startswith('\ufeff"expert_id","visits","clicks","by_context"')
    assert read("csv/exposure.csv").startswith('\ufeff"expert_id","exposed","returned"')
    top = client.get("/insights/api/top.json").json["answer"]  # type: ignore[index]
    assert list(top) == ["experts", "queries", "filters"]
    assert list(top["experts"][0]) == ["expert_id", "clicks", "visits", "by_context"]
    exposure = client.get("/insights/api/exposure.json").json["answer"]["exposure"]  # type: ignore[index]
    assert list(exposure) == ["experts", "coverage", "gini"]
    assert "expert_id" in exposure["experts"][0]
    overview = client.get("/insights/api/overview.json").json["answer"]  # type: ignore[index]
    assert {"experts", "queries", "gaps", "rungs", "coverage", "dead_end_values"} < overview.keys()
    assert list(ask(marketplace, "top"))[2:] == ["experts", "queries", "filters"]
    assert "expert_id" in ask(marketplace, "exposure")["experts"][0]
    filename = client.get("/insights/csv/experts.csv").headers["Content-Disposition"]
    assert 'filename="experts-' in filename


def test_the_pages_of_the_marketplace_say_expert(marketplace: Flask) -> None:
    for url, html in pages_of(marketplace.test_client()).items():
        assert not ITEM.findall(text_of(html)), url
        assert "room" not in html.lower(), url
        assert "{" not in text_of(html).replace("{}", ""), url
    for args in (["top"], ["exposure"], ["top", "--help"], ["dead-ends", "--help"]):
        told = run(marketplace, *args).output
        assert "expert" in told
        assert not ITEM.findall(told)
