"""A person may be known by a user id: their rights reach what is linked to it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask

from tcs_events import reports
from tcs_events.models import own_metadata
from tests.cli.asking import NOON, ask, click, lines, run, save
from tests.conftest import URL_FIXTURES, MakeHost
from tests.rights.tables import (
    all_tables,
    identities,
    identity,
    sessions_with_events,
    user_link,
    user_links,
)
from tests.rights.test_subjects import held

ADA, BO = "ada@example.com", "bo@example.com"


@pytest.fixture(params=URL_FIXTURES)
def database_url(request: pytest.FixtureRequest) -> str:
    url: str = request.getfixturevalue(URL_FIXTURES[request.param])
    return url


@pytest.fixture
def host(make_host: MakeHost, database_url: str) -> Flask:
    return make_host(database_url, TCS_EVENTS_IDENTIFY_USER="by_hand")


class TestOfAUserId:
    @pytest.fixture(autouse=True)
    def _rows(self, host: Flask) -> None:
        save(
            host,
            click(session="laptop"),
            click(session="phone"),
            click(session="phone", email=BO),
            click(session="of another"),
            click(session="of nobody"),
            user_link("42", "laptop"),
            user_link("42", "phone"),
            user_link("4", "of another"),
        )

    def test_all_that_is_in_its_sessions_is_shown_and_forgotten(self, host: Flask) -> None:
        shown = held(host, "--user", "42")
        assert shown["subject"] == {
            "addresses": [],
            "user_ids": ["42"],
            "sessions": ["laptop", "phone"],
        }
        assert {row["session_id"] for row in shown["events"]} == {"laptop", "phone"}
        assert {row["user_id"] for row in shown["user_links"]} == {"42"}
        assert BO not in str(shown)
        said = ask(host, "forget", "--user", "42", "--yes")
        assert (said["events"], said["user_links"], said["events_of_others"]) == (2, 2, 1)
        assert user_links(host) == {("of another", "4", None)}
        assert sessions_with_events(host) == {"phone", "of another", "of nobody"}
        assert held(host, "--user", "42")["events"] == []

    def test_is_said_in_words(self, host: Flask) -> None:
        assert lines(host, "forget", "--user", "42", "--dry-run")[0] == (
            "Would delete 2 events, 0 identities and 2 user links."
        )

    def test_an_id_is_compared_letter_by_letter(self, host: Flask) -> None:
        save(host, user_link("Zoe", "s1"), click(session="s1"))
        for other in ("zoe", "ZOE", "Zo%", "Zoe "):
            assert ask(host, "forget", "--user", other, "--yes")["events"] == 0
        assert ask(host, "forget", "--user", "Zoe", "--yes")["events"] == 1

    def test_a_session_that_is_named_beside_it_is_taken_once(self, host: Flask) -> None:
        args = ("--user", "42", "--session", "phone")
        shown = held(host, *args)
        assert (len(shown["events"]), len(shown["user_links"])) == (3, 2)
        said = ask(host, "forget", *args, "--yes")
        assert (said["events"], said["user_links"]) == (3, 2)

    def test_its_timeline_shows_whom_forget_finds(self, host: Flask) -> None:
        save(host, click(session="laptop", created_at=NOON - timedelta(hours=1)))
        with host.app_context():
            shown = reports.user_timeline("42")
        assert [(event.session_id, event.is_known) for event in shown] == [
            ("laptop", False),
            ("laptop", True),
            ("phone", True),
        ]
        assert len(ask(host, "timeline", "--user", "42")["rows"]) == 3
        assert ask(host, "timeline", "--user", "4 2") == {"rows": []}

    def test_goes_with_the_last_event_of_its_session(self, host: Flask) -> None:
        save(host, user_link("42", "gone"), click(session="phone", created_at=datetime.now(UTC)))
        before = ask(host, "prune", "--older-than", "2026-03-03", "--dry-run")
        said = ask(host, "prune", "--older-than", "2026-03-03")
        assert (said["events"], said["user_links"]) == (5, 3)
        assert (before["events"], before["user_links"]) == (5, 3)
        assert user_links(host) == {("phone", "42", None)}


class TestOfAnAddressAndAnId:
    def test_given_together_they_are_one_person(self, host: Flask) -> None:
        save(
            host,
            user_link("42", "laptop"),
            user_link("42", "laptop", "Ada@Example.com"),
            user_link("42", "phone"),
            identity(ADA, "newsletter"),
            *(click(session=session) for session in ("laptop", "phone", "newsletter", "other")),
            click(session="mail", email=ADA),
        )
        by_id, by_address = held(host, "--user", "42"), held(host, "--email", ADA)
        assert by_id["events"] == by_address["events"]
        assert by_id["subject"]["sessions"] == ["laptop", "newsletter", "phone"]
        said = ask(host, "forget", "--email", ADA, "--yes")
        assert (said["events"], said["identities"], said["user_links"]) == (4, 1, 3)
        assert sessions_with_events(host) == {"other"}
        assert (identities(host), user_links(host)) == (set(), set())

    def test_a_user_who_has_changed_the_address_has_both(self, host: Flask) -> None:
        old = "ada@old.example"
        save(
            host,
            user_link("42", "s1"),
            user_link("42", "s1", old),
            user_link("42", "s2"),
            user_link("42", "s2", ADA),
            click(session="s3", email=old),
        )
        assert len(held(host, "--email", ADA)["events"]) == 1

    def test_a_session_that_both_were_seen_in_does_not_make_them_one(self, host: Flask) -> None:
        """A browser may claim any address, and nobody gets another's events by that."""
        save(
            host,
            click(session="of the claimer"),
            user_link("66", "of the claimer"),
            identity(ADA, "of the claimer"),
            click(session="of ada"),
            identity(ADA, "of ada"),
        )
        shown = held(host, "--user", "66")
        assert [row["session_id"] for row in shown["events"]] == ["of the claimer"]
        assert ADA not in str(shown)
        run(host, "forget", "--user", "66", "--yes")
        assert identities(host) == {("of the claimer", ADA), ("of ada", ADA)}
        assert sessions_with_events(host) == {"of ada"}

    def test_the_link_of_another_stays_when_a_person_is_forgotten(self, host: Flask) -> None:
        save(host, click(session="shared"), user_link("42", "shared"), identity(BO, "shared"))
        [_, hint] = lines(host, "forget", "--email", BO, "--dry-run")
        assert hint == (
            "The same sessions are linked to the user id 42. Give it with --user if it belongs to"
            " the same person."
        )
        said = ask(host, "forget", "--email", BO, "--yes")
        assert said["other_user_ids"] == ["42"]
        assert (identities(host), user_links(host)) == (set(), {("shared", "42", None)})


class TestWithoutTheSetting:
    def test_no_table_is_made(self, make_host: MakeHost, database_url: str) -> None:
        host = make_host(database_url)
        assert "user_event_users" not in all_tables(host)
        save(host, click(), identity(ADA))
        assert len(held(host, "--email", ADA)["events"]) == 1
        assert ask(host, "timeline", "--user", "42") == {"rows": []}
        assert ask(host, "forget", "--user", "42", "--yes")["events"] == 0

    def test_links_from_when_it_was_on_are_still_found(
        self, make_host: MakeHost, database_url: str
    ) -> None:
        make_host(database_url, TCS_EVENTS_IDENTIFY_USER="by_hand")
        host = make_host(database_url, create=False)
        with host.app_context(), host.extensions["sqlalchemy"].engine.begin() as connection:
            row = {
                "link_id": user_link("42").link_id,
                "session_id": "visitor-1",
                "user_id": "42",
                "created_at": datetime.now(UTC),
                "received_at": datetime.now(UTC),
            }
            connection.execute(own_metadata.tables["user_event_users"].insert(), row)
        save(host, click())
        assert ask(host, "forget", "--user", "42", "--yes")["events"] == 1
        assert user_links(host) == set()
