"""F8: made-up requests against the OpenAPI document, and made-up bytes against the code."""

from __future__ import annotations

import importlib.util
import tempfile

from tests.door.contract import hold
from tests.door.fuzz import run_fuzz
from tests.door.hosts import FACES, hosted, quiet


def run(quick: bool) -> dict[str, str]:
    """Run schemathesis through both faces, and atheris where it is installed."""
    cases = 0
    failures: list[str] = []
    for face in FACES:
        with (
            tempfile.TemporaryDirectory() as folder,
            quiet(),
            hosted(f"sqlite:///{folder}/host.db", face) as app,
        ):
            held = hold(app, 20 if quick else 2_000, stateful=not quick)
        cases += held.cases
        failures += held.failures
    minutes = 0.5 if quick else 60
    if importlib.util.find_spec("atheris") is None:
        fuzzed, control = "atheris is not installed", "not run"
    else:
        bodies, found = run_fuzz(minutes)
        fuzzed = f"atheris: {found or 'nothing'} in {bodies:,} bodies"
        _, seen = run_fuzz(1, bug="nul")
        control = f"a seeded bug (NUL let through): {seen or 'not found'} within a minute"
    return {
        "figure": "F8",
        "what": "undocumented or wrong answers (schemathesis); unhandled exceptions (atheris)",
        "target": "0; nothing",
        "measured": f"{len(failures)}; {fuzzed}",
        "n": f"{cases:,} requests; {minutes} minutes of fuzzing",
        "control": control,
    }
