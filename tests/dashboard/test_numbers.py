"""A page, its JSON and its CSV say what the report says."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import asdict, fields, is_dataclass
from datetime import date, datetime, timedelta
from importlib import import_module
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy.exc import OperationalError

from tcs_events import reports
from tcs_events.dashboard import formats
from tcs_events.dashboard.pages import PAGES, TABLES
from tcs_events.dashboard.pages.funnel import CountedStep
from tcs_events.event import Event
from tcs_events.export.json_text import json_text
from tcs_events.host.reports import current_reports
from tests.dashboard.visitors import EXPERTS, fill, noon_today, visit
from tests.support import plain
from tests.words import OF_EXPERTS

DAYS = 11
"""Of 25 with visitors: the period before has events on all its days."""


def ask(client: FlaskClient, question: str) -> dict[str, Any]:
    """Ask the reports themselves."""
    with client.application.app_context():
        period = reports.last_days(DAYS)
        steps = [reports.step("sage_query[result_count>0]"), reports.step("card_click")]
        answers = {
            "activity": lambda: {
                "activity": reports.activity(period),
                "visitors_by_type": visitors_by_type(reports.visitors(period)),
                "visitors_by_day": reports.visitors(period).by_day,
            },
            "live": lambda: {"latest_visitors": reports.latest_visitors(100)},
            "top": lambda: {
                "experts": reports.top_experts(period, 100),
                "queries": reports.top_queries(period, 100),
                "filters": reports.top_filters(period, 100),
            },
            "gaps": lambda: {"gaps": reports.unmet_demand(period)},
            "explore": lambda: explored(period),
            "exposure": lambda: {"exposure": reports.exposure(period, EXPERTS)},
            "dead_ends": lambda: {
                "dead_end_values": reports.dead_end_values(period),
                "dead_end_combinations": reports.dead_end_combinations(period),
            },
            "funnel": lambda: {
                "funnel": reports.funnel(period, steps),
                "days_counted": DAYS,
                "days": DAYS,
                "notices": [],
            },
            "paths": lambda: {
                "paths": reports.paths(period, "sage_query", limit=100).rows,
                "notices": [],
            },
            "funnel over days": lambda: {
                "funnel_over_days": reports.funnel(period, steps, "7d").steps,
                "funnel_broken_down": reports.funnel(
                    period, steps, "7d", break_down="result_count"
                ).part_rows(),
            },
            "retention": lambda: {"retention": reports.retention(period), "notices": []},
            "timeline": lambda: {"timeline": reports.session_timeline("visitor-0007")},
            "overview": lambda: {
                "visitors": reports.visitors(period).visitors,
                "visitors_before": reports.visitors(period.before()).visitors,
                "totals": reports.total_activity(period),
                "totals_before": reports.total_activity(period.before()),
                "gaps": reports.unmet_demand(period, 5),
                "coverage": reports.exposure(period, EXPERTS).coverage,
                "gini": reports.exposure(period, EXPERTS).gini,
                "queries": reports.top_queries(period, 5),
            },
        }
        return answers[question]()


def visitors_by_type(found: reports.Visitors) -> list[reports.TypeVisitors]:
    together = found.visitors, found.new, found.returning, found.visits, found.events
    return [reports.TypeVisitors("", *together), *found.by_type]


def explored(period: reports.Period) -> dict[str, Any]:
    """What the page asks by itself: the type with the most events, by a property of few values."""
    answer = reports.explore(period, "sage_query", "query_text", interval="day", limit=100)
    return {
        "explore": answer.rows,
        "total": answer.total,
        "starts_on": answer.starts_on,
        "properties": reports.properties(period, "sage_query"),
    }


def address(question: str, form: str = "api/{}.json") -> str:
    session = "&session=visitor-0007" if question == "timeline" else ""
    return f"/insights/{form.format(question)}?days={DAYS}{session}"


@pytest.mark.parametrize("question", PAGES)
def test_json_says_what_the_report_says(filled: FlaskClient, question: str) -> None:
    answer = filled.get(address(question))
    assert answer.mimetype == "application/json"
    said = json.loads(answer.data, parse_constant=pytest.fail)
    for name, rows in ask(filled, question).items():
        assert rows or name == "notices"
        assert said["answer"][name] == plain(rows)


def test_json_names_the_fields_of_the_rows(filled: FlaskClient) -> None:
    said = filled.get(address("gaps")).json
    assert said is not None
    names = [field.name for field in fields(reports.UnmetDemand)]
    names[names.index("sessions")] = "visits"
    assert list(said["answer"]["gaps"][0]) == names
    assert said["period"]["last"] == date.fromisoformat(said["period"]["last"]).isoformat()


# Nothing is refused here: `tests/reports/test_live.py` has such a file.
@pytest.mark.parametrize("table", [name for name in TABLES if name != "latest_refused"])
def test_csv_says_what_the_report_says(filled: FlaskClient, table: str) -> None:
    page, of = TABLES[table][0], TABLES[table][1].worded(OF_EXPERTS)
    table = of.name
    is_over_days = table in ("funnel_over_days", "funnel_broken_down")
    more = "&within=7d&break_down=result_count" if table == "funnel_broken_down" else ""
    answer = filled.get(address(page.name, f"csv/{table}.csv") + more)
    assert answer.mimetype == "text/csv"
    assert answer.headers["Content-Disposition"].startswith(f'attachment; filename="{table}')
    rows = list(csv.DictReader(io.StringIO(answer.data.decode("utf-8-sig"))))
    expected = {"totals": "activity"}.get(table, table)
    found = ask(filled, "funnel over days" if is_over_days else page.name)[expected]
    if table == "latest_visitors":
        with filled.application.app_context():
            found = reports.latest_visitors(10_000)
    if table == "totals":
        with filled.application.app_context():
            found = [
                row for _, row in sorted(reports.total_activity(reports.last_days(DAYS)).items())
            ]
    found = found.experts if table == "exposure" else found
    if table == "funnel":
        found = [
            CountedStep(row.step, row.sessions, row.of_first, row.of_previous, DAYS, DAYS)
            for row in found
        ]
    assert rows
    assert [list(row) for row in rows] == [[column.name for column in of.columns]] * len(found)
    for written, row in zip(rows, found, strict=True):
        for column in of.columns:
            value = plain(column.of(row))
            text = value if isinstance(value, str) else json_text(value)
            assert written[column.name] == ("" if value is None else text)


def cells(html: str, table: str) -> list[list[str]]:
    """Return the texts of a table's cells."""
    part = html.split(f'id="t-{table}"')[1].split("<tbody>")[1].split("</tbody>")[0]
    return [
        [
            " ".join(re.sub(r"<[^>]+>", "", cell).split())
            for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL)
        ]
        for row in re.findall(r"<tr>(.*?)</tr>", part, re.DOTALL)
    ]


