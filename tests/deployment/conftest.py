from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.deployment.servers import App, gunicorn, nginx


@pytest.fixture(scope="module")
def direct(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """A gunicorn with one process of 4 threads, and nothing in front of it."""
    with gunicorn(tmp_path_factory.mktemp("app")) as app:
        yield app


@pytest.fixture(scope="module")
def behind_nginx(direct: App, tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """The same one, behind nginx as the documents set it up."""
    with nginx(tmp_path_factory.mktemp("nginx"), direct) as app:
        yield app


@pytest.fixture(params=["direct", "behind_nginx"])
def app(request: pytest.FixtureRequest) -> Iterator[App]:
    app: App = request.getfixturevalue(request.param)
    yield app
    # Whatever was done to it: it answers, and nothing broke inside.
    assert "Traceback" not in app.log.read_text()
