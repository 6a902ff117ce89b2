"""The site that the tutorial builds: its files, just as they stand on the page."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from tests.pages import page
from tests.support import ROOT

SNIPPETS = ROOT / "frontend_snippets"
BOOKING = ROOT / "tests" / "hosts" / "booking"
"""The files of a booking site, a host with event types of its own."""
NAMED = re.compile(r"^(?:#|//|\{#) (?P<file>[\w./]+?)(?P<more>, at the end)?(?: #\})?\n")


def write_site(folder: Path) -> None:
    """Write the files of the tutorial into a folder, and copy what it says to copy."""
    (folder / "templates").mkdir()
    shutil.copytree(SNIPPETS / "tracking", folder / "frontend" / "tracking")
    shutil.copy(SNIPPETS / "tracking.ts", folder / "frontend")
    for language in ("python", "html+jinja", "ts", "tsx"):
        for code in page("tutorial").blocks(language):
            named = NAMED.match(code)
            assert named, code
            file = folder / named["file"]
            assert file.exists() == bool(named["more"]), file
            with file.open("a") as written:
                written.write(code)
