"""The README is under test: what it shows works, and it names all there is."""

from __future__ import annotations

import contextlib
import io
import json
import re
from pathlib import Path

import pytest
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import select
from sqlalchemy.orm import Mapped, mapped_column

import tcs_events
from tcs_events import UserEvent, create_blueprint, reports
from tcs_events.payloads import PAYLOAD_SCHEMAS
from tcs_events.settings import SETTINGS
from tests.conftest import MakeHost
from tests.support import ROOT, URL, card_click, need_module, post

README = (ROOT / "README.md").read_text()
FIRST_SCREEN = README.split("\n## ")[0]


def blocks(language: str) -> list[str]:
    """Return the code blocks of a language, without the indentation of a list item."""
    found = re.findall(rf"^( *)```{language}\n(.*?)^ *```", README, re.MULTILINE | re.DOTALL)
    return [re.sub(rf"^{indent}", "", code, flags=re.MULTILINE) for indent, code in found]


def cells(table_row: str) -> list[str]:
    return [cell.strip() for cell in table_row.strip().strip("|").split("|")]


def rows_of(heading: str) -> list[list[str]]:
    """Return the rows of the first table under a heading."""
    section = re.split(rf"^#+ {heading}\n", README, flags=re.MULTILINE)[1]
    table = re.search(r"^\|[-|]+\|\n((?:\|.*\n)+)", section, re.MULTILINE)
    assert table is not None
    return [cells(row) for row in table.group(1).splitlines()]


@pytest.fixture
def readme_app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, close_later: list[Flask]) -> Flask:
    """The app of the README's first example, just as it stands there."""
    names: dict[str, object] = {"__name__": "readme_host"}
    exec(blocks("python")[0], names)
    monkeypatch.chdir(tmp_path)  # where Flask puts the instance folder of a script
    app: Flask = names["create_app"]()
    close_later.append(app)
    return app


def test_the_host_example_stores_the_event_that_the_readme_shows(readme_app: Flask) -> None:
    assert post(readme_app, payload={"expert_id": "ada"}).status_code == 202
    shown = json.loads(blocks("json")[0])
    with readme_app.app_context():
        db = readme_app.extensions["sqlalchemy"]
        [event] = db.session.scalars(select(UserEvent))
        assert {column.name for column in UserEvent.__table__.columns} == set(shown)
        assert event.payload == shown["payload"]


def test_the_example_of_own_event_types_works(make_host: MakeHost, sqlite_url: str) -> None:
    [code] = [block for block in blocks("python") if "SignUp" in block]
    names: dict[str, object] = {}
    exec(code, names)
    app = make_host(sqlite_url, names["events"])
    assert post(app, event_type="sign_up", payload={"plan": "free"}).status_code == 202
    assert post(app, event_type="sign_up", payload={}).status_code == 422


def test_the_example_of_checked_payloads_works(make_host: MakeHost, sqlite_url: str) -> None:
    [code] = [block for block in blocks("python") if "PAYLOAD_SCHEMAS" in block]
    names: dict[str, object] = {}
    exec(code, names)
    app = make_host(sqlite_url, names["checked"])
    assert post(app).status_code == 202
    assert post(app, payload={}).status_code == 422


def test_the_example_of_a_login_hook_lets_events_through(
    make_host: MakeHost, sqlite_url: str
) -> None:
    from flask import redirect, request

    class NotLoggedIn:
        is_authenticated = False

    [code] = [block for block in blocks("python") if "demand_login" in block]
    app = make_host(sqlite_url)
    exec(code, {"app": app, "request": request, "redirect": redirect, "current_user": NotLoggedIn})
    assert post(app).status_code == 202
    assert app.test_client().get("/").location == "/login"


def test_the_settings_are_documented_as_they_are() -> None:
    assert rows_of("Settings") == [
        [f"`{setting.key}`", f"`{setting.default!r}`".replace("'", '"'), setting.help]
        for setting in SETTINGS
    ]


