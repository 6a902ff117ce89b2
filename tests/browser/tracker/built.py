"""Scripts that pages load beside the tracker: libraries, and bundles of `tracking.ts`."""

from __future__ import annotations

import subprocess
from functools import cache

from tests.support import ROOT, need

FRONT_END = ROOT / "frontend_snippets"
MODULES = FRONT_END / "node_modules"
SCRIPT = {"Content-Type": "text/javascript"}


def library(path: str) -> str:
    """Return a script of an npm package."""
    file = MODULES / path
    need(file.exists(), f"the npm package of {path}", "npm ci --prefix frontend_snippets")
    return file.read_text()


@cache
def bundle(name: str) -> str:
    """Return a host's bundle of `tracking.ts`, whose exports are the global `name`."""
    program = MODULES / ".bin" / "esbuild"
    need(program.exists(), "esbuild", "npm ci --prefix frontend_snippets")
    command = [str(program), "tracking.ts", "--bundle", "--format=iife", f"--global-name={name}"]
    built = subprocess.run(command, cwd=FRONT_END, capture_output=True, check=True, text=True)
    return built.stdout