def test_the_page_says_what_the_report_says(filled: FlaskClient) -> None:
    gaps = cells(filled.get(address("gaps", "{}")).text, "gaps")
    assert gaps == [
        [
            row.query,
            *map(
                str,
                (
                    row.sessions,
                    row.not_available,
                    row.hidden_by_filter,
                    row.no_click,
                    row.reformulated,
                ),
            ),
        ]
        for row in ask(filled, "gaps")["gaps"]
    ]
    top = filled.get(address("top", "{}")).text
    for table in ("experts", "queries", "filters"):
        shown = cells(top, table)
        rows = ask(filled, "top")[table][:15]
        assert [row.sessions for row in rows] == [
            int(cells_of_row[2 if table == "filters" else 1]) for cells_of_row in shown
        ]
    exposed = cells(filled.get(address("exposure", "{}")).text, "exposure")
    experts = ask(filled, "exposure")["exposure"].experts[:15]
    assert [[row[0], row[1]] for row in exposed] == [
        [expert.expert_id, str(expert.exposed)] for expert in experts
    ]


def test_the_overview_compares_with_the_period_before(filled: FlaskClient) -> None:
    said = ask(filled, "overview")
    html = filled.get(address("overview", "")).text
    visits = said["totals"][""].sessions, said["totals_before"][""].sessions
    for now, before in (visits, (said["visitors"], said["visitors_before"])):
        assert f'<dd class="value">{now}</dd>' in html
        assert f"from {before}</span>" in html


