"""Two people log in and out in one browser, and stay two."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import create_engine, text

from tests.browser.conftest import Site
from tests.cli.asking import eventually
from tests.support import need_module

HOST = "tests.browser.login_host:create_app()"


def test_each_session_is_linked_to_the_user_who_was_logged_in(
    serve: Callable[..., Site], sqlite_url: str, page: Any
) -> None:
    need_module("flask_login")
    site, engine = serve(HOST, sqlite_url), create_engine(sqlite_url)

    def links() -> dict[str, str]:
        with engine.connect() as connection:
            rows = connection.execute(text("SELECT session_id, user_id FROM user_event_users"))
            return {row.session_id: row.user_id for row in rows}

    def press(name: str) -> None:
        page.get_by_role("button", name=name).click()
        page.wait_for_load_state()

    page.goto(site.url)
    press("Go")
    site.wait_for_events(1)
    assert links() == {}
    press("ada")
    press("Go")
    site.wait_for_events(2)
    assert eventually(lambda: len(links()) == 1)
    press("Log out")
    press("bo")
    press("Go")
    before, while_ada, while_bo = [row["session_id"] for row in site.wait_for_events(3)]
    assert before == while_ada != while_bo
    assert eventually(lambda: len(links()) == 2)
    assert links() == {while_ada: "id of ada", while_bo: "id of bo"}
    engine.dispose()
