"""The site of the tutorial: the files in `tests/hosts/booking`, and what the page shows of them."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

from tests.frontend.compiler import SNIPPETS
from tests.npm_package import install, pack
from tests.pages import page
from tests.support import ROOT

BOOKING = ROOT / "tests" / "hosts" / "booking"
EVENT_TYPES = runpy.run_path(str(BOOKING / "events.py"))["EVENT_TYPES"]
GENERATED = "frontend/events.ts"
"""Written by a command of the page."""
BUILT = "static/page.js"
"""Built from the page in TypeScript."""
SHOWN = re.compile(
    r"^```(?:python|html\+jinja|ts|json)\n"
    r"(?:#|//|\{#) (?P<file>[\w./]+)(?P<more>, at the end)?(?: #\})?\n(?P<code>.*?)^```",
    re.MULTILINE | re.DOTALL,
)


def shown_command(words: str) -> str:
    """Return the command of the page that has these words in it."""
    [command] = {
        line
        for block in page("tutorial").blocks("sh")
        for line in block.splitlines()
        if words in line
    }
    return command


def shown_files(last_step: int | None = None) -> dict[str, str]:
    """Return the files of somebody who follows the page, by name: up to a step, or to its end.

    A file that is shown again replaces the one before, unless its first line says "at the end".
    """
    steps = re.split(r"^## \d+\. ", page("tutorial").text, flags=re.MULTILINE)[1:]
    files: dict[str, str] = {}
    for block in SHOWN.finditer("".join(steps[:last_step])):
        assert not block["more"] or block["file"] in files, block["file"]
        before = f"{files[block['file']]}\n\n" if block["more"] else ""
        files[block["file"]] = before + block["code"]
    return files


def host_files() -> dict[str, str]:
    """Return the files of the site as they are tested, by name."""
    files = {path.relative_to(BOOKING): path for path in BOOKING.rglob("*.*") if path.is_file()}
    return {
        name.as_posix(): path.read_text()
        for name, path in files.items()
        if name.name != "ruff.toml" and not {".ruff_cache", "__pycache__"} & set(name.parts)
    }


def write_site(folder: Path, last_step: int | None = None) -> None:
    """Write the site into an empty folder: all of it, or as it is after a step of the page."""
    files = host_files() if last_step is None else shown_files(last_step)
    for name, text in files.items():
        file = folder / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)


def install_npm_packages(site: Path) -> None:
    """Install what the page installs with npm: our package as it is packed, and its tools."""
    packed = site.parent / f"{site.name}-npm"
    packed.mkdir()
    modules = install(site, pack(packed))
    for name in ("typescript", "vite", ".bin"):
        (modules / name).symlink_to(SNIPPETS / "node_modules" / name)
