"""F8: made-up requests against the OpenAPI document, and made-up bytes against the code."""

from __future__ import annotations

import importlib.util
import tempfile
from collections.abc import Sequence

from flask import Response

from tests.faces.contract import Held, hold
from tests.faces.fuzz import run_fuzz
from tests.faces.hosts import FACES, hosted, quiet
from tests.faults.progress import say
from tests.figures.figure import Row


def _teapot(response: Response) -> Response:
    if response.status_code == 422:
        response.status_code = 418
    return response


FULL_MINUTES, FULL_EXAMPLES = 60, 5_000


def surprises(minutes: int) -> list[Row]:
    """Run schemathesis through both faces, and atheris for so long, where it is installed."""
    examples = max(20, FULL_EXAMPLES * minutes // FULL_MINUTES)
    held = [hold_face(face, examples, stateful=minutes >= FULL_MINUTES) for face in FACES]
    rows = [answers(held)]
    if importlib.util.find_spec("atheris") is None:
        return [*rows, Row("atheris", "not installed", False, "not run", False)]
    bodies, found = run_fuzz(minutes)
    _, seen = run_fuzz(1, bug="nul")
    said = f"{found or 'nothing'} in {bodies:,} bodies, {minutes} minutes"
    control = f"a seeded bug (NUL let through): {seen or 'not found'} within a minute"
    return [*rows, Row("atheris", said, not found, control, bool(seen))]


def hold_face(face: str, examples: int, *, stateful: bool) -> Held:
    """Hold one face against the document, and say all that was found."""
    with (
        tempfile.TemporaryDirectory() as folder,
        quiet(),
        hosted(f"sqlite:///{folder}/host.db", face) as app,
    ):
        held = hold(app, examples, stateful=stateful)
    for said in (*held.failures, *held.misjudged):
        say(said)
    return held


def answers(held: Sequence[Held]) -> Row:
    """Return what the faces did, beside a host that does what it should not."""
    failures = [failure for one in held for failure in one.failures]
    misjudged = sum(len(one.misjudged) for one in held)
    with (
        tempfile.TemporaryDirectory() as folder,
        quiet(),
        hosted(f"sqlite:///{folder}/host.db", FACES[0]) as app,
    ):
        app.after_request(_teapot)
        odd = hold(app, 5)
    return Row(
        "schemathesis, by our own OpenAPI document",
        f"{len(failures)} of {sum(one.cases for one in held):,} requests, {len(held)} faces"
        + (f", and {misjudged} that the document allows, misjudged" if misjudged else "")
        + "".join(f"; the first: {failure[:300]}" for failure in failures[:1]),
        not failures,
        f"a host that answers 418: {len(odd.failures)} found",
        bool(odd.failures),
    )
