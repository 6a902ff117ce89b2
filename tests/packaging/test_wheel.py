"""The wheel, installed where nothing else is, runs the demo: everything it needs is in it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import urllib.request
import venv
from pathlib import Path

import pytest

from tests.support import ROOT, card_click, need

NO_INDEX = re.compile("No matching distribution|Could not find a version|Failed to establish")


def pip(python: Path | str, *arguments: str) -> None:
    result = subprocess.run(
        [python, "-m", "pip", "--disable-pip-version-check", "-q", *arguments],
        capture_output=True,
        text=True,
        timeout=300,
    )
    need(
        not NO_INDEX.search(result.stderr),
        "a package index",
        "connect to one, for pip to install the wheel's dependencies from",
    )
    assert result.returncode == 0, result.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    source = tmp_path_factory.mktemp("source")
    for name in (
        "tcs_events",
        "setup.py",
        "setup.cfg",
        "pyproject.toml",
        "README.md",
        "LICENSE",
    ):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, source / name)
    pip(sys.executable, "wheel", "--no-deps", "--wheel-dir", str(source / "dist"), str(source))
    [built] = (source / "dist").glob("*.whl")
    return built


def test_the_wheel_runs_the_demo_in_an_empty_environment(wheel: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / "bin" / "python"
    pip(python, "install", str(wheel))
    demo = subprocess.Popen(
        [python, "-u", "-m", "tcs_events.demo", "--port", "0"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert demo.stdout is not None
        address = re.search(r"http://\S+", demo.stdout.readline())
        assert address is not None
        url = address.group().rstrip("/")
        for page in ("/", "/static/demo.css", "/static/demo.js", "/api/events/tracker.js"):
            with urllib.request.urlopen(url + page, timeout=60) as answer:
                assert answer.status == 200
                assert answer.read()
        body = json.dumps(card_click(payload={"expert_id": "of the wheel"})).encode()
        with urllib.request.urlopen(f"{url}/api/events", data=body, timeout=60) as answer:
            assert answer.status == 202
        with urllib.request.urlopen(f"{url}/just-stored", timeout=60) as answer:
            assert "of the wheel" in answer.read().decode()
    finally:
        demo.terminate()
        demo.communicate()


def test_only_the_four_packages_are_required(wheel: Path) -> None:
    import zipfile

    with zipfile.ZipFile(wheel) as archive:
        [metadata] = [name for name in archive.namelist() if name.endswith("METADATA")]
        lines = archive.read(metadata).decode().splitlines()
        names = archive.namelist()
    required = [line for line in lines if line.startswith("Requires-Dist") and "extra" not in line]
    packages = {re.split(r"[<>=, ]", line.split(": ")[1])[0] for line in required}
    # SQLAlchemy comes with Flask-SQLAlchemy; it is named for its floor.
    assert packages == {"flask", "flask-sqlalchemy", "marshmallow", "structlog", "sqlalchemy"}
    assert "tcs_events/py.typed" in names
    assert {"pytest_tcs_events/__init__.py", "tcs_events/faces/templates/debug.html"} <= set(names)
    assert not [name for name in names if name.startswith(("tests", "frontend_snippets"))]


def test_with_the_core_packages_alone_every_test_can_be_collected(
    wheel: Path, tmp_path: Path
) -> None:
    """What needs more is skipped with its install line, and breaks nobody's `pytest`."""
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / "bin" / "python"
    pip(python, "install", str(wheel), "pytest")
    collect = ["-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider"]
    result = subprocess.run([python, *collect], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout[-2000:]