def test_the_event_types_are_documented() -> None:
    default = next(setting.default for setting in SETTINGS if setting.option == "event_types")
    documented = [row[0].strip("`") for row in rows_of("Event types")]
    assert documented == list(PAYLOAD_SCHEMAS)
    assert set(default) < set(documented)


def test_the_payloads_are_documented() -> None:
    for name, _, payload in rows_of("Event types"):
        for field in PAYLOAD_SCHEMAS[name.strip("`")]().fields:
            assert f"`{field}`" in payload


def test_the_functions_of_the_tracker_are_documented() -> None:
    source = (ROOT / "frontend_snippets" / "tracking.ts").read_text()
    documented = [row[0].strip("`").split("(")[0] for row in rows_of("The tracker")]
    assert documented == re.findall(r"^export function (\w+)", source, re.MULTILINE)


def test_the_fields_are_documented() -> None:
    documented = [row[0].strip("`") for row in rows_of("The endpoint")]
    assert documented == list(tcs_events.EventSchema().fields)


def test_every_command_is_documented() -> None:
    for command in create_blueprint().cli.commands:
        assert f"flask tcs-events {command}" in README


def test_the_examples_of_asking_work(make_host: MakeHost, sqlite_url: str) -> None:
    db = SQLAlchemy()

    class Expert(db.Model):  # type: ignore[name-defined]
        username: Mapped[str] = mapped_column(primary_key=True)

    app = make_host(sqlite_url, db=db)
    [code] = [block for block in blocks("python") if "unmet_demand" in block]
    for visitor in range(3):
        payload = {"query_text": "rust embedded", "result_count": 0, "expert_ids": []}
        post(app, event_type="sage_query", session_id=f"visitor-{visitor}", payload=payload)
    with app.app_context(), contextlib.redirect_stdout(io.StringIO()) as said:
        db.session.add(Expert(username="ada"))
        db.session.commit()
        exec(code, {"Expert": Expert})
    assert said.getvalue() == "rust embedded 3 0\nada never_returned\n"


def test_the_dashboard_is_mounted_as_shown(make_host: MakeHost, sqlite_url: str) -> None:
    class Admin:
        is_authenticated = is_admin = True

    [code] = [block for block in blocks("python") if "create_dashboard" in block]
    app = make_host(sqlite_url)
    experts = type("Expert", (), {"username": UserEvent.session_id})
    exec(code, {"app": app, "Expert": experts, "current_user": Admin})
    assert app.test_client().get("/insights/").status_code == 200
    Admin.is_admin = False
    assert app.test_client().get("/insights/").status_code == 403


def test_every_question_is_documented() -> None:
    functions = {name for name in reports.__all__ if name.islower()}
    documented = {name for row in rows_of("Asking") for name in re.findall(r"`(\w+)", row[1])}
    assert functions - {"last_days"} == documented


def test_the_doctor_says_what_the_readme_shows(readme_app: Flask) -> None:
    [shown] = blocks("console")
    output = readme_app.test_cli_runner().invoke(args=["tcs-events", "doctor"]).output
    said = [line for line in output.splitlines() if line.startswith(("ok", "hint", "wrong"))]
    varying = re.compile("(sqlite:|extras:).*")  # a path, and versions
    assert [varying.sub("", line) for line in said] == [
        varying.sub("", line) for line in shown.splitlines()[1:]
    ]


def test_every_log_event_is_documented() -> None:
    source = "".join(path.read_text() for path in (ROOT / "tcs_events").rglob("*.py"))
    from tcs_events.event import Outcome

    named = set(re.findall(r'"(tcs_events\.[a-z_]+)"', source))
    named |= {f"tcs_events.event_{outcome}" for outcome in Outcome}
    modules = {f"tcs_events.{path.stem}" for path in (ROOT / "tcs_events").iterdir()}
    for name in named - modules:
        assert name in README, name


