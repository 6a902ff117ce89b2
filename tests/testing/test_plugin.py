"""The pytest plugin, in whole projects of hosts that pytest runs in a process of its own."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support import ROOT, kind_of

pytest_plugins = ["pytester"]

APP = """
import os

from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from tcs_events import UserEvent, create_blueprint
from tcs_events.wsgi import EventsMiddleware

db = SQLAlchemy()


class Room(db.Model):
    id = db.Column(db.Integer, primary_key=True)


def create_app():
    app = Flask("host")
    app.config.update(SQLALCHEMY_DATABASE_URI=os.environ["URL"], TESTING=True)
    db.init_app(app)
    app.register_blueprint(create_blueprint(event_types=["sign_up"]))
    return app


def send(app, **payload):
    event = {"event_type": "sign_up", "session_id": "visitor", "payload": payload}
    return app.test_client().post("/api/events", json=event).status_code


def stored():
    return [event.payload for event in UserEvent.query.order_by(UserEvent.id)]
"""

CONFTEST = """
import pytest

from host import create_app, db, send


@pytest.fixture(scope="session")
def app():
    app = create_app()
    with app.app_context():
        db.create_all()
        assert send(app, plan="seed") == 202
        yield app
        db.session.remove()
        db.drop_all()
        db.engine.dispose()
        app.extensions["tcs_events"].close()
"""

ROLLING_BACK = """
from host import Room


@pytest.fixture(autouse=True)
def in_a_transaction(app):
    \"\"\"Each connection is one that never commits, whatever a test does.\"\"\"
    engine = db.engines[None]
    connection = db.engines[None] = engine.connect()
    outer = connection.begin()
    db.session.add(Room())
    db.session.commit()  # from here on, the transaction holds locks
    yield
    db.session.remove()
    outer.rollback()
    connection.close()
    db.engines[None] = engine
"""

Project = Callable[..., pytest.RunResult]


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Run the tests of a host: `project(url, tests, conftest, *args)`."""

    def run(url: str, tests: str, conftest: str = CONFTEST, *args: str) -> pytest.RunResult:
        monkeypatch.setenv("URL", url)
        pytester.makepyfile(host=APP, test_host=tests)
        pytester.makeconftest(conftest)
        pytester.makeini("[pytest]\naddopts = -p no:schemathesis -p no:cacheprovider\n")
        return pytester.runpytest_subprocess(*args, timeout=100)

    return run


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> str:
    name = "sqlite_url" if request.param == "sqlite" else "postgres_url"
    found: str = request.getfixturevalue(name)
    return found


TWO_TESTS = """
from host import send, stored


def test_a(app, tracked):
    assert send(app, plan="pro") == 202
    tracked.assert_one("sign_up", plan="pro")


def test_b(app, tracked):
    tracked.assert_none()
    assert send(app, plan="pro") == 202
    tracked.assert_one("sign_up", plan="pro")


def test_c(app):
    assert stored() == [{"plan": "seed"}]
"""


def test_a_test_sees_nothing_of_another(project: Project, url: str) -> None:
    project(url, TWO_TESTS).assert_outcomes(passed=3)


def test_without_the_fixture_an_event_stays(project: Project, url: str) -> None:
    """The control of the test before."""
    tests = TWO_TESTS.replace(", tracked", "").replace("    tracked.", "    # tracked.")
    result = project(url, tests)
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["*FAILED test_host.py::test_c*"])


def test_processes_side_by_side_see_nothing_of_each_other(
    project: Project, postgres_url: str
) -> None:
    conftest = CONFTEST.replace('assert send(app, plan="seed") == 202', "pass").replace(
        "db.drop_all()", "pass"
    )
    tests = TWO_TESTS.replace('[{"plan": "seed"}]', "[]") + TWO_TESTS.replace(
        '[{"plan": "seed"}]', "[]"
    ).replace("def test_", "def test_again_")
    project(postgres_url, tests, conftest, "-n", "2").assert_outcomes(passed=6)


def test_hosts_that_roll_back_after_each_test(project: Project, url: str) -> None:
    # The first event of the process meets the transaction, not the seed before it.
    conftest = CONFTEST.replace('assert send(app, plan="seed") == 202', "pass") + ROLLING_BACK
    tests = TWO_TESTS.replace('[{"plan": "seed"}]', "[]")
    project(url, tests, conftest).assert_outcomes(passed=3)