@pytest.mark.parametrize(("days", "compares"), [(2, True), (3, False), (4, False)])
def test_there_is_no_comparison_with_days_before_the_first_event(
    empty: FlaskClient, days: int, compares: bool
) -> None:
    # The first event is 3 days old: two days lie before yesterday, but not three before that.
    first = noon_today() - timedelta(days=3)
    fill(empty.application, [card_at(first + timedelta(days=n), n) for n in range(4)])
    said = empty.get(f"/insights/api/overview.json?days={days}").json
    assert said is not None
    assert said["answer"]["first_day"] == first.date().isoformat()
    html = empty.get(f"/insights/?days={days}").text
    if compares:
        assert said["answer"]["totals_before"][""]["visits"] == 2
        assert "Compared with" in html
        assert "no change" in html
    else:
        for name in ("before", "totals_before", "activity_before"):
            assert said["answer"][name] is None
        assert "Compared with" not in html
        assert (
            "There is no earlier period to compare with: the first event is from"
            f" {formats.day(first.date())}" in html
        )
        assert "before-count" not in html
        assert "polyline" not in html.split("findings")[0]


def card_at(at: datetime, number: int) -> Event:
    return visit(f"visitor-{number}", "card_click", at, number + 1, expert_id="ada")


def test_the_ladder_holds_everyone_who_is_held_up(filled: FlaskClient) -> None:
    experts = ask(filled, "exposure")["exposure"].experts
    for rung in reports.Rung:
        expected = [expert.expert_id for expert in experts if expert.rung == rung]
        answer = filled.get(f"/insights/csv/exposure.csv?days={DAYS}&rung={rung}")
        found = [
            row["expert_id"] for row in csv.DictReader(io.StringIO(answer.data.decode("utf-8-sig")))
        ]
        assert found == expected


