"""The npm package in a Vite project with React 18 and 19: Chromium's events are in the database."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import Site
from tests.npm_package import build, new_project, pack, reacts


@pytest.fixture(scope="module")
def tarball(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pack(tmp_path_factory.mktemp("npm"))


@reacts
def test_a_built_page_records_what_its_visitor_does(
    tarball: Path,
    tmp_path: Path,
    serve: Callable[..., Site],
    sqlite_url: str,
    page: Any,
    monkeypatch: pytest.MonkeyPatch,
    react: int,
) -> None:
    dist = build(new_project(tmp_path / "project", tarball, react))
    monkeypatch.setenv("FRONT_END_DIST", str(dist))
    site = serve("tests.browser.npm_host:create_app()", sqlite_url)
    page.goto(site.url)
    session = "localStorage.getItem('tcs_session_id')"

    # One after the other, as the server may store together what comes together.
    for count, element in enumerate(("#open", "#hide", "#marked", ".card-link"), start=1):
        page.click(element)
        assert len(site.wait_for_events(count)) == count
    first = page.evaluate(session)
    page.click("#session")
    assert page.inner_text("#session") == first
    page.click("#log-out")
    page.click("#open")
    events = site.wait_for_events(5)

    assert [(event["event_type"], json.loads(event["payload"])) for event in events] == [
        ("room_opened", {"room_id": "sea-view", "source": "map"}),
        ("map_hidden", {}),
        ("map_hidden", {"seconds": 3}),
        ("card_click", {"expert_id": "ada", "context": "grid"}),
        ("room_opened", {"room_id": "sea-view", "source": "map"}),
    ]
    assert [event["session_id"] for event in events] == [first] * 4 + [page.evaluate(session)]
    assert page.evaluate(session) != first
    assert page.evaluate("document.cookie") == ""
