"""Settings are read once, at registration. A wrong value stops the app and says what to do."""

from __future__ import annotations

import pytest
from flask import Flask
from marshmallow import Schema

from tcs_events import ConfigError, EventType, create_blueprint
from tcs_events.settings import SETTINGS, read_settings


def message_for(config: dict[str, object]) -> str:
    app = Flask("host")
    app.config.update(config)
    with pytest.raises(ConfigError) as caught:
        app.register_blueprint(create_blueprint())
    return str(caught.value)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (
            {"TCS_EVENTS_MAX_BODY_BITES": 1},
            "tcs_events has no setting TCS_EVENTS_MAX_BODY_BITES."
            " Did you mean TCS_EVENTS_MAX_BODY_BYTES?",
        ),
        (
            {"TCS_EVENTS_WEATHER_TODAY": 1},
            "tcs_events has no setting TCS_EVENTS_WEATHER_TODAY. There are: "
            + ", ".join(setting.key for setting in SETTINGS)
            + ".",
        ),
        (
            {"TCS_EVENTS_MAX_BODY_BYTES": 0},
            "TCS_EVENTS_MAX_BODY_BYTES must be a whole number of at least 1, not 0.",
        ),
        (
            {"TCS_EVENTS_MAX_BODY_BYTES": True},
            "TCS_EVENTS_MAX_BODY_BYTES must be a whole number of at least 1, not True.",
        ),
        (
            {"TCS_EVENTS_MAX_BODY_BYTES": "64K"},
            "TCS_EVENTS_MAX_BODY_BYTES must be a whole number of at least 1, not '64K'.",
        ),
        (
            {"TCS_EVENTS_TIMEOUT_MS": 2000},
            "TCS_EVENTS_TIMEOUT_MS must be a whole number from 100 to 1800 (answers come within two"
            " seconds), not 2000.",
        ),
        (
            {"TCS_EVENTS_REPORT_TIMEOUT_MS": 10},
            "TCS_EVENTS_REPORT_TIMEOUT_MS must be a whole number from 100 to 600000 (at most ten"
            " minutes), not 10.",
        ),
        (
            {"TCS_EVENTS_DURABILITY": "fast"},
            "TCS_EVENTS_DURABILITY must be 'synced' or 'lost_on_power_cut', not 'fast'.",
        ),
        (
            {"TCS_EVENTS_RESPECT_GPC": "no"},
            "TCS_EVENTS_RESPECT_GPC must be True or False, not 'no'.",
        ),
        (
            {"TCS_EVENTS_KEEP_REJECTED": -1},
            "TCS_EVENTS_KEEP_REJECTED must be a whole number from 0 to 100000, not -1.",
        ),
        (
            {"TCS_EVENTS_BOTS": True},
            "TCS_EVENTS_BOTS must be 'store', 'mark' or 'drop', not True.",
        ),
        (
            {"TCS_EVENTS_BIND_KEY": 1},
            "TCS_EVENTS_BIND_KEY must be None or a key of SQLALCHEMY_BINDS, not 1.",
        ),
        (
            {"TCS_EVENTS_HEALTH_ACCESS": "nobody"},
            "TCS_EVENTS_HEALTH_ACCESS must be None or a function without arguments that returns"
            " True or False, not 'nobody'.",
        ),
        (
            {"TCS_EVENTS_ACCEPTED_LOG_LEVEL": "warning"},
            "TCS_EVENTS_ACCEPTED_LOG_LEVEL must be 'info', 'debug' or 'off', not 'warning'.",
        ),
        (
            {"TCS_EVENTS_EVENT_TYPES": "card_click"},
            "TCS_EVENTS_EVENT_TYPES must be a list of event types, or a dict from event type to"
            " Schema class or None.",
        ),
        (
            {"TCS_EVENTS_EVENT_TYPES": []},
            "TCS_EVENTS_EVENT_TYPES must name at least one event type.",
        ),
        (
            {"TCS_EVENTS_EVENT_TYPES": ["a\n"]},
            "TCS_EVENTS_EVENT_TYPES has 'a\\n', but an event type may only contain letters, digits"
            " and _ . : -, such as 'a'.",
        ),
        (
            {"TCS_EVENTS_EVENT_TYPES": ["a" * 51]},
            f"TCS_EVENTS_EVENT_TYPES has {'a' * 51!r}, which is longer than 50 characters.",
        ),
        (
            {"TCS_EVENTS_EVENT_TYPES": {"sign_up": "SignUp"}},
            "TCS_EVENTS_EVENT_TYPES has 'SignUp' for 'sign_up', but takes a Schema class or None.",
        ),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_value_that_cannot_work_stops_the_app(config: dict, message: str) -> None:
    assert message_for(config) == message


def test_an_option_that_does_not_exist_is_refused_at_once() -> None:
    with pytest.raises(ConfigError, match=r"no setting event_type\. Did you mean event_types\?"):
        create_blueprint(event_type=["card_click"])


def test_options_are_defaults_and_the_config_wins() -> None:
    options = {"event_types": ["of_the_option"], "max_body_bytes": 10}
    settings = read_settings({"TCS_EVENTS_MAX_BODY_BYTES": 20, "DEBUG": True}, options)
    assert settings.max_body_bytes == 20
    assert settings.event_types == {"of_the_option": EventType("of_the_option")}
    assert settings.bind_key is None


def test_event_types_may_have_a_schema_each() -> None:
    class SignUp(Schema):
        pass

    settings = read_settings({}, {"event_types": {"sign_up": SignUp, "log_out": None}})
    assert settings.event_types == {
        "sign_up": EventType("sign_up", SignUp),
        "log_out": EventType("log_out"),
    }


def test_every_setting_has_its_help() -> None:
    for setting in SETTINGS:
        assert setting.key == f"TCS_EVENTS_{setting.option.upper()}"
        assert setting.help.endswith(".")
