"""The TypeScript compiler of the front end's packages."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

from tests.support import ROOT, need

SNIPPETS = ROOT / "frontend_snippets"
OPTIONS = (
    *("--noEmit", "--strict", "--exactOptionalPropertyTypes", "--skipLibCheck", "--ignoreConfig"),
    *("--module", "preserve", "--moduleResolution", "bundler", "--types", ""),
    *("--target", "es2022", "--lib", "es2022,dom,dom.iterable"),
)


def need_compiler() -> None:
    need(shutil.which("npx"), "Node 20 or later", "https://nodejs.org, or apt-get install npm")
    need((SNIPPETS / "node_modules").is_dir(), "npm packages", "npm ci --prefix frontend_snippets")


def errors(*files: Path) -> dict[int, str]:
    """Compile files strictly; return the errors of the last one, by line."""
    compiled = subprocess.run(
        ["npx", "tsc", *OPTIONS, *map(str, files)],
        cwd=SNIPPETS,
        capture_output=True,
        text=True,
        timeout=300,
    )
    found = re.findall(r"^(\S.*?)\((\d+),\d+\): error (.*)$", compiled.stdout, re.MULTILINE)
    assert bool(found) == bool(compiled.returncode), compiled.stdout + compiled.stderr
    elsewhere = [error for error in found if Path(error[0]).name != files[-1].name]
    assert not elsewhere, elsewhere
    return {int(line): error for _, line, error in found}
