"""The React page of the tutorial compiles against the tracker, and misspelt it does not."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import need
from tests.tutorial import SNIPPETS, write_site


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Path]:
    need(shutil.which("npx"), "Node 20 or later", "https://nodejs.org, or apt-get install npm")
    need((SNIPPETS / "node_modules").is_dir(), "npm packages", "npm ci --prefix frontend_snippets")
    write_site(tmp_path)
    (tmp_path / "node_modules").symlink_to(SNIPPETS / "node_modules")
    yield tmp_path
    (tmp_path / "node_modules").unlink()


@pytest.mark.parametrize("misspelt", [None, "room_opened", "booking_done", "nights"])
def test_it_compiles_and_misspelt_it_does_not(site: Path, misspelt: str | None) -> None:
    main = site / "frontend" / "main.tsx"
    if misspelt:
        main.write_text(main.read_text().replace(misspelt, f"{misspelt}x"))
    config = {"extends": str(SNIPPETS / "tsconfig.json"), "include": ["frontend/*"]}
    (site / "tsconfig.json").write_text(json.dumps(config))
    result = subprocess.run(
        ["npx", "tsc", "--noEmit"], cwd=site, capture_output=True, text=True, timeout=300
    )
    assert (result.returncode == 0) == (misspelt is None), result.stdout + result.stderr
