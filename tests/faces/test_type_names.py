"""One rule for the names of event types, wherever a host gives them."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask

from tcs_events import ConfigError, create_blueprint
from tests.conftest import MakeHost
from tests.support import post

BAD = {
    "Sign Up!": "sign_up",
    "sign up": "sign_up",
    " sign_up ": "sign_up",
    "sign/up": "sign_up",
    "Bestellung (neu)": "bestellung_neu",
    "a,b": "a_b",
    "<b>": "b",
    "line\nbreak": "line_break",
    "=1+1": "1_1",
}
GOOD = ["sign_up", "SignUp", "shop:order.paid", "a-b", "7", "öffnen", "записаться", "x" * 50]


def register(given: Any, by: str) -> None:
    app = Flask("host")
    if by == "config":
        app.config["TCS_EVENTS_EVENT_TYPES"] = given
    app.register_blueprint(create_blueprint(**({} if by == "config" else {"event_types": given})))


@pytest.mark.parametrize("by", ["config", "option"])
@pytest.mark.parametrize("shape", [list, lambda names: dict.fromkeys(names)])
@pytest.mark.parametrize("name", BAD)
def test_a_bad_name_is_refused_with_a_good_one(name: str, shape: Any, by: str) -> None:
    with pytest.raises(ConfigError) as refused:
        register(shape(["card_click", name]), by)
    assert str(refused.value) == (
        f"TCS_EVENTS_EVENT_TYPES has {name!r}, but an event type may only contain letters, digits"
        f" and _ . : -, such as {BAD[name]!r}."
    )


@pytest.mark.parametrize("name", ["", "!", "\N{OWL}", "x" * 51, 7, None])
def test_where_no_good_name_can_be_guessed_none_is(name: object) -> None:
    with pytest.raises(ConfigError, match="TCS_EVENTS_EVENT_TYPES has"):
        register([name], "option")


@pytest.mark.parametrize("name", GOOD)
def test_a_good_name_is_taken(make_host: MakeHost, sqlite_url: str, name: str) -> None:
    app = make_host(sqlite_url, create_blueprint(event_types=[name]))
    assert post(app, event_type=name).status_code == 202