def test_the_metrics_are_documented(make_host: MakeHost, sqlite_url: str) -> None:
    prometheus_client = pytest.importorskip("prometheus_client")
    from tcs_events.prometheus import register_metrics

    registry = prometheus_client.CollectorRegistry()
    register_metrics(make_host(sqlite_url), registry)
    [table] = re.findall(r"^\| metric \|.*\n.*\n((?:\|.*\n)+)", README, re.MULTILINE)
    documented = {cells(row)[0].strip("`").removesuffix("_total") for row in table.splitlines()}
    assert documented == {family.name for family in registry.collect()}


def test_the_first_screen_shows_all_a_newcomer_needs() -> None:
    assert len(FIRST_SCREEN.splitlines()) < 75
    for needed in ("tcs_events.demo", "tests/all.sh", "register_blueprint", "client.js", URL):
        assert needed in FIRST_SCREEN


def test_ci_runs_the_test_command_of_the_readme() -> None:
    command = next(block for block in blocks("sh") if "tests/all.sh" in block)
    assert command.strip() in (ROOT / ".ci" / "run").read_text().splitlines()


def test_every_file_that_is_linked_is_there() -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / target).exists(), target


def test_every_file_of_the_react_kit_is_documented() -> None:
    snippets = ROOT / "frontend_snippets"
    kit = {path.name for pattern in ("*.ts", "*.tsx") for path in snippets.glob(pattern)}
    documented = {row[0].split("`")[1] for row in rows_of("React")}
    assert documented == kit - {"tracking.ts"}


def test_the_map_of_the_code_names_every_module() -> None:
    for path in (ROOT / "tcs_events").iterdir():
        if path.suffix == ".py" or (path.is_dir() and (path / "__init__.py").exists()):
            assert path.name in README, path.name


def test_every_threat_has_a_test_that_is_there_or_a_reason() -> None:
    tests = {
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"def (test_\w+)", path.read_text())
    }
    rows = rows_of("Security")
    assert [int(row[0]) for row in rows] == list(range(1, 64))
    for _, what, _, shown in rows:
        named = re.findall(r"`(test_\w+)`", shown)
        assert named or shown.startswith("not ours: "), what
        assert set(named) <= tests, what


def test_the_figures_are_those_that_were_measured() -> None:
    need_module("hypothesis")
    need_module("psycopg")
    from tests.figures import results
    from tests.figures.figures import FIGURES

    printed = results.markdown(FIGURES, results.load()).splitlines()[2:]
    assert rows_of("What was broken to see") == [cells(row) for row in printed]
    assert "not measured yet" not in README


def test_the_changelog_names_every_setting() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text()
    for setting in SETTINGS:
        assert f"`{setting.key}`" in changelog


def test_the_answer_to_a_batch_has_the_shape_that_is_shown(readme_app: Flask) -> None:
    shown = json.loads(blocks("json")[1])
    bad = card_click(session_id=...)
    answer = readme_app.test_client().post(f"{URL}/batch", json={"events": [card_click(), bad]})
    assert list(answer.json) == list(shown)
    assert answer.json["rejected"][0]["errors"] == shown["rejected"][0]["errors"]


def test_the_configuration_of_nginx_is_the_one_that_is_tested() -> None:
    tested = (ROOT / "tests" / "deployment" / "nginx.conf").read_text()
    assert blocks("nginx") == [tested]


def test_behind_a_proxy_the_client_is_who_the_proxy_has_seen(
    make_host: MakeHost, sqlite_url: str
) -> None:
    need_module("limits")
    [code] = [block for block in blocks("python") if "ProxyFix" in block]
    app = make_host(sqlite_url, TCS_EVENTS_CLIENT_LIMIT="1/hour")
    exec(code, {"app": app})
    statuses = [
        app.test_client()
        .post(URL, json=card_click(), headers={"X-Forwarded-For": hops})
        .status_code
        for hops in ("192.0.2.1", "192.0.2.2", "192.0.2.3, 192.0.2.1")
    ]
    assert statuses == [202, 202, 429]


def test_the_middleware_is_one_line(readme_app: Flask) -> None:
    code, _ = [block for block in blocks("python") if "EventsMiddleware" in block]
    exec(code, {"app": readme_app})
    assert post(readme_app).status_code == 202
