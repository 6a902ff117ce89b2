"""The tracker's own checks, run by npm as a front-end developer runs them."""

from __future__ import annotations

import gzip
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.pages import README, page
from tests.support import ROOT, need

SNIPPETS = ROOT / "frontend_snippets"
BUILT = ROOT / "tcs_events" / "static" / "tracker.js"


def npm(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["npm", "--silent", "run", *arguments],
        cwd=SNIPPETS,
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.fixture(scope="module", autouse=True)
def _npm_packages() -> None:
    need(shutil.which("npm"), "Node 20 or later", "https://nodejs.org, or apt-get install npm")
    need((SNIPPETS / "node_modules").is_dir(), "npm packages", "npm ci --prefix frontend_snippets")


def test_the_script_in_the_package_is_the_source_as_built_today(tmp_path: Path) -> None:
    built = tmp_path / "tracker.js"
    result = npm("build", "--", "--output", str(built))
    assert result.returncode == 0, result.stderr
    assert built.read_bytes() == BUILT.read_bytes(), (
        "run `npm run build --prefix frontend_snippets`"
    )


def test_the_script_is_as_small_as_the_documents_say() -> None:
    size = len(gzip.compress(BUILT.read_bytes(), 9))
    assert size <= 2_900
    for name in (README, "guides/tracker"):
        [said] = re.findall(r"(\d+) bytes gzipped", page(name).text)
        assert size == int(said)


def test_the_source_is_strictly_typed() -> None:
    result = npm("check")
    assert result.returncode == 0, result.stdout


def test_the_tests_of_the_source_pass() -> None:
    result = npm("test")
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_source_imports_nothing_but_its_own_files() -> None:
    sources = [SNIPPETS / "tracking.ts", *(SNIPPETS / "tracking").glob("*.ts")]
    imported = {
        (source.parent / name).with_suffix(".ts").resolve()
        for source in sources
        for name in re.findall(r' from "(.*?)";', source.read_text())
    }
    assert imported <= set(sources)


@pytest.mark.parametrize(("name", "event_type"), [("guides/event-types", "sign_up")])
@pytest.mark.parametrize("misspell", [False, True])
def test_the_documented_examples_compile_and_misspelt_they_do_not(
    tmp_path: Path, name: str, event_type: str, misspell: bool
) -> None:
    [example] = page(name).blocks("ts")
    example = example.replace("./tracking", str(SNIPPETS / "tracking"))
    right, wrong = f'trackEvent("{event_type}"', f'trackEvent("{event_type}x"'
    assert right in example
    file = tmp_path / "example.ts"
    file.write_text(example.replace(right, wrong) if misspell else example)
    options = ["--noEmit", "--strict", "--skipLibCheck", "--ignoreConfig"]
    options += ["--module", "preserve", "--moduleResolution", "bundler"]
    options += ["--target", "es2022", "--lib", "es2022,dom,dom.iterable", "--types", ""]
    result = subprocess.run(
        ["npx", "tsc", *options, str(file)], cwd=SNIPPETS, capture_output=True, text=True
    )
    assert (f"{event_type}x" in result.stdout) == misspell, result.stdout + result.stderr
    assert bool(result.returncode) == misspell, result.stdout + result.stderr
