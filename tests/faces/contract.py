"""Compares the endpoint with its own OpenAPI document, by schemathesis.

    python -m tests.faces.contract --examples 2000

It makes requests that the document allows and ones that it forbids; each must be answered as the
document says, and never with an error of the server.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from flask import Flask
from hypothesis import strategies as st

from tests.faces.hosts import FACES, hosted, quiet
from tests.support import URL

INSTALL = "schemathesis: pip install -e '.[test]'"


@dataclass
class Held:
    """The results of a run."""

    cases: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    """How often each operation was answered with each status."""
    failures: list[str] = field(default_factory=list)
    misjudged: list[str] = field(default_factory=list)
    """Bodies that were taken, were said to break the document, and do not."""


def printable() -> st.SearchStrategy[str]:
    characters = st.characters(exclude_categories=["C", "Z"]) | st.just(" ")
    texts = st.text(characters, min_size=1, max_size=64)
    return texts.filter(lambda text: text.isprintable() and not text.isspace())


def hold(
    app: Flask, examples: int, seed: int = 1, edges: bool = True, stateful: bool = False,
    progress: Callable[[Held], None] = lambda held: None,
) -> Held:  # fmt: skip
    """Compare an app with its document, with so many examples per operation.

    `edges` adds a request for each bound and each keyword of the document.
    """
    import schemathesis
    from schemathesis import config as settings
    from schemathesis.engine import Status, from_schema
    from schemathesis.engine.events import NonFatalError, ScenarioFinished

    schemathesis.openapi.format("printable", printable())
    phases = settings.PhasesConfig()
    phases.stateful.enabled = stateful
    phases.coverage.enabled = edges
    project = settings.ProjectConfig(
        generation=settings.GenerationConfig(max_examples=examples, database="none"),
        phases=phases,
        continue_on_failure=True,
    )
    everything = settings.SchemathesisConfig(
        seed=seed,
        projects=settings.ProjectsConfig(default=project),
        cache=settings.CacheConfig(enabled=False),
    )
    schema = schemathesis.openapi.from_wsgi(f"{URL}/openapi.json", app, config=everything)
    held = Held()
    for event in from_schema(schema).execute():
        if isinstance(event, NonFatalError):
            held.failures.append(f"{event.label}: {event.value!r}")
        if not isinstance(event, ScenarioFinished):
            continue
        sent = event.recorder.interactions
        for one in sent.values():
            held.cases += 1
            status = one.response.status_code if one.response else "none"
            held.answers[f"{one.request.method} {status}"] += 1
        for case, checks in event.recorder.checks.items():
            for check in checks:
                if check.status is Status.SUCCESS or is_told(check, sent[case].response):
                    continue
                if is_misjudged(schema.raw_schema, event.label, check, sent[case]):
                    held.misjudged.append(_worded(event.label, check, sent[case]))
                else:
                    held.failures.append(_worded(event.label, check, sent[case]))
        progress(held)
    return held


def is_told(check: Any, response: Any) -> bool:
    """Return whether a failure is about a rule that JSON Schema cannot express, not a bug."""
    if response is None:
        return False
    if response.status_code == 413:  # how long a text may be as a whole
        return check.name in ("negative_data_rejection", "positive_data_acceptance")
    if check.name == "negative_data_rejection":
        # A batch is taken where one of its events is good, and names those that are not.
        return response.status_code == 202 and bool(response.json().get("rejected"))
    if check.name == "positive_data_acceptance":
        # 5.0 is an integer to JSON Schema. To a host's schema it may be none.
        return "Not a valid integer." in response.text
    return False


def is_misjudged(document: dict[str, Any], label: str | None, check: Any, sent: Any) -> bool:
    """Return whether the document allows a body that schemathesis calls forbidden.

    schemathesis does not know our format `printable`. When it changes such a field, it takes every
    new text for a forbidden one. Another validator, which knows the format, decides.
    """
    if check.name != "negative_data_rejection" or not label or sent.response.status_code != 202:
        return False
    if "Invalid component: in body" not in check.failure_info.failure.message:
        return False
    return is_allowed(document, label, sent.request.body)


def is_allowed(document: dict[str, Any], label: str, body: bytes) -> bool:
    """Return whether the document allows a body for an operation, `"POST /api/events"` for one."""
    import jsonschema

    try:
        value = json.loads(body)
    except ValueError:  # bytes at random, which are no JSON or not even UTF-8
        return False
    method, path = label.split()
    content = document["paths"][path][method.lower()]["requestBody"]["content"]
    formats = jsonschema.FormatChecker()
    formats.checks("printable")(lambda text: text.isprintable() and not text.isspace())
    its_schema = {**content["application/json"]["schema"], "components": document["components"]}
    return jsonschema.Draft202012Validator(its_schema, format_checker=formats).is_valid(value)


def _worded(label: str | None, check: Any, sent: Any) -> str:
    why = check.failure_info.failure.message if check.failure_info else check.status
    answer = sent.response.content[:200] if sent.response else None
    asked = f"{sent.request.method} {sent.request.body!r}"
    return f"{label}: {check.name}: {why!r} {asked} -> {answer!r}"


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.faces.contract", description=__doc__)
    parser.add_argument("--examples", type=int, default=500, help="per operation and face")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()

    def show(held: Held) -> None:
        sys.stderr.write(f"\r{held.cases} requests, {len(held.failures)} failures")

    failed = 0
    for face in FACES:
        with (
            tempfile.TemporaryDirectory() as folder,
            quiet(),
            hosted(f"sqlite:///{folder}/host.db", face) as app,
        ):
            held = hold(app, options.examples, options.seed, stateful=True, progress=show)
        say(f"\n{face}: {held.cases} requests, {len(held.failures)} failures")
        for answer, count in sorted(held.answers.items()):
            say(f"    {answer}: {count}")
        for failure in held.failures[:20]:
            say(f"    {failure}")
        for body in held.misjudged[:20]:
            say(f"    allowed after all: {body}")
        failed += len(held.failures)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
