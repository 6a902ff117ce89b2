"""The command that says who is here now."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from flask import Flask

from tcs_events import reports
from tests.cli.asking import ask, click, lines, query, run, save
from tests.support import plain


def test_live_says_what_the_reports_say(host: Flask) -> None:
    now = datetime.now(UTC)
    save(host, *(click(session=f"visitor-{number}", created_at=now) for number in range(3)))
    save(host, query("rust", "visitor-9", created_at=now - timedelta(hours=2)))
    said = ask(host, "live", "--minutes", "1440", "--limit", "4")
    with host.app_context():
        latest = reports.latest_visitors(4)
        [one] = reports.latest_visitors(4, "sage_query")
    assert said["latest_visitors"] == plain(latest)
    assert said["live"]["events"] == len(latest) == 4
    of_type = ask(host, "live", "--minutes", "1440", "--type", "sage_query")
    assert of_type["live"]["events"] == 1
    assert of_type["latest_visitors"] == plain([one])
    headline, minutes, _, titles, *rows = lines(host, "live", "--minutes", "1440")
    assert headline.endswith(": 4, with 4 events.")
    assert minutes.startswith("By minute: ")
    assert titles.split() == ["visitor", "last", "seen", "last", "event", "known"]
    assert [row.split()[0] for row in rows] == [row.session_id for row in latest]


def test_live_without_events_says_none(host: Flask) -> None:
    [line] = lines(host, "live")
    assert line.endswith(": 0, with 0 events.")


def test_live_refuses_a_type_that_there_is_not(host: Flask) -> None:
    result = run(host, "live", "--type", "card_clik")
    assert result.exit_code == 2
    assert "card_click" in result.output
