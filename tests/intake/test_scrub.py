"""E-mail addresses and long numbers in what visitors have typed are replaced, and nothing else."""

from __future__ import annotations

import pytest

pytest.importorskip("hypothesis", reason="needs hypothesis: pip install -e '.[test]'")

import json
import re
import sys
from pathlib import Path
from typing import Any

from flask import Flask
from hypothesis import given
from hypothesis import strategies as st
from marshmallow import ValidationError
from structlog.testing import capture_logs

from tcs_events import create_blueprint
from tcs_events.errors import ConfigError
from tcs_events.event_types.schemas import check_email
from tcs_events.intake import scrub
from tcs_events.intake.scrub import Scrubber, scrub_text
from tcs_events.wsgi import EventsMiddleware
from tests.conftest import MakeHost
from tests.support import URL, card_click, post, stored

ADDRESS = re.compile(r"[^\s,;:<>()\[\]\\\x00-\x20]@", re.UNICODE)
"""More than any address needs: a character that may stand in one, and an @."""
HTML_ADDRESS = re.compile(r"[a-zA-Z0-9.!#$%&'*+/=?^_`{|}~-]+@[a-zA-Z0-9-]+(?:\.[a-zA-Z0-9-]+)*")
"""https://html.spec.whatwg.org/multipage/input.html#valid-e-mail-address"""
LONG_NUMBER = re.compile(r"\d(?:[\s.\-/()+]*\d){6}")

SCRUBBED = {
    "ada@example.com": "[email]",
    "write to ada@example.com, please": "write to [email], please",
    "<ada.l+x@mail.example.co.uk>": "<[email]>",
    "It is ada@example.com.": "It is [email].",
    '"ada@example.com"': '"[email]"',
    "mailto:ada@example.com?subject=x": "mailto:[email]",
    "åsa@exämple.se": "[email]",
    "ada\N{FULLWIDTH COMMERCIAL AT}example.com": "[email]",
    '"ada l"@example.com': '"ada [email]',
    "ada@localhost": "[email]",
    "ada@[10.0.0.1]": "[email][10.0.0.1]",
    "ada@ example.com": "[email] example.com",
    "a@b@c": "[email]",
    "''@example.com": "[email]",
    "1234567": "[number]",
    "call +49 (0)30 / 123-45.67 now": "call [number] now",
    "(030) 1234567": "[number]",
    "(call 030 1234567)": "(call [number])",
    "(0301234567)": "([number])",
    "4111 1111 1111 1111": "[number]",
    "tel.+49301234567": "tel.[number]",
    "\u0660\u0661\u0662\u0663\u0664\u0665\u0666": "[number]",
    "\u0966\u0967\u0968\u0969\u096a\u096b\u096c": "[number]",
    "\uff11\uff12\uff13\uff14\uff15\uff16\uff17": "[number]",
    "12\u200b34\u202c567": "[number]",
    "12\u201334\u2013567": "[number]",
    "12\u00a034\u2009567": "[number]",
    "born 1990-12-31": "born [number]",
    "ada@example.com 030 1234567": "[email] [number]",
    "0301234567@example.com": "[email]",
}
KEPT = [
    "",
    "Flask developer",
    "@ada",
    "rust @ night",
    "at least 123456",
    "100,000,000",
    "1a2b3c4d5e6f7g",
    "90210 or 10115",
    "C++ (2020) - 5.0",
    "[email] and [number]",
    "\N{OWL} \N{SUPERSCRIPT TWO}" * 9,
]

texts = st.text() | st.text(alphabet="a1@. -+()/\"'[]\u0663\uff20\u200b,", max_size=60)
pieces = st.sampled_from(
    [
        "ada@example.com",
        "030/1234567",
        "@",
        ".",
        "[",
        "]",
        '"',
        " ",
        "1",
        "x",
        "(",
        ")",
        "+",
        "\u0663",
    ]
)
hostile = texts | st.lists(pieces, max_size=25).map("".join)


@pytest.mark.parametrize("text", SCRUBBED)
def test_addresses_and_long_numbers_go(text: str) -> None:
    assert scrub_text(text) == SCRUBBED[text]


@pytest.mark.parametrize("text", KEPT)
def test_everything_else_stays(text: str) -> None:
    assert scrub_text(text) == text


@given(hostile)
def test_nothing_of_their_shape_is_left(text: str) -> None:
    left = scrub_text(text)
    assert not ADDRESS.search(left)
    assert not HTML_ADDRESS.search(left)
    assert not LONG_NUMBER.search(left)


@given(hostile)
def test_once_is_enough(text: str) -> None:
    assert scrub_text(scrub_text(text)) == scrub_text(text)


@given(texts)
def test_a_text_without_them_is_not_touched(text: str) -> None:
    if not ADDRESS.search(text.replace("\uff20", "@").replace("\ufe6b", "@")) and (
        sum(char.isdecimal() for char in text) < 7
    ):
        assert scrub_text(text) == text


@given(st.emails() | st.from_regex(HTML_ADDRESS, fullmatch=True), texts, texts)
def test_no_address_that_we_would_accept_is_left(address: str, before: str, after: str) -> None:
    try:
        check_email(address)
    except ValidationError:
        return
    assert address not in scrub_text(f"{before} {address} {after}")


