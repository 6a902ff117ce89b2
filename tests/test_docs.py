"""The documents are under test: what they show works, and they name all there is."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import re
import shlex
import shutil
import subprocess
import sys
from email.message import EmailMessage
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from flask import Flask, render_template_string
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import inspect, select
from sqlalchemy.orm import Mapped, mapped_column

import tcs_events
from tcs_events import EventType, UserEvent, create_blueprint, reports
from tcs_events.event_types.typescript import typescript
from tcs_events.host.reports import current_reports
from tcs_events.payloads import PAYLOAD_SCHEMAS
from tcs_events.settings import SETTINGS, read_settings
from tests.conftest import MakeHost
from tests.pages import README, cells, names, page
from tests.support import ROOT, URL, card_click, need, need_module, post, stored


def example(name: str, word: str) -> str:
    """Return the Python example of a document that has a word in it."""
    return page(name).block("python", word)


@pytest.fixture(params=[README, "getting-started"])
def first_app(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    close_later: list[Flask],
) -> Flask:
    """The app of the first example, just as it stands there."""
    names: dict[str, object] = {"__name__": "readme_host"}
    exec(example(request.param, "create_app"), names)
    monkeypatch.chdir(tmp_path)  # where Flask puts the instance folder of a script
    app: Flask = names["create_app"]()
    close_later.append(app)
    return app


def test_every_python_example_is_run() -> None:
    """Each is asked for by name in these tests, or is part of the tutorial."""
    source = Path(__file__).read_text()
    run = re.findall(r'example\(\s*"([\w/-]+)",\s*"(.+?)"', source)
    run += [(README, "create_app"), ("getting-started", "create_app")]
    for name in set(names()) - {"tutorial"}:
        for code in page(name).blocks("python"):
            assert any(name == place and word in code for place, word in run), code


def test_the_host_example_stores_the_event_that_the_readme_shows(first_app: Flask) -> None:
    assert post(first_app, payload={"expert_id": "ada"}).status_code == 202
    shown = json.loads(page(README).blocks("json")[0])
    with first_app.app_context():
        db = first_app.extensions["sqlalchemy"]
        [event] = db.session.scalars(select(UserEvent))
        assert {column.name for column in UserEvent.__table__.columns} == set(shown)
        assert event.payload == shown["payload"]


def test_the_first_event_is_read_as_shown(first_app: Flask) -> None:
    post(first_app, payload={"expert_id": "ada"})
    code = example("getting-started", "newest")
    with first_app.app_context(), contextlib.redirect_stdout(io.StringIO()) as said:
        exec(code, {"db": first_app.extensions["sqlalchemy"]})
    assert said.getvalue().endswith(" card_click {'expert_id': 'ada'}\n")


def test_the_first_questions_are_answered(first_app: Flask) -> None:
    post(first_app, payload={"expert_id": "ada"})
    for visitor in range(3):
        payload = {"query_text": "rust embedded", "result_count": 0, "expert_ids": []}
        post(first_app, event_type="sage_query", session_id=f"v-{visitor}", payload=payload)
    with first_app.app_context(), contextlib.redirect_stdout(io.StringIO()) as said:
        exec(example("getting-started", "top_experts"), {})
        exec(example("README", "unmet_demand"), {})
    assert said.getvalue() == "ada 1\nrust embedded 3 0\n"


def test_the_searches_are_explored_as_shown(first_app: Flask) -> None:
    for visitor, text in enumerate(("rust", "go", "java")):
        payload = {"query_text": text, "result_count": 0, "expert_ids": []}
        post(first_app, event_type="sage_query", session_id=f"v-{visitor}", payload=payload)
    with first_app.app_context(), contextlib.redirect_stdout(io.StringIO()) as said:
        exec(example("guides/questions", "explore"), {})
    rows = [line.split(" ", 3)[:3] for line in said.getvalue().splitlines()]
    assert rows == [["0", "2", "1.0"], ["Total", "2", "1.0"]]


def test_the_event_that_is_sent_by_curl_is_taken(first_app: Flask) -> None:
    command = shlex.split(page("getting-started").block("sh", "curl"))
    answer = first_app.test_client().post(
        URL, json=json.loads(command[command.index("--json") + 1])
    )
    assert (answer.status_code, answer.json) == (202, {"status": "accepted"})


def test_the_marked_elements_that_are_shown_send_good_events(
    make_host: MakeHost, sqlite_url: str
) -> None:
    app = make_host(sqlite_url)
    text = "".join(page(name).text for name in names())
    shown = re.findall(r'data-track-event="(\w+)" data-track-payload=\'(.*?)\'', text)
    assert shown
    for event_type, payload in set(shown):
        assert post(app, event_type=event_type, payload=json.loads(payload)).status_code == 202


def test_a_copy_of_sqlite_is_made_and_restored_as_shown(
    make_host: MakeHost, sqlite_url: str, tmp_path: Path
) -> None:
    need(shutil.which("sqlite3"), "sqlite3", "apt-get install sqlite3")
    backups = page("guides/backups")
    copy = backups.block("sh", ".backup").strip()
    [restore] = re.findall(r"`(sqlite3 [^`]*\.restore[^`]*)`", backups.text)
    app = make_host(sqlite_url)  # it is called host.db

    def run(command: str) -> None:
        subprocess.run(shlex.split(command), cwd=tmp_path, check=True, timeout=120)

    post(app, session_id="before")
    run(copy)
    post(app, session_id="between")
    run(restore)
    assert post(app, session_id="after").status_code == 202
    assert [row["session_id"] for row in stored(app)] == ["before", "after"]


def test_the_example_of_own_event_types_works(make_host: MakeHost, sqlite_url: str) -> None:
    names: dict[str, object] = {}
    exec(example("guides/event-types", "RoomOpened"), names)
    app = make_host(sqlite_url, names["events"])
    assert post(app, event_type="search", payload={"text": "sea", "found": 0}).status_code == 202
    assert post(app, event_type="room_opened", payload={"room_id": "7"}).status_code == 202
    assert post(app, event_type="room_opened", payload={}).status_code == 422
    with app.app_context():
        [query] = reports.top_queries(reports.last_days(1))
        assert query.query == "sea"


def test_the_example_of_what_is_stored_is_right(make_host: MakeHost, sqlite_url: str) -> None:
    names: dict[str, Any] = {}
    exec(example("guides/event-types", "class Booking"), names)
    text = page("guides/event-types").text
    sent, kept = map(json.loads, re.findall(r'`(\{"room_id".*?\})`', text))
    app = make_host(sqlite_url, create_blueprint(event_types={"booked": names["Booking"]}))
    assert post(app, event_type="booked", payload=sent).status_code == 202
    [row] = stored(app)
    assert json.loads(row["payload"]) == kept


def test_the_example_of_a_field_with_a_type_of_its_own_works() -> None:
    names: dict[str, Any] = {}
    exec(example("guides/event-types", "class Point"), names)
    types = {"looked": EventType("looked", names["Looked"])}
    assert "  at: [number, number];\n" in typescript(types)
    assert names["Looked"]().load({"at": [1, 2]}) == {"at": [1, 2]}
    assert names["Looked"]().validate({"at": 1}) == {"at": ["Not a point."]}


def test_the_receivers_of_signals_that_are_shown_are_called(
    make_host: MakeHost, sqlite_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    from tcs_events import event_accepted, event_rejected

    names: dict[str, Any] = {}
    exec(example("guides/hosts", "welcome"), names)
    try:
        app = make_host(sqlite_url, TCS_EVENTS_EVENT_TYPES=["sign_up"])
        app.logger.setLevel("INFO")
        post(app, event_type="sign_up", payload={"plan": "free"})
        post(app, event_type="no_such_type")
        app.test_client().post(URL, json=7)
    finally:
        event_accepted.disconnect(names["welcome"])
        event_rejected.disconnect(names["warn"])
    signed_up, *refused = (record.getMessage() for record in caplog.records)
    assert signed_up == "somebody signed up for free"
    assert len(refused) == 2


def test_the_example_of_recording_from_python_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, close_later: list[Flask]
) -> None:
    names: dict[str, Any] = {"__name__": "booking"}
    monkeypatch.chdir(tmp_path)
    exec(example("guides/python", "show_room"), names)
    app: Flask = names["app"]
    close_later.append(app)
    with app.app_context():
        names["db"].create_all()
    client, headers = app.test_client(), {"X-TCS-Session-ID": "visitor"}
    assert client.get("/rooms/7", headers=headers).text == "Room 7"
    assert client.post("/bookings", data={"room_id": "7"}, headers=headers).text == "Booked"
    assert [row["event_type"] for row in stored(app)] == ["room_shown", "booking_done"]


def test_the_example_of_a_task_that_records_works(make_host: MakeHost, sqlite_url: str) -> None:
    need_module("celery")
    from celery import Celery
    from celery.exceptions import Retry

    names: dict[str, Any] = {}
    celery = Celery("host", set_as_current=True)
    exec(example("guides/python", "shared_task"), names)
    app = make_host(sqlite_url, create_blueprint(event_types=["booking_done"]))
    task = celery.tasks[names["pay"].name]
    with app.app_context():
        for _ in range(2):
            task.apply((7, "visitor"), throw=True)
    assert len(stored(app)) == 1
    other = create_blueprint(event_types=["booking_done"])
    without_table = make_host(f"{sqlite_url}.other", other, create=False)
    with without_table.app_context(), pytest.raises(Retry):
        task.apply((7, "visitor"), throw=True)


def test_the_tests_of_tracking_that_are_shown_pass_and_fail_as_said(tmp_path: Path) -> None:
    tests = example("guides/testing", "# test_booking.py")
    (tmp_path / "app.py").write_text(example("guides/testing", "# app.py"))
    (tmp_path / "test_booking.py").write_text(tests)
    other = """
    for plan in ("flexible", "gold"):
        event["payload"]["plan"] = plan
        client.post("/api/events", json=event)