def test_see_all_is_paged(filled: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tcs_events.dashboard.table.Table.page.__defaults__", (25,))
    seen: list[str] = []
    link = f"/insights/tables/exposure?days={DAYS}"
    for _ in range(3):
        html = filled.get(link).text
        seen += [
            expert
            for expert in re.findall(r'class="text" title="([^"]+)"', html)
            if expert.startswith("expert-")
        ]
        following = re.search(r'rel="next" href="([^"]+)"', html)
        link = following[1].replace("&amp;", "&") if following else ""
    assert link == ""
    assert sorted(seen) == sorted(EXPERTS)


def test_a_period_is_kept_by_every_link(filled: FlaskClient) -> None:
    html = filled.get("/insights/top?from=2026-01-01&to=2026-01-31").text
    html = re.sub(r'<div class="picker".*?</form>', "", html, flags=re.S)
    links = [
        link for link in re.findall(r'href="(/insights/[^"]*)"', html) if "/static/" not in link
    ]
    assert len(links) > 10
    for link in links:
        assert "from=2026-01-01&amp;to=2026-01-31" in link


def test_the_steps_of_a_funnel_are_in_the_url(filled: FlaskClient) -> None:
    steps = ["sage_query", "card_click[context=grid]", "filter_change"]
    query = "&".join(f"step={step}" for step in steps)
    is_whole = False
    while not is_whole:  # on a busy machine a request counts a few days, and the next goes on
        said = filled.get(f"/insights/api/funnel.json?days={DAYS}&{query}").json
        assert said is not None
        is_whole = said["answer"]["days_counted"] == said["answer"]["days"]
    with filled.application.app_context():
        rows = reports.funnel(reports.last_days(DAYS), [reports.step(step) for step in steps])
    assert said["answer"]["funnel"] == plain(rows)
    assert said["answer"]["funnel"][1]["step"] == plain(asdict(rows[1].step))


def test_raw_events_are_read_for_92_days_at_most(filled: FlaskClient) -> None:
    query = "from=2025-01-01&to=2025-12-31&returning=card_click[context=grid]"
    html = filled.get(f"/insights/retention?{query}").text
    assert "shows at most 92 days" in html
    assert "Read from the stored events" in html
    said = filled.get(f"/insights/api/retention.json?{query}").json
    assert said is not None
    assert said["period"] == {"first": "2025-10-01", "last": "2025-12-31"}


@pytest.mark.parametrize("question", ["funnel", "retention", "retention?returning=card_click"])
def test_what_is_counted_is_not_cut(filled: FlaskClient, question: str) -> None:
    link = f"/insights/{question}{'&' if '?' in question else '?'}from=2025-01-01&to=2025-12-31"
    html = filled.get(link).text
    assert "This page shows at most" not in html
    assert "Read from the stored events" not in html


def test_a_new_funnel_is_counted_bit_by_bit_and_the_page_goes_on_by_itself(
    filled: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled.get(address("funnel", "{}"))  # so that the days are counted
    monkeypatch.setattr("tcs_events.dashboard.pages.funnel.FUNNEL_SECONDS", 0)
    link = address("funnel", "{}") + "&step=sage_query&step=filter_change"
    seen = []
    answer = filled.get(link)
    while answer.headers.get("Refresh"):
        assert answer.headers["Refresh"] == "2"
        [(counted, days)] = re.findall(r"(\d+) of (\d+) days counted so far", answer.text)
        assert days == str(DAYS)
        seen.append(int(counted))
        answer = filled.get(link)
    assert seen == sorted(set(seen))
    assert seen
    assert "counted so far" not in answer.text
    with filled.application.app_context():
        steps = [reports.step("sage_query"), reports.step("filter_change")]
        rows = reports.funnel(reports.last_days(DAYS), steps)
    said = filled.get(link.replace("/insights/funnel", "/insights/api/funnel.json")).json
    assert said is not None
    counted = {"days_counted": DAYS, "days": DAYS}
    assert said["answer"] == {"funnel": plain(rows), **counted, "notices": []}


def test_a_database_that_takes_no_writes_has_its_events_read_for_a_new_funnel(
    filled: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled.get(address("funnel", "{}"))

    def refuse(*_: object) -> None:
        raise OperationalError("INSERT", {}, Exception("read-only"))

    monkeypatch.setattr(import_module("tcs_events.reports.funnel"), "keep_funnel", refuse)
    said = filled.get(address("funnel") + "&step=card_click&step=sage_query").json
    assert said is not None
    assert said["answer"]["days_counted"] == DAYS
    assert said["answer"]["funnel"][0]["visits"] > 0


def test_what_is_not_over_is_marked(filled: FlaskClient) -> None:
    html = filled.get(address("retention", "{}")).text
    assert "so far: the week is not over" in html
    with filled.application.app_context():
        cohorts = reports.retention(reports.last_days(DAYS))
    unfinished = sum(not over for cohort in cohorts for over in cohort.is_complete)
    assert html.count('class="so-far"') == unfinished > 0
    past = filled.get("/insights/retention?from=2025-01-06&to=2025-01-12").text
    assert "so far" not in past


def test_a_timeline_says_from_when_on_a_visitor_was_known(filled: FlaskClient) -> None:
    by_session = filled.get("/insights/timeline?session=visitor-0007").text
    by_email = filled.get("/insights/timeline?email=ada@example.com").text
    unknown = filled.get("/insights/timeline?session=visitor-0008").text
    for html in (by_session, by_email):
        assert html.count("From here on the visitor is known") == 1
        assert html.index("(not yet known)") < html.index("From here on") < html.index("(known)")
    assert "The visitor is not known" in unknown


def test_every_row_is_a_dataclass(filled: FlaskClient) -> None:
    for page, table in TABLES.values():
        with filled.application.test_request_context(address(page.name, "{}")):
            from flask import request

            from tcs_events.dashboard.asked import ask as asked

            for row in table.rows(asked(request.args, current_reports(), EXPERTS), 3):
                assert is_dataclass(row)