@given(
    st.lists(st.sampled_from("0123456789\u0660\u0967\uff19"), min_size=7),
    st.sampled_from([*" .-/()+", ""]),
)
def test_no_long_number_is_left_however_it_is_grouped(digits: list[str], separator: str) -> None:
    left = scrub_text(f"x{separator.join(digits)}x")
    assert not any(char.isdecimal() for char in left)


class TestTime:
    def test_every_pattern_is_one_repeated_set_so_that_there_is_nothing_to_try_again(self) -> None:
        patterns = [value for value in vars(scrub).values() if isinstance(value, re.Pattern)]
        assert len(patterns) == 3
        for pattern in patterns:
            assert re.fullmatch(r"\[(?:[^\\\]]|\\.)+\]\+|\\d", pattern.pattern, re.DOTALL)

    @pytest.mark.parametrize(
        "piece",
        ["a", "@", "a@", '"a', "1", "1 ", " ", "+", "(", "1@", "a@b ", "1234567 ", "((1))", "[@"],
    )
    def test_twice_as_long_a_text_takes_twice_as_many_steps(self, piece: str) -> None:
        short = piece * (32 * 1024 // len(piece))
        assert _steps(short * 2) <= 2 * _steps(short) + 100


def _steps(text: str) -> int:
    """Return how many lines and calls Python runs to scrub a text."""
    steps = 0

    def count(*_: Any) -> Any:
        nonlocal steps
        steps += 1
        return count

    before, before_profile = sys.gettrace(), sys.getprofile()
    sys.settrace(count)
    sys.setprofile(lambda *_: count() and None)
    try:
        scrub_text(text)
    finally:
        sys.settrace(before)
        sys.setprofile(before_profile)
    return steps


class TestFields:
    def test_are_found_at_any_depth_and_nothing_else_is_touched(self) -> None:
        mail = "ada@example.com"
        payload = {
            "query_text": mail,
            "other": mail,
            "deep": [{"query_text": [mail, {"x": mail, mail: 1}], "y": mail}],
        }
        assert Scrubber(["query_text"])(payload) == {
            "query_text": "[email]",
            "other": mail,
            "deep": [{"query_text": ["[email]", {"x": "[email]", "[email]": 1}], "y": mail}],
        }
        assert payload["query_text"] == mail

    @pytest.mark.parametrize(
        ("value", "left"),
        [
            (491701234567, "[number]"),
            (-1234567, "[number]"),
            (491701234567.0, "[number]"),
            (999_999, 999_999),
            (0.1234567, 0.1234567),
            (True, True),
            (None, None),
        ],
    )
    def test_that_hold_a_number(self, value: object, left: object) -> None:
        assert Scrubber(["phone"])({"phone": value}) == {"phone": left}

    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
            lambda values: st.lists(values) | st.dictionaries(st.text(), values),
        )
    )
    def test_that_are_not_there_leave_a_payload_as_it_is(self, value: object) -> None:
        assert repr(Scrubber(["\0never"])(value)) == repr(value)


class TestTheEndpoint:
    @pytest.fixture(params=["view", "middleware"])
    def app(self, request: pytest.FixtureRequest, make_host: MakeHost, database_url: str) -> Flask:
        app = make_host(database_url, create_blueprint(scrub_fields=["query_text", "value"]))
        if request.param == "middleware":
            app.wsgi_app = EventsMiddleware(app)  # type: ignore[method-assign]
        return app

    def test_stores_what_is_left(self, app: Flask) -> None:
        payload = {"query_text": "ada@example.com, 030 1234567", "result_count": 12345678}
        assert post(app, payload=payload).status_code == 202
        batch = {"events": [card_click(payload={"deep": [payload]})]}
        assert app.test_client().post(f"{URL}/batch", json=batch).status_code == 202
        found = [
            json.loads(row["payload"]) if isinstance(row["payload"], str) else row["payload"]
            for row in stored(app)
        ]
        left = {"query_text": "[email], [number]", "result_count": 12345678}
        assert found == [left, {"deep": [left]}]

    def test_has_the_raw_text_nowhere(self, app: Flask, tmp_path: Path) -> None:
        word = "canary4f1c"
        with capture_logs() as logs:
            post(app, payload={"query_text": f"{word}@example.com"})
            post(app, payload={"query_text": f"{word}@example.com"}, session_id="")
            post(app, payload={"query_text": f"{word}@example.com"}, event_type="none")
        assert logs
        assert word not in str(logs)
        assert word not in str(stored(app))
        for file in tmp_path.rglob("*"):
            assert not file.is_file() or word.encode() not in file.read_bytes()


class TestTheSetting:
    def test_is_off_by_default(self, make_host: MakeHost, sqlite_url: str) -> None:
        app = make_host(sqlite_url)
        post(app, payload={"query_text": "ada@example.com"})
        assert "ada@example.com" in str(stored(app))

    @pytest.mark.parametrize("value", ["query_text", [1], [""], None, 5])
    def test_that_cannot_work_is_refused(
        self, make_host: MakeHost, sqlite_url: str, value: object
    ) -> None:
        with pytest.raises(ConfigError, match="TCS_EVENTS_SCRUB_FIELDS"):
            make_host(sqlite_url, TCS_EVENTS_SCRUB_FIELDS=value)