"""
    (tmp_path / "test_other.py").write_text(
        re.sub(r"\n    client\.post.*\n", other, tests).replace("a_booking", "another_plan")
    )
    command = [sys.executable, "-m", "pytest", "-p", "no:schemathesis", "-p", "no:cacheprovider"]
    (tmp_path / "pytest.ini").write_text("[pytest]\npythonpath = .\n")
    said = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True).stdout
    assert "1 failed, 1 passed" in said
    shown = page("guides/testing").block("text", "AssertionError").splitlines()
    assert "".join(f"E       {line}\n" for line in shown) in said


def test_the_example_of_checked_payloads_works(make_host: MakeHost, sqlite_url: str) -> None:
    names: dict[str, object] = {}
    exec(example("guides/event-types", "PAYLOAD_SCHEMAS"), names)
    app = make_host(sqlite_url, names["checked"])
    assert post(app).status_code == 202
    assert post(app, payload={}).status_code == 422


def test_the_example_of_a_login_hook_lets_events_through(
    make_host: MakeHost, sqlite_url: str
) -> None:
    from flask import redirect, request

    class NotLoggedIn:
        is_authenticated = False

    app = make_host(sqlite_url)
    code = example("guides/hosts", "demand_login")
    exec(code, {"app": app, "request": request, "redirect": redirect, "current_user": NotLoggedIn})
    assert post(app).status_code == 202
    assert app.test_client().get("/").location == "/login"


def test_the_setting_for_logged_in_users_links_them(make_host: MakeHost, sqlite_url: str) -> None:
    need_module("flask_login")
    from tests.tracking.login_host import login_host

    app = Flask("settings")
    exec(example("guides/users", "TCS_EVENTS_IDENTIFY_USER"), {"app": app})
    [(key, value)] = [item for item in app.config.items() if item[0].startswith("TCS_EVENTS_")]
    host = login_host(make_host, sqlite_url, TESTING=True, **{key: value})
    client = host.test_client()
    client.post("/login/ada")
    client.post(URL, json=card_click())
    with host.app_context():
        assert [event.session_id for event in reports.user_timeline("42")] == ["visitor-1"]


def test_the_login_and_logout_hooks_that_are_shown_work(
    make_host: MakeHost, sqlite_url: str
) -> None:
    need_module("flask_login")
    from tests.tracking.login_host import login_host

    host = login_host(make_host, sqlite_url, TESTING=True, TCS_EVENTS_IDENTIFY_USER="by_hand")
    names = {"app": host}  # signals hold their receivers weakly
    exec(example("guides/users", "link_session"), names)
    exec(example("guides/users", "remember_reset"), names)
    html = page("guides/users").block("html", "tcsEvents.reset()")
    host.add_url_rule("/", "home", lambda: render_template_string(html))
    client = host.test_client()
    client.post("/login/ada", headers={"X-TCS-Session-ID": "visitor-1"})
    post(host, email="ada@example.com", session_id="visitor-2")
    with host.app_context():
        known = reports.user_timeline("42")
    assert [event.session_id for event in known] == ["visitor-2"]
    assert "reset()" not in client.get("/").text
    client.post("/logout")
    assert "<script>tcsEvents.reset()</script>" in client.get("/").text
    assert "reset()</script>" not in client.get("/").text


def test_the_counts_of_health_are_for_whoever_has_the_token(
    make_host: MakeHost, sqlite_url: str
) -> None:
    from flask import request

    settings = Flask("settings")
    code = example("guides/monitoring", "HEALTH_ACCESS")
    exec(code, {"app": settings, "request": request, "token": "secret"})
    access = settings.config["TCS_EVENTS_HEALTH_ACCESS"]
    client = make_host(sqlite_url, TCS_EVENTS_HEALTH_ACCESS=access).test_client()
    assert "events" not in client.get(f"{URL}/health").json
    headers = {"Authorization": "Bearer secret"}
    told = client.get(f"{URL}/health", headers=headers).json
    named = {
        name
        for row in page("guides/monitoring").rows("Health")
        for name in re.findall(r"`(\w+)`", row[0] + row[1])
    }
    assert set(told) <= named


def reference() -> ModuleType:
    """Return the program that writes the reference."""
    spec = importlib.util.spec_from_file_location("reference", ROOT / "docs" / "reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", [name for name in names() if name.startswith("reference/")])
def test_the_reference_is_as_the_code_is(name: str) -> None:
    need_module("prometheus_client")
    assert page(name).text == reference().rewritten(page(name).text), (
        "run `python docs/reference.py`"
    )


def test_the_settings_are_documented_as_they_are() -> None:
    assert page("reference/settings").rows("Settings") == [
        [f"`{setting.key}`", f"`{setting.default!r}`".replace("'", '"'), setting.help]
        for setting in SETTINGS
    ]


def test_the_guide_names_the_event_types_that_are_accepted_by_default() -> None:
    *most, last = (f"`{name}`" for name in read_settings({}, {}).event_types)
    assert f"{', '.join(most)} and {last}" in page("guides/event-types").prose()


def test_the_event_types_and_their_payloads_are_documented() -> None:
    types = page("reference/event-types")
    default = next(setting.default for setting in SETTINGS if setting.option == "event_types")
    assert [row[0].strip("`") for row in types.rows("Event types")] == list(PAYLOAD_SCHEMAS)
    accepted = [row[0].strip("`") for row in types.rows("Event types") if row[2] == "yes"]
    assert accepted == list(default)
    for name, schema in PAYLOAD_SCHEMAS.items():
        assert [row[0].strip("`") for row in types.rows(name)] == list(schema().fields)


def test_the_functions_of_the_tracker_are_documented() -> None:
    source = (ROOT / "frontend_snippets" / "tracking.ts").read_text()
    rows = page("guides/tracker").rows("Functions")
    documented = [row[0].strip("`").split("(")[0] for row in rows]
    assert documented == re.findall(r"^export function (\w+)", source, re.MULTILINE)


def test_the_fields_are_documented() -> None:
    documented = [row[0].strip("`") for row in page("reference/http").rows("One event")]
    assert documented == list(tcs_events.EventSchema().fields)


def test_every_status_is_documented() -> None:
    http = page("reference/http")
    explained = set(re.findall(r"\d{3}", "".join(row[0] for row in http.rows("What is final"))))
    answered = set(re.findall(r"\d{3}", "".join(row[2] for row in http.rows("HTTP"))))
    assert answered <= explained


def test_every_command_is_documented() -> None:
    documented = [cells[0] for cells in page("reference/commands").rows("Commands")]
    assert documented == [
        f"[`flask tcs-events {name}`](#{name})" for name in sorted(create_blueprint().cli.commands)
    ]


def test_every_public_name_is_documented() -> None:
    anchors = page("reference/python").anchors()
    for name in [*tcs_events.__all__, *reports.__all__]:
        assert name.lower() in anchors


def test_every_table_is_named_by_the_feature_that_owns_it() -> None:
    rows = page("reference/tables").rows("Which feature owns which table")
    assert [row[0].strip("`") for row in rows] == list(UserEvent.metadata.tables)
    assert all(feature and held for _, feature, _, held, _ in rows)


def test_a_table_is_made_by_the_settings_that_are_documented(
    make_host: MakeHost, sqlite_url: str
) -> None:
    need_module("crawleruseragents")
    rows = page("reference/tables").rows("Which feature owns which table")
    switches = {row[0].strip("`"): row[2] for row in rows}
    on = {
        "TCS_EVENTS_BOTS": "mark",
        "TCS_EVENTS_KEEP_REJECTED": 1,
        "TCS_EVENTS_IDENTIFY_USER": "by_hand",
    }
    for settings in ({}, *({key: value} for key, value in on.items()), on):
        app = make_host(sqlite_url, create=False, **settings)
        assert list(app.extensions["sqlalchemy"].metadata.tables) == [
            table
            for table, switch in switches.items()
            if switch == "always on" or any(key in switch for key in settings)
        ]


def test_the_setting_for_a_pooler_keeps_the_hosts_driver_from_preparing(
    make_host: MakeHost, postgres_url: str
) -> None:
    app = Flask("host")
    exec(example("guides/databases", "prepare_threshold"), {"app": app})
    options = app.config["SQLALCHEMY_ENGINE_OPTIONS"]
    host = make_host(postgres_url, SQLALCHEMY_ENGINE_OPTIONS=options)
    with host.app_context(), host.extensions["sqlalchemy"].engine.connect() as connection:
        assert connection.connection.dbapi_connection.prepare_threshold is None


def test_the_examples_of_asking_work(make_host: MakeHost, sqlite_url: str) -> None:
    db = SQLAlchemy()

    class Expert(db.Model):  # type: ignore[name-defined]
        username: Mapped[str] = mapped_column(primary_key=True)

    app = make_host(sqlite_url, db=db)
    for visitor in range(3):
        payload = {"query_text": "rust embedded", "result_count": 0, "expert_ids": []}
        post(app, event_type="sage_query", session_id=f"visitor-{visitor}", payload=payload)
    with app.app_context(), contextlib.redirect_stdout(io.StringIO()) as said:
        db.session.add(Expert(username="ada"))
        db.session.commit()
        names: dict[str, Any] = {"Expert": Expert}
        exec(example("guides/questions", "unmet_demand"), names)
        exec(example("guides/questions", "reports.paths"), names)
    assert said.getvalue() == ("rust embedded 3 0\nada never_returned\n(end of the visit) 3\n3 0\n")


def test_the_digest_is_sent_as_shown(
    make_host: MakeHost, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[EmailMessage] = []

    class Server(contextlib.nullcontext[Any]):
        def __enter__(self) -> Any:
            return self

        def send_message(self, mail: EmailMessage) -> None:
            sent.append(mail)

    monkeypatch.setattr("smtplib.SMTP", Server)
    app, names = make_host(sqlite_url), dict[str, Any]()
    exec(example("guides/questions", "send_digest"), names)
    with app.app_context():
        names["send_digest"](current_reports(), "ada@example.com")
    [mail] = sent
    bodies = [part.get_content() for part in mail.iter_parts()]  # type: ignore[attr-defined]
    assert all("What happened from" in body for body in bodies)
    assert bodies[1].startswith("<!doctype html>")


def test_the_views_are_made_in_a_migration_as_shown(
    make_host: MakeHost, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    need_module("alembic")
    from alembic.migration import MigrationContext
    from alembic.operations import Operations

    tracking = ModuleType("shop.tracking")
    tracking.EVENT_TYPES = ["sign_up"]  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "shop.tracking", tracking)
    monkeypatch.setitem(sys.modules, "shop", ModuleType("shop"))
    app, names = make_host(sqlite_url), dict[str, Any]()
    with app.app_context(), app.extensions["sqlalchemy"].engine.begin() as connection:
        with Operations.context(MigrationContext.configure(connection)):
            exec(example("guides/import-and-export", "create_views"), names)
            names["upgrade"]()
            assert inspect(connection).get_view_names() == ["events_sign_up"]
            names["downgrade"]()
        assert inspect(connection).get_view_names() == []


def test_the_dashboard_is_mounted_as_shown(make_host: MakeHost, sqlite_url: str) -> None:
    class Admin:
        is_authenticated = is_admin = True

    app = make_host(sqlite_url)
    experts = type("Expert", (), {"username": UserEvent.session_id})
    code = example("guides/dashboard", "create_dashboard")
    exec(code, {"app": app, "Expert": experts, "current_user": Admin})
    assert app.test_client().get("/insights/").status_code == 200
    Admin.is_admin = False
    assert app.test_client().get("/insights/").status_code == 403


def test_the_funnel_over_days_is_counted_as_shown(first_app: Flask) -> None:
    for visitor in ("v-1", "v-2"):
        payload = {"query_text": "rust", "result_count": 1, "filters": {"rate_max": 90}}
        post(first_app, event_type="sage_query", session_id=visitor, payload=payload)
    post(first_app, session_id="v-2", payload={"expert_id": "ada"})
    with first_app.app_context(), contextlib.redirect_stdout(io.StringIO()) as said:
        exec(example("guides/questions", "within"), {})
    searched, clicked, by_rate = said.getvalue().splitlines()
    assert searched == "sage_query[result_count>0] 2 1.0 None"
    assert clicked.startswith("card_click 1 0.5 ")
    assert by_rate == "90 [2, 1]"


def test_every_question_is_documented() -> None:
    functions = {name for name in reports.__all__ if name.islower()}
    rows = page("guides/questions").rows("Questions")
    documented = {name for row in rows for name in re.findall(r"`(\w+)", row[1])}
    assert functions - {"last_days"} == documented


def test_the_doctor_says_what_is_shown(first_app: Flask) -> None:
    [shown] = page("getting-started").blocks("console")
    output = first_app.test_cli_runner().invoke(args=["tcs-events", "doctor"]).output
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
        assert f"`{name}`" in page("reference/logs").text, name


def test_the_metrics_are_documented(make_host: MakeHost, sqlite_url: str) -> None:
    prometheus_client = pytest.importorskip("prometheus_client")
    from tcs_events.prometheus import register_metrics

    registry = prometheus_client.CollectorRegistry()
    register_metrics(make_host(sqlite_url), registry)
    rows = page("guides/monitoring").rows("Prometheus")
    documented = {row[0].strip("`").removesuffix("_total") for row in rows}
    assert documented == {family.name for family in registry.collect()}


def test_the_metrics_are_served_as_shown(make_host: MakeHost, sqlite_url: str) -> None:
    prometheus_client = pytest.importorskip("prometheus_client")
    app = make_host(sqlite_url)
    code = example("guides/monitoring", "register_metrics")
    registry = prometheus_client.CollectorRegistry()
    code = code.replace("register_metrics(app)", "register_metrics(app, registry)")
    code = code.replace("make_wsgi_app()}", "make_wsgi_app(registry)}")
    exec(code, {"app": app, "registry": registry})
    assert "tcs_events_requests_total" in app.test_client().get("/metrics").text


def test_the_readme_is_short_and_shows_all_a_newcomer_needs() -> None:
    text = page(README).text
    assert len(text.splitlines()) <= 200
    needed = ("tcs_events.demo", "tests/all.sh", "register_blueprint", "client.js", URL)
    assert all(word in text for word in needed)


ROOMS = sorted(path.parent.name for path in (ROOT / "tcs_events").glob("*/__init__.py"))


def test_ci_runs_the_test_command_of_the_readme() -> None:
    command = page(README).block("sh", "tests/all.sh")
    assert command.strip() in (ROOT / ".ci" / "run").read_text().splitlines()


@pytest.mark.parametrize("name", names())
def test_every_link_leads_to_a_file_and_a_heading_that_are_there(name: str) -> None:
    for target, anchor in page(name).links():
        path = (page(name).path.parent / target).resolve() if target else page(name).path
        assert path.exists(), target
        if anchor:
            there = str(path.relative_to(ROOT / "docs" / "pages").with_suffix(""))
            assert anchor in page(there).anchors(), f"{target}#{anchor}"


@pytest.mark.parametrize("name", names())
def test_every_file_of_the_repository_that_is_named_is_there(name: str) -> None:
    for target in re.findall(r"`((?:frontend_snippets|tests|docs)/[\w./-]+)`", page(name).prose()):
        assert (ROOT / target).exists(), target


@pytest.mark.parametrize("name", names())
def test_every_module_that_is_to_be_run_is_there(name: str) -> None:
    for module in re.findall(r"python -m ((?:tests|tcs_events)[\w.]*)", page(name).prose()):
        path = ROOT / module.replace(".", "/")
        assert path.with_suffix(".py").exists() or (path / "__main__.py").exists(), module


@pytest.mark.parametrize("name", names())
def test_every_file_of_the_package_that_is_named_is_there(name: str) -> None:
    for target in re.findall(rf"`((?:{'|'.join(ROOMS)})/[\w./-]+)`", page(name).prose()):
        assert (ROOT / "tcs_events" / target).exists(), target


def test_every_page_is_reached_from_the_readme() -> None:
    reached, new = set[Path](), {page(README).path}
    while new:
        path = new.pop()
        reached.add(path)
        if path.suffix == ".md" and path.name != "CHANGELOG.md":
            name = README if path == page(README).path else None
            found = page(name or str(path.relative_to(ROOT / "docs/pages").with_suffix("")))
            linked = {(path.parent / target).resolve() for target, _ in found.links() if target}
            new |= linked - reached
    assert {page(name).path for name in names()} <= reached


def test_every_file_of_the_react_kit_is_documented() -> None:
    snippets = ROOT / "frontend_snippets"
    kit = {path.name for pattern in ("*.ts", "*.tsx") for path in snippets.glob(pattern)}
    documented = {row[0].split("`")[1] for row in page("guides/react").rows("The React kit")}
    assert documented == kit - {"tracking.ts"}


def test_the_map_of_the_code_names_every_module() -> None:
    code_map = page("developing").block("text", "__init__.py")
    for path in (ROOT / "tcs_events").iterdir():
        if path.suffix == ".py" or (path.is_dir() and (path / "__init__.py").exists()):
            assert path.name in code_map, path.name


def test_every_extra_is_documented() -> None:
    metadata = (ROOT / "setup.cfg").read_text()
    extras = metadata.split("[options.extras_require]\n")[1].split("\n[")[0]
    declared = set(re.findall(r"^(\w+) =$", extras, re.MULTILINE))
    rows = page("getting-started").rows("Install")
    assert {row[0].split("[")[1].split("]")[0] for row in rows} == declared


def test_every_threat_has_a_test_that_is_there_or_a_reason() -> None:
    tests = {
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"def (test_\w+)", path.read_text())
    }
    rows = page("evidence/security").rows("Security")
    assert [int(row[0]) for row in rows] == list(range(1, 83))
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
    figures = page("evidence/figures")
    assert figures.rows("What was broken to see") == [cells(row) for row in printed]
    assert "not measured yet" not in figures.text


def test_the_changelog_names_every_setting() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text()
    for setting in SETTINGS:
        assert f"`{setting.key}`" in changelog


def test_the_tables_of_every_version_are_documented() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text()
    versions = re.findall(r"^## (\S+)", changelog, re.MULTILINE)
    rows = page("guides/upgrading").rows("New tables and columns by version")
    assert [row[0] for row in rows] == versions


def test_the_answer_to_a_batch_has_the_shape_that_is_shown(first_app: Flask) -> None:
    [shown] = map(json.loads, page("reference/http").blocks("json"))
    bad = card_click(session_id=...)
    answer = first_app.test_client().post(f"{URL}/batch", json={"events": [card_click(), bad]})
    assert list(answer.json) == list(shown)
    [rejected], [shown_rejected] = answer.json["rejected"], shown["rejected"]
    assert rejected | {"index": 3} == shown_rejected


def test_the_configuration_of_nginx_is_the_one_that_is_tested() -> None:
    tested = (ROOT / "tests" / "deployment" / "nginx.conf").read_text()
    assert page("guides/deploying").blocks("nginx") == [tested]


def test_behind_a_proxy_the_client_is_who_the_proxy_has_seen(
    make_host: MakeHost, sqlite_url: str
) -> None:
    need_module("limits")
    app = make_host(sqlite_url, TCS_EVENTS_CLIENT_LIMIT="1/hour")
    exec(example("guides/limits", "ProxyFix"), {"app": app})
    statuses = [
        app.test_client()
        .post(URL, json=card_click(), headers={"X-Forwarded-For": hops})
        .status_code
        for hops in ("192.0.2.1", "192.0.2.2", "192.0.2.3, 192.0.2.1")
    ]
    assert statuses == [202, 202, 429]


def test_the_middleware_is_one_line(first_app: Flask) -> None:
    exec(example("guides/deploying", "EventsMiddleware"), {"app": first_app})
    assert post(first_app).status_code == 202
