"""An environment for other packages, so that what they need does not disturb ours."""

from __future__ import annotations

import subprocess
import venv
from importlib.metadata import version
from pathlib import Path

from tests.benchmarks.rows import PEERS_INSTALLED

# The same versions as in ours: the packages are to be compared, not what lies under them.
SHARED = ["Flask", "Werkzeug", "Flask-SQLAlchemy", "SQLAlchemy", "psycopg", "gunicorn", "granian"]


def install_peers(folder: Path) -> Path:
    """Return the Python of a new virtual environment that has the peers."""
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    same = [f"{name}=={version(name)}" for name in [*SHARED, "psycopg-binary"]]
    subprocess.run(
        [str(python), "-m", "pip", "install", "--quiet", *same, *PEERS_INSTALLED], check=True
    )
    return python
