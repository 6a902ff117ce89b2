"""What a person may ask for: to see all that is held about them, and to have it deleted."""

from __future__ import annotations

import json
import signal
import stat
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from flask import Flask

from tcs_events import reports
from tcs_events.host import registration_of
from tcs_events.models import UserEventBotSession
from tests.cli.asking import (
    MARCH,
    NOON,
    ask,
    click,
    database_url_of,
    eventually,
    lines,
    query,
    run,
    running,
    save,
)
from tests.faces.test_identify import identify
from tests.rights.tables import (
    all_tables,
    identities,
    identity,
    new_word,
    rejection,
    sessions_with_events,
)
from tests.support import URL, card_click, post, stored

ADA, BO = "ada@example.com", "bo@example.com"


def held(app: Flask, *args: str) -> Any:
    """Return what `export-subject` writes to stdout, read strictly."""
    result = run(app, "export-subject", *args)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout, parse_constant=lambda name: 1 / 0)


def as_stored(document: Any) -> dict[str, set[str]]:
    """Return the ids of what an export holds, as the tables have them."""
    return {
        "user_events": {UUID(row["event_id"]).hex for row in document["events"]},
        "user_event_identities": {UUID(row["identity_id"]).hex for row in document["identities"]},
    }


def ids(app: Flask) -> dict[str, set[str]]:
    tables = all_tables(app)
    names = {"user_events": "event_id", "user_event_identities": "identity_id"}
    return {
        table: {UUID(str(row[name])).hex for row in tables[table]} for table, name in names.items()
    }


class TestWhoseItIs:
    @pytest.fixture
    def host(self, host: Flask) -> Flask:
        save(
            host,
            click(session="past"),
            click(session="carrying only", email=ADA),
            click(session="shared"),
            click(session="shared", email=ADA),
            click(session="shared", email=BO),
            click(session="of bo"),
            click(session="of nobody"),
            identity(ADA, "past"),
            identity(ADA, "shared"),
            identity(BO, "shared"),
            identity(BO, "of bo"),
            identity(ADA, "empty"),
        )
        return host

    def test_a_person_has_linked_sessions_and_events_with_the_address(self, host: Flask) -> None:
        said = ask(host, "forget", "--email", ADA, "--yes")
        assert said == {
            "events": 4,
            "rejections": 0,
            "bot_sessions": 0,
            "identities": 3,
            "user_links": 0,
            "events_of_others": 1,
            "other_user_ids": [],
            "is_done": True,
        }
        left = [(row["session_id"], row["email"]) for row in stored(host)]
        assert left == [("shared", BO), ("of bo", None), ("of nobody", None)]
        assert identities(host) == {("shared", BO), ("of bo", BO)}

    @pytest.mark.parametrize(
        "spelling",
        [ADA, "ADA@example.com", "Ada@Example.COM", " ada@example.com", "\uff21da@example.com"],
    )
    def test_a_timeline_shows_whom_forget_finds(self, host: Flask, spelling: str) -> None:
        save(
            host,
            click(session="at work", email="Ada@EXAMPLE.com"),
            identity("ADA@example.com", "phone"),
        )
        save(host, click(session="phone"))
        with host.app_context():
            shown = reports.person_timeline(spelling)
        run(host, "forget", "--email", spelling, "--yes")
        left = {row["session_id"] for row in stored(host)}
        assert len(shown) == 6
        assert {"at work", "phone"} <= {event.session_id for event in shown}
        assert {"at work", "phone"}.isdisjoint(left)
        with host.app_context():
            assert reports.person_timeline(spelling) == []

    def test_nothing_is_left_of_them_in_their_timeline(self, host: Flask) -> None:
        run(host, "forget", "--email", ADA, "--yes")
        with host.app_context():
            assert reports.person_timeline(ADA) == []

    def test_an_event_that_carries_the_address_of_another_is_not_shown_to_them(
        self, host: Flask
    ) -> None:
        assert BO not in str(held(host, "--email", ADA))

    def test_of_that_event_the_operator_is_told(self, host: Flask) -> None:
        assert lines(host, "forget", "--email", ADA, "--dry-run") == [
            "Would delete 4 events and 3 identities.",
            "Not included: 1 event of the same sessions with another address. Give that address"
            " too if it belongs to the same person.",
        ]
        run(host, "forget", "--email", ADA, "--email", BO, "--yes")
        assert sessions_with_events(host) == {"of nobody"}
        assert identities(host) == set()

    def test_a_session_is_all_that_is_in_it(self, host: Flask) -> None:
        said = ask(host, "forget", "--session", "shared", "--session", "of nobody", "--yes")
        assert (said["events"], said["identities"]) == (4, 2)
        assert sessions_with_events(host) == {"past", "carrying only", "of bo"}
        assert identities(host) == {("past", ADA), ("of bo", BO), ("empty", ADA)}

    def test_a_session_that_is_named_beside_its_person_is_taken_once(self, host: Flask) -> None:
        args = ("--email", ADA, "--session", "shared")
        assert len(held(host, *args)["events"]) == 5
        assert ask(host, "forget", *args, "--yes")["events"] == 5

    @pytest.mark.parametrize(
        "written", ["ADA@Example.COM", " ada@example.com ", "\uff41da@example.com"]
    )
    def test_an_address_is_the_same_in_any_case(self, host: Flask, written: str) -> None:
        save(host, click(session="loud", email="Ada@EXAMPLE.com"), identity("ADA@example.com", "a"))
        save(host, click(session="a"))
        assert ask(host, "forget", "--email", written, "--yes")["events"] == 6

    def test_an_address_beyond_ascii_is_the_same_in_any_case(self, host: Flask) -> None:
        save(host, click(email="ÅSA@example.com"), identity("åsa@example.com", "a"))
        said = ask(host, "forget", "--email", "Åsa@example.com", "--yes")
        assert (said["events"], said["identities"]) == (1, 1)

    @pytest.mark.parametrize(
        "name", ["%", "a_a@example.com", "' OR 1=1 --", "da@example.com", "ada@example.com.", ""]
    )
    def test_an_address_is_never_a_pattern(self, host: Flask, name: str) -> None:
        said = ask(host, "forget", "--email", name, "--yes")
        assert (said["events"], said["identities"]) == (0, 0)

    def test_more_sessions_than_a_statement_takes(self, sqlite_host: Flask) -> None:
        names = [f"visitor-{number}" for number in range(1_100)]
        save(sqlite_host, *(identity(ADA, name) for name in names))
        save(sqlite_host, *(click(session=name) for name in names), click(session="other"))
        assert len(held(sqlite_host, "--email", ADA)["events"]) == 1_100
        assert ask(sqlite_host, "forget", "--email", ADA, "--yes")["events"] == 1_100
        assert sessions_with_events(sqlite_host) == {"other"}


