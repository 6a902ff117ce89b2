"""The npm package, installed into an empty project: it compiles, and holds pages to their types."""

from __future__ import annotations

import configparser
import json
import re
import tarfile
from pathlib import Path

import pytest

from tests.frontend.compiler import SNIPPETS
from tests.npm_package import PROJECT, build, compile_strictly, new_project, pack, reacts, run
from tests.pages import page
from tests.support import ROOT


@pytest.fixture(scope="module")
def tarball(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pack(tmp_path_factory.mktemp("npm"))


def files(tarball: Path) -> dict[str, str]:
    with tarfile.open(tarball) as archive:
        return {
            member.name.removeprefix("package/"): archive.extractfile(member).read().decode()  # type: ignore[union-attr]
            for member in archive.getmembers()
        }


def test_it_has_what_a_page_needs_and_no_more(tarball: Path) -> None:
    packed = files(tarball)
    sources = {"npm/index", "npm/react", "npm/testing", "tracking"}
    sources |= {f"tracking/{path.stem}" for path in (SNIPPETS / "tracking").glob("*.ts")}
    sources |= {path.stem for path in SNIPPETS.glob("*.ts*") if path.suffix in {".ts", ".tsx"}}
    sources -= {"tracking/script"}  # which the blueprint serves
    built = {f"dist/{source}{ending}" for source in sources for ending in (".js", ".d.ts")}
    assert set(packed) == {"package.json", "README.md", "LICENSE", *built}
    assert packed["LICENSE"] == (ROOT / "LICENSE").read_text()
    for name, text in packed.items():
        assert text.startswith('"use client"') == (
            name.endswith(".js") and has_client_mark(SNIPPETS / name.removeprefix("dist/"))
        )


def has_client_mark(file: Path) -> bool:
    sources = [file.with_suffix(suffix) for suffix in (".ts", ".tsx")]
    return any(path.exists() and path.read_text().startswith('"use client"') for path in sources)


def test_it_has_the_version_of_the_python_package() -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    version = setup["metadata"]["version"]
    assert json.loads((SNIPPETS / "package.json").read_text())["version"] == version
    lock = json.loads((SNIPPETS / "package-lock.json").read_text())
    assert lock["version"] == lock["packages"][""]["version"] == version


@pytest.fixture(scope="module")
def project(tarball: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return new_project(tmp_path_factory.mktemp("projects") / "react19", tarball, 19)


@reacts
def test_an_empty_project_compiles_strictly_and_builds(
    tarball: Path, tmp_path: Path, react: int
) -> None:
    project = new_project(tmp_path / "project", tarball, react)
    compiled = compile_strictly(project)
    assert compiled.returncode == 0, compiled.stdout
    assert (build(project) / "index.html").exists()


WRONG = {
    "a misspelt type": 'trackEvent("room_opend", { room_id: "a", source: "map" });',
    "a missing field": 'trackEvent("room_opened", { room_id: "a" });',
    "a missing payload": 'trackEvent("room_opened");',
    "a value not in the list": 'trackEvent("room_opened", { room_id: "a", source: "sea" });',
    "a field too many": 'trackEvent("room_opened", { room_id: "a", source: "map", b: 1 });',
    "a type of nobody's": 'trackEvent("sage_query", { query_text: "sea" });',
    "a misspelt type of the global": 'window.tcsEvents?.trackEvent("room_opend", {});',
    "a session that may be missing": "export const session: string = sessionId();",
    "an option that is none": "configure({ cookies: true });",
    "an event of tests that nobody declared": 'captureEvents().assertOne("room_opend");',
    "a field of tests that nobody declared": 'captureEvents().assertOne("room_opened", { b: 1 });',
}
RIGHT = """
trackEvent("room_opened", { room_id: "a", source: "map" });
trackEvent("map_hidden"); trackEvent("map_hidden", {}); trackEvent("map_hidden", { seconds: 3 });
window.tcsEvents?.trackEvent("map_hidden");
const passOn = (...[name, payload]: TrackedEvent) => trackEvent(name, payload);
passOn("map_hidden", { seconds: 3 });
tcsEvents?.configure({ cookie: true, consent: false });
configure({ cookie: true });
export const session: string | undefined = window.tcsEvents?.sessionId() ?? sessionId();
void fetch("/rooms", { headers: { "X-TCS-Session-ID": sessionId() ?? "" } });
const { payload } = captureEvents().assertOne("room_opened", { source: "map" });
export const room: EventPayload<"room_opened"> = payload;
"""
IMPORTS = """
import type { TrackedEvent } from "./events.js";
import { configure, sessionId, trackEvent, type EventPayload } from "tcs-events";
import { captureEvents } from "tcs-events/testing";
export { configure, sessionId, trackEvent, captureEvents, type EventPayload };
"""


def wrong_lines(project: Path, code: str, *options: str) -> dict[int, str]:
    """Return the compiler's errors by the lines of the code, the first of which is line 1."""
    file = project / "page.ts"
    file.write_text(code + IMPORTS * ("import" not in code))
    compiled = compile_strictly(project, *options)
    file.unlink()
    errors = re.findall(r"^page\.ts\((\d+),\d+\): (.*)", compiled.stdout, re.MULTILINE)
    assert bool(errors) == bool(compiled.returncode), compiled.stdout
    return {int(line): error for line, error in errors}


@pytest.mark.parametrize("resolution", ["bundler", "nodenext"])
def test_declared_types_hold_pages_to_them(project: Path, resolution: str) -> None:
    module = {"bundler": "preserve", "nodenext": "nodenext"}[resolution]
    options = ("--module", module, "--moduleResolution", resolution)
    assert wrong_lines(project, RIGHT, *options) == {}
    errors = wrong_lines(project, "\n".join(WRONG.values()), *options)
    found = [mistake for line, mistake in enumerate(WRONG, start=1) if line in errors]
    assert found == list(WRONG)


def test_the_documented_examples_compile_and_misspelt_they_do_not(project: Path) -> None:
    example, tests = page("guides/tracker").blocks("ts")
    for code in (example, tests):
        assert wrong_lines(project, code) == {}
        assert wrong_lines(project, code.replace('("room_opened"', '("room_opend"'))


def test_the_documented_tests_are_those_of_the_project() -> None:
    """Which vitest runs below."""
    _, tests = page("guides/tracker").blocks("ts")
    imported, *lines = tests.splitlines()
    run_here = (PROJECT / "rooms.test.ts").read_text()
    assert imported.replace(", it ", ", expect, it ") in run_here
    assert "\n".join(lines) in run_here


def test_while_no_type_is_declared_any_name_goes(tarball: Path, tmp_path: Path) -> None:
    project = new_project(tmp_path / "project", tarball, 19)
    for file in [*project.glob("*.ts"), *project.glob("*.tsx")]:
        file.unlink()
    (project / "events.ts").write_text("export type TrackedEvent = never;")
    right = """
    interface Room { room_id: string }
    declare const room: Room;
    trackEvent("anything", room); trackEvent("anything");
    """
    assert wrong_lines(project, right) == {}
    wrong = 'trackEvent("anything", "no object");\ntrackEvent(7, {});'
    assert set(wrong_lines(project, wrong)) == {1, 2}


CLICKS = "auxclick"


def test_a_bundle_keeps_the_clicks_and_leaves_out_what_is_not_used(project: Path) -> None:
    """The import alone records clicks on marked elements; an import of the kit alone adds none."""
    assert CLICKS in bundle(project, 'import "tcs-events";')
    bundled = bundle(project, 'export { createSearchStore } from "tcs-events/react";')
    assert "createSearchStore" in bundled
    assert "jsx" not in bundled
    assert CLICKS not in bundled
    assert CLICKS in bundle(project, 'export { TagFilter } from "tcs-events/react";')


def bundle(project: Path, code: str) -> str:
    entry = project / "entry.ts"
    entry.write_text(code)
    esbuild = SNIPPETS / "node_modules" / ".bin" / "esbuild"
    options = ("--bundle", "--format=esm", "--external:react")
    bundled = run(project, str(esbuild), entry.name, *options)
    entry.unlink()
    assert bundled.returncode == 0, bundled.stderr
    return bundled.stdout


def test_it_can_be_imported_where_there_is_no_page(project: Path) -> None:
    """As in server-side rendering: by Node itself, which wants the endings of files."""
    code = """
    import { sessionId, trackEvent } from "tcs-events";
    import { createSearchStore } from "tcs-events/react";
    import { captureEvents } from "tcs-events/testing";
    trackEvent("room_opened", { room_id: "a" });
    console.log(sessionId(), typeof createSearchStore, typeof captureEvents);
    """
    ran = run(project, "node", "--input-type=module", "--eval", code)
    assert (ran.stdout, ran.stderr) == ("undefined function function\n", "")


def test_the_sink_captures_what_pages_record_in_their_tests(project: Path) -> None:
    """By way of the installed package: the sink and the page share one tracker."""
    vitest = ("node", "node_modules/vitest/vitest.mjs", "run")
    tested = run(project, *vitest, "--environment", "happy-dom")
    assert tested.returncode == 0, tested.stdout + tested.stderr
    assert "2 passed" in tested.stdout
