"""The page of the tutorial, built and served as it says: what a visitor does becomes events."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.browser.conftest import Site
from tests.pages import page as document
from tests.support import need
from tests.tutorial import SNIPPETS, write_site


def test_an_opened_and_booked_room_are_two_events(
    serve: Callable[..., Site], tmp_path: Path, page: Any
) -> None:
    need(shutil.which("npx"), "Node 20 or later", "https://nodejs.org, or apt-get install npm")
    need((SNIPPETS / "node_modules").is_dir(), "npm packages", "npm ci --prefix frontend_snippets")
    write_site(tmp_path)
    (tmp_path / "node_modules").symlink_to(SNIPPETS / "node_modules")
    commands = document("tutorial").block("sh", "npx esbuild").splitlines()
    [build] = [command for command in commands if command.startswith("npx esbuild")]
    subprocess.run(build.split(), cwd=tmp_path, check=True, capture_output=True, timeout=120)

    site = serve("app:app", f"sqlite:///{tmp_path}/instance/rooms.db")
    page.goto(site.url)
    page.get_by_role("button", name="Garden room").click()
    page.get_by_role("button", name="Book the Garden room").click()
    opened, booked = site.wait_for_events(2)
    assert (opened["event_type"], booked["event_type"]) == ("room_opened", "booking_done")
    assert json.loads(opened["payload"]) == {"room_id": "garden", "source": "list"}
    assert json.loads(booked["payload"]) == {"room_id": "garden", "nights": 1}

    page.goto(f"{site.url}/insights")
    page.get_by_label("Password").fill("change me, too")
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url("**/insights/")
    assert page.get_by_role("heading", level=1).is_visible()