class TestNobodyNamed:
    @pytest.mark.parametrize("command", ["forget", "export-subject"])
    def test_is_wrong(self, sqlite_host: Flask, command: str) -> None:
        result = run(sqlite_host, command)
        assert (result.exit_code, result.stdout) == (2, "")
        assert "Give --email ADDRESS, --user ID or --session SESSION." in result.stderr


def act_in_many_ways(app: Flask) -> None:
    """Let Ada, Bo and others post whatever the endpoints take, in all orders."""
    client = app.test_client()
    post(app, session_id="anonymous")
    post(app, session_id="s1", payload={"said": "before she was known"})
    identify(app, session_id="s1", email=ADA)
    post(app, session_id="s1", age_ms=86_400_000)
    post(app, session_id="s1", email=ADA, event_type="sage_query")
    post(app, session_id="s2", email="Ada@Example.com")
    identify(app, session_id="s3", email="ADA@EXAMPLE.COM", age_ms=3_600_000)
    batch = [
        card_click(session_id="s3"),
        card_click(session_id="s3", email=BO),
        card_click(session_id="s4", email=ADA),
        card_click(session_id="s4"),
        card_click(session_id=""),
        card_click(session_id="s3", event_type="filter_change", payload={"value": ["ü", 1.5]}),
    ]
    client.post(f"{URL}/batch", json={"events": batch})
    identify(app, session_id="shared", email=BO)
    identify(app, session_id="shared", email=ADA)
    post(app, session_id="shared")
    post(app, session_id="shared", email=BO)
    identify(app, session_id="bo", email=BO)
    post(app, session_id="bo")
    twice = "5d3a4c1e-8c54-4f0c-9f6e-0d6a3f1f2b11"
    for _ in range(2):
        post(app, session_id="s1", event_id=twice)


@pytest.mark.parametrize(
    "args",
    [
        ("--email", ADA),
        ("--email", BO),
        ("--session", "s1"),
        ("--session", "shared"),
        ("--email", ADA, "--session", "shared", "--session", "bo"),
        ("--email", ADA, "--email", BO),
        ("--email", "nobody@example.com"),
    ],
)
def test_what_is_forgotten_is_what_was_shown_before(app: Flask, args: tuple[str, ...]) -> None:
    act_in_many_ways(app)
    before = ids(app)
    shown = as_stored(held(app, *args))
    rows = {table: all_tables(app)[table] for table in before}
    assert run(app, "forget", *args, "--yes").exit_code == 0
    after = ids(app)
    assert {table: before[table] - after[table] for table in before} == shown
    # and what is left is as it was
    for table in before:
        assert [row for row in all_tables(app)[table] if row not in rows[table]] == []
    nothing = held(app, *args)
    assert (nothing["events"], nothing["identities"]) == ([], [])


