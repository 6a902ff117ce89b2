"""The npm package of the tracker, packed, and new Vite projects that have installed it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from marshmallow import Schema, fields, validate

from tcs_events import EventType
from tcs_events.event_types.event_type import declared
from tcs_events.event_types.typescript import typescript
from tests.frontend.compiler import SNIPPETS, need_compiler
from tests.support import ROOT

PROJECT = ROOT / "tests" / "packaging" / "vite_project"
TOOLS = ("@types/node", "typescript", "vite", "@vitejs", "vitest", "happy-dom")
REACT = ("react", "react-dom", "@types/react", "@types/react-dom")


class RoomOpened(Schema):
    room_id = fields.String(required=True)
    source = fields.String(required=True, validate=validate.OneOf(["list", "map"]))


class MapHidden(Schema):
    seconds = fields.Integer()


EVENT_TYPES = [
    EventType("room_opened", RoomOpened),
    EventType("map_hidden", MapHidden),
    EventType("card_click"),
]
"""The types of the host whose pages these are."""

reacts = pytest.mark.parametrize("react", [18, 19])

# @types/react 18.0 imports it, and the @types/scheduler of today no longer has it.
SCHEDULER = 'declare module "scheduler/tracing" { export interface Interaction {} }'


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)


def pack(folder: Path) -> Path:
    """Return the package as `npm pack` makes it, of a copy: packing writes into its folder."""
    need_compiler()
    copy = folder / "source" / SNIPPETS.name
    shutil.copytree(SNIPPETS, copy, ignore=shutil.ignore_patterns("node_modules", "dist"))
    shutil.copy(ROOT / "LICENSE", folder / "source")
    (copy / "node_modules").symlink_to(SNIPPETS / "node_modules")
    packed = run(folder, "npm", "pack", "--silent", f"./source/{SNIPPETS.name}")
    assert packed.returncode == 0, packed.stdout + packed.stderr
    [tarball] = folder.glob("*.tgz")
    return tarball


def install(folder: Path, tarball: Path) -> Path:
    """Install the package into a project, without a network, and return its `node_modules`."""
    installed = run(
        folder, "npm", "install", "--offline", "--no-audit", "--no-fund", str(tarball.resolve())
    )
    assert installed.returncode == 0, installed.stderr
    return folder / "node_modules"


def new_project(folder: Path, tarball: Path, react: int) -> Path:
    """Return an empty Vite project with the package and a React, and a page that tracks."""
    shutil.copytree(PROJECT, folder)
    modules = install(folder, tarball)
    assert sorted(path.name for path in modules.iterdir() if path.is_dir()) == ["tcs-events"]
    # What a network would bring: the packages that are installed for the tracker's own tests.
    ours = SNIPPETS / "node_modules"
    theirs = {19: ours, 18: SNIPPETS / "tests" / "react18" / "node_modules"}[react]
    for name, where in [*((name, ours) for name in TOOLS), *((name, theirs) for name in REACT)]:
        (modules / name).parent.mkdir(exist_ok=True)
        (modules / name).symlink_to(where / name)
    (folder / "events.ts").write_text(typescript(declared(EVENT_TYPES, {})))
    if react == 18:
        (folder / "scheduler.d.ts").write_text(SCHEDULER)
    return folder


def compile_strictly(project: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return run(project, "node", "node_modules/typescript/bin/tsc", *options)


def build(project: Path) -> Path:
    """Return the project as built for production."""
    built = run(project, "node", "node_modules/vite/bin/vite.js", "build")
    assert built.returncode == 0, built.stdout + built.stderr
    return project / "dist"