def test_without_the_fixture_an_open_transaction_is_in_the_way(project: Project, url: str) -> None:
    """The control: the file is locked on SQLite, and on PostgreSQL the event stays."""
    tests = """
from host import send, stored


def test_a(app):
    assert send(app, plan="pro") == 202


def test_b(app):
    assert stored() == [{"plan": "seed"}]
"""
    result = project(url, tests, CONFTEST + ROLLING_BACK)
    result.assert_outcomes(passed=1, failed=1)
    failed = "test_a" if kind_of(url) == "sqlite" else "test_b"
    result.stdout.fnmatch_lines([f"*FAILED test_host.py::{failed}*"])


def test_any_app_of_the_process_is_heard(project: Project, sqlite_url: str) -> None:
    tests = """
from host import EventsMiddleware, create_app, send


def test_an_app_made_in_the_test(tracked):
    app = create_app()
    app.wsgi_app = EventsMiddleware(app)
    assert send(create_app(), n=1) == send(app, n=2) == 202
    assert [event.payload for event in tracked.of("sign_up")] == [{"n": 1}, {"n": 2}]
"""
    project(sqlite_url, tests, "").assert_outcomes(passed=1)


def test_a_failure_shows_the_line_of_the_test(project: Project, sqlite_url: str) -> None:
    tests = """
from host import send


def test_sign_up(app, tracked):
    send(app, plan="free")
    tracked.assert_one("sign_up", plan="pro")
"""
    result = project(sqlite_url, tests)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            '>       tracked.assert_one("sign_up", plan="pro")',
            "E       AssertionError: expected one sign_up event with plan='pro'; recorded: none",
            "E       the nearest: sign_up {'plan': 'free'}",
            "E           plan is 'free', expected 'pro'",
        ]
    )
    result.stdout.no_fnmatch_line("*raise AssertionError*")


def test_it_costs_a_project_without_tcs_events_nothing(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control is the test that uses the fixture: then the package is there."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makepyfile(
        """
        import sys


        def test_nothing_is_imported():
            assert "pytest_tcs_events" in sys.modules
            assert not {"tcs_events", "flask", "sqlalchemy", "marshmallow"} & set(sys.modules)


        def test_it_is_imported_when_it_is_used(tracked):
            assert {"tcs_events", "flask"} <= set(sys.modules)
        """
    )
    result = pytester.runpytest_subprocess("-p", "pytest_tcs_events", "-W", "error")
    result.assert_outcomes(passed=2)


def test_it_does_not_matter_that_the_package_was_imported_before_pytest(
    pytester: pytest.Pytester,
) -> None:
    """As where a command of the host calls `pytest.main`. Pytest warns of most other plugins."""
    installed = pytester.mkdir("as_installed-1.dist-info")
    (installed / "METADATA").write_text("Name: as_installed\nVersion: 1\n")
    (installed / "entry_points.txt").write_text("[pytest11]\ntcs_events = pytest_tcs_events\n")
    (installed / "RECORD").write_text("tcs_events/__init__.py,,\npytest_tcs_events/__init__.py,,\n")
    pytester.makepyfile("def test_it(tracked):\n    tracked.assert_none()\n")
    result = pytester.runpython_c(
        "import sys, tcs_events, pytest\n"
        "sys.exit(pytest.main(['-W', 'error', '-p', 'no:schemathesis', '-p', 'no:cacheprovider']))"
    )
    result.assert_outcomes(passed=1)


def test_pytest_finds_the_plugin_by_itself(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest_subprocess("-p", "no:schemathesis", "--fixtures")
    result.stdout.fnmatch_lines(["tracked -- *", "    What the apps of this process record*"])


def test_a_fixture_of_the_same_name_in_the_host_wins(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        """
        import pytest


        @pytest.fixture
        def tracked():
            return "the host's"
        """
    )
    pytester.makepyfile('def test_it(tracked):\n    assert tracked == "the host\'s"\n')
    result = pytester.runpytest_subprocess("-p", "no:schemathesis")
    result.assert_outcomes(passed=1)


def test_the_app_does_not_import_pytest() -> None:
    """A host has no pytest in production."""
    paths = set((ROOT / "tcs_events").rglob("*.py"))
    plugin = ROOT / "tcs_events/testing/pytest_plugin/__init__.py"
    assert plugin in paths
    for path in paths - {plugin}:
        assert "import pytest" not in path.read_text(), path