class TestTheExport:
    def test_holds_every_column_of_every_row(self, host: Flask) -> None:
        payload = {"said": "ü \N{OWL}", "n": [1.5, None, True]}
        save(host, click(email=ADA, payload=payload), identity(ADA, "visitor-1"))
        document = held(host, "--email", ADA)
        [event], [link] = document["events"], document["identities"]
        assert list(event) == [
            "id",
            "event_id",
            "session_id",
            "event_type",
            "payload",
            "email",
            "created_at",
            "received_at",
        ]
        assert (event["payload"], event["email"]) == (payload, ADA)
        assert event["created_at"] == NOON.isoformat()
        assert (link["session_id"], link["email"]) == ("visitor-1", ADA)
        assert document["subject"] == {
            "addresses": [ADA],
            "user_ids": [],
            "sessions": ["visitor-1"],
        }
        exported_at = datetime.fromisoformat(document["exported_at"])
        assert abs((datetime.now(UTC) - exported_at).total_seconds()) < 60

    def test_of_nobody_is_empty(self, host: Flask) -> None:
        document = held(host, "--session", "nobody")
        assert (document["events"], document["identities"]) == ([], [])

    def test_goes_into_a_file_for_you_alone(self, host: Flask, tmp_path: Path) -> None:
        save(host, click(), identity(ADA))
        file = tmp_path / "ada.json"
        result = run(host, "export-subject", "--email", ADA, "-o", str(file))
        assert (result.exit_code, result.stdout) == (0, "")
        assert result.stderr == "Exported 1 event and 1 identity.\n"
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert len(json.loads(file.read_text())["events"]) == 1

    def test_replaces_nothing_unless_told(self, sqlite_host: Flask, tmp_path: Path) -> None:
        file = tmp_path / "ada.json"
        file.write_text("mine")
        args = ("export-subject", "--email", ADA, "-o", str(file))
        result = run(sqlite_host, *args)
        assert (result.exit_code, file.read_text()) == (2, "mine")
        assert run(sqlite_host, *args, "--force").exit_code == 0
        assert json.loads(file.read_text())["events"] == []

    def test_that_fails_leaves_no_file(
        self, sqlite_host: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder = tmp_path / "exports"
        folder.mkdir()
        save(sqlite_host, click(session="s"))

        def fail(*_: object) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("tcs_events.rights.held._rows", fail)
        result = run(sqlite_host, "export-subject", "--session", "s", "-o", f"{folder}/s.json")
        assert (result.exit_code, list(folder.iterdir())) == (1, [])
        assert "could not be written: No space left on device." in result.stderr


class TestForgetting:
    def test_asks_first(self, host: Flask) -> None:
        save(host, click(), identity(ADA))
        args = ("forget", "--email", ADA)
        result = run(host, *args, input="n\n")
        assert (result.exit_code, len(stored(host))) == (1, 1)
        assert "Delete 1 event and 1 identity for good? [y/N]" in result.stderr
        assert run(host, *args, input="y\n").exit_code == 0
        assert stored(host) == []

    def test_without_an_answer_deletes_nothing(self, sqlite_host: Flask) -> None:
        save(sqlite_host, click(), identity(ADA))
        assert run(sqlite_host, "forget", "--email", ADA).exit_code == 1
        assert len(stored(sqlite_host)) == 1

    def test_a_dry_run_deletes_nothing(self, host: Flask) -> None:
        save(host, click(), identity(ADA))
        before = all_tables(host)
        said = ask(host, "forget", "--email", ADA, "--dry-run")
        assert (said["events"], said["identities"], said["is_done"]) == (1, 1, False)
        assert all_tables(host) == before

    def test_takes_what_only_they_asked_out_of_the_counts_too(self, host: Flask) -> None:
        word, common = new_word(), "design"
        save(
            host,
            query(f"{word} developer", "s1"),
            query(f"  {word.upper()}   Developer", "s2"),
            click(session="s1", payload={"expert_id": word, "context": word}),
            click(
                session="s1",
                event_type="filter_change",
                payload={
                    "filter": "tags",
                    "value": word,
                    "filters": {"t": word},
                    "result_count": 0,
                },
            ),
            query(common, "s1"),
            query(common.upper(), "s3"),
            identity(ADA, "s1"),
            identity(ADA, "s2"),
        )
        assert ask(host, "top", *MARCH)["queries"][0]["visits"] == 2
        kept = [name for name, rows in all_tables(host).items() if word in str(rows).lower()]
        assert len(kept) >= 4  # or it was never in the counts, and this proves nothing
        assert run(host, "forget", "--email", ADA, "--yes").exit_code == 0
        assert word not in str(all_tables(host)).lower()
        [left] = ask(host, "top", *MARCH)["queries"]
        assert (left["query"], left["visits"], left["sample"]) == (common, 1, common.upper())

    def test_waits_for_somebody_who_counts(
        self, host: Flask, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        save(host, query("x", "s1"), identity(ADA, "s1"))
        refresher = registration_of(host)
        with host.app_context():
            refresh, answers = refresher.refresher.refresh, [None, None]

            def busy(**options: Any) -> Any:
                return answers.pop() if answers else refresh(**options)

            monkeypatch.setattr(refresher.refresher, "refresh", busy)
        assert ask(host, "forget", "--email", ADA, "--yes")["is_done"]
        assert answers == []

    def test_says_so_where_somebody_does_not_stop_counting(
        self, sqlite_host: Flask, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        save(sqlite_host, click(), identity(ADA))
        monkeypatch.setattr("tcs_events.cli.subjects.COUNTED_BY_OTHERS_SECONDS", 0.3)
        with sqlite_host.app_context():
            refresher = registration_of(sqlite_host).refresher
            monkeypatch.setattr(refresher, "refresh", lambda **_: None)
        result = run(sqlite_host, "forget", "--email", ADA, "--yes")
        assert result.exit_code == 1
        assert "reports may still show what was deleted; run `flask tcs-events rollup`" in (
            result.stderr
        )

    def test_that_was_stopped_finds_the_rest_next_time(self, host: Flask) -> None:
        save(host, *(click(session=f"s{number}") for number in range(300)))
        save(host, *(identity(ADA, f"s{number}") for number in range(300)))
        slow = (
            "from tcs_events.rights import deleting\n"
            "deleting.MAX_ROWS = 10\ndeleting.MIN_PAUSE_SECONDS = 0.1"
        )
        args = ("forget", "--email", ADA, "--yes")
        with running(database_url_of(host), *args, program=slow) as forgetting:
            assert eventually(lambda: len(stored(host)) < 300)
            assert forgetting.end(signal.SIGINT) == 130
        left = len(stored(host))
        assert 0 < left < 300
        assert ask(host, *args)["events"] == left
        assert (stored(host), identities(host)) == ([], set())

    def test_no_output_holds_the_address(self, host: Flask) -> None:
        address = f"{new_word()}@example.com"
        save(host, click(email=address), identity(address))
        for args in (["--dry-run"], ["--yes"]):
            assert address not in run(host, "forget", "--email", address, *args).output


class TestWhatElseIsKept:
    """What was refused has null where it named no session or address; marks name no address."""

    @pytest.fixture
    def host(self, host_of_features_turned_off: Flask) -> Flask:
        host = host_of_features_turned_off
        refused = [(None, None), (None, ADA), ("s1", None), ("s1", ADA), ("s1", BO), ("s2", None)]
        save(host, *(rejection(*whose) for whose in refused))
        save(host, *(UserEventBotSession(session_id=session) for session in ("s1", "s2")))
        save(host, identity(ADA, "s1"), click(session="s1", email=BO))
        return host

    @pytest.mark.parametrize(
        ("args", "rejections", "marks"),
        [
            (("--email", "ADA@example.com"), 3, {"s2"}),
            (("--session", "s1"), 3, {"s2"}),
            (("--email", ADA, "--session", "s1"), 4, {"s2"}),
            (("--email", BO), 1, {"s1", "s2"}),
        ],
    )
    def test_is_shown_and_forgotten_too(
        self, host: Flask, args: tuple[str, ...], rejections: int, marks: set[str]
    ) -> None:
        shown = held(host, *args)
        assert len(shown["rejections"]) == rejections
        said = ask(host, "forget", *args, "--yes")
        assert said["rejections"] == rejections
        assert said["bot_sessions"] == len(shown["bot_sessions"]) == 2 - len(marks)
        tables = all_tables(host)
        left = {row["id"] for row in tables["user_event_rejections"]}
        assert len(left) == 6 - rejections
        assert left.isdisjoint(row["id"] for row in shown["rejections"])
        assert {row["session_id"] for row in tables["user_event_bot_sessions"]} == marks

    def test_is_said_in_words_where_there_is_any(self, host: Flask) -> None:
        assert lines(host, "forget", "--session", "s1", "--dry-run") == [
            "Would delete 1 event, 3 rejections, 1 bot session and 1 identity.",
        ]

    def test_what_a_mark_has_hidden_is_counted_once_it_is_gone(self, host: Flask) -> None:
        with host.app_context():
            assert registration_of(host).refresher.refresh() is not None
        assert ask(host, "top", *MARCH)["experts"] == []
        ask(host, "forget", "--email", ADA, "--yes")
        assert [row["clicks"] for row in ask(host, "top", *MARCH)["experts"]] == [1]
