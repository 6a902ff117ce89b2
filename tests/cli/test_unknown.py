"""An option's value that there is not is named, with those that there are."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask import Flask

from tcs_events.settings import read_settings
from tests.cli.asking import MARCH, click, run, save

TYPES = ", ".join((*read_settings({}, {}).event_types, "gone"))


@pytest.fixture
def host(sqlite_host: Flask) -> Flask:
    """A host with an event of a type that is no longer accepted."""
    save(sqlite_host, click(event_type="gone"), click())
    return sqlite_host


UNKNOWN = {
    "type of stats": (["stats", "--type", "card_clik", *MARCH], "card_clik", TYPES),
    "type of visitors": (["visitors", "--type", "card_clik", *MARCH], "card_clik", TYPES),
    "type of tail": (["tail", "--type", "gone", "--type", "Gone"], "Gone", TYPES),
    "type of an export": (
        ["export", "-", "--format", "csv", "--type", "click"],
        "click",
        TYPES,
    ),
    "unit of stats": (["stats", "--unit", "month"], "month", "'hour', 'day', 'week'"),
    "unit of retention": (["retention", "--unit", "hour"], "hour", "'day', 'week'"),
    "top": (["top", "clicks"], "clicks", "'experts', 'queries', 'filters'"),
    "format": (["export", "-", "--format", "xlsx"], "xlsx", "'csv', 'ndjson', 'parquet'"),
    "catalogue": (["exposure", "--catalogue", "experts.id"], "experts.id", "user_events"),
}


@pytest.mark.parametrize("name", UNKNOWN)
@pytest.mark.parametrize("more", [[], ["--json"]])
def test_it_is_named_with_those_that_there_are(host: Flask, name: str, more: list[str]) -> None:
    args, unknown, known = UNKNOWN[name]
    result = run(host, *args, *(more if args[0] != "export" else []))
    assert result.exit_code == 2
    assert result.stdout == ""
    assert unknown in result.stderr
    assert known in result.stderr


@pytest.mark.parametrize("event_type", ["card_click", "sage_query", "gone"])
def test_a_type_is_known_that_is_accepted_or_stored(
    host: Flask, event_type: str, tmp_path: Path
) -> None:
    for args in (
        ["stats", "--type", event_type, *MARCH],
        ["tail", "--type", event_type],
        ["export", str(tmp_path / "events.csv"), "--type", event_type],
    ):
        assert run(host, *args).exit_code == 0
