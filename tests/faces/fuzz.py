"""Coverage-guided fuzzing of the way from bytes to events.

    python -m tests.faces.fuzz --minutes 60

Nothing but an event or a refusal may come out of it, the same one with and without orjson, and an
event must be JSON that a strict parser reads back equal. What is found is written to `--keep` and
ends the run with an error. `--seeded-bug` breaks the code on purpose: the check must see it.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import random
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.faces.json_texts import ALL
from tests.faces.oracle import same, strict, why_not

INSTALL = "atheris: pip install -e '.[fuzz]'"
TOKENS = [
    *"{}[]:,\"\\", "true", "false", "null", "NaN", "Infinity", "-0", "0e+1", "1e400", "1e-400",
    "9007199254740991", "9007199254740992", "18446744073709551616", "\\u0000", "\\ud800",
    "\\udc00", "\\ud83e\\udd89", "\\n", "card_click", "sage_query", "sign_up", "event_type",
    "session_id", "payload", "event_id", "age_ms", "email", "events", "ada@example.com",
    "5d3a4c1e-8c54-4f0c-9f6e-0d6a3f1f2b11", "604800000", "604800001", "urn:uuid:", "[[[[[[[[",
    "]]]]]]]]", '{"a":{"a":', '"\\u0000":', "\xef\xbb\xbf", "\xed\xa0\x80", "\xc0\x80",
]  # fmt: skip
SEEDS = [
    '{"event_type":"card_click","session_id":"s","payload":{"v":[1,-0.0,1e5,"\\ud83e\\udd89"]}}',
    '{"event_type":"sign_up","session_id":"s","payload":{"plan":"free","seats":3,"on":"2026-03-01"},'
    '"event_id":"5d3a4c1e-8c54-4f0c-9f6e-0d6a3f1f2b11","age_ms":5,"email":"ada@example.com"}',
    '{"events":[{"event_type":"card_click","session_id":"s"},{},null]}',
    '{"session_id":"s","email":"ada@example.com","age_ms":0}',
]


class Broken(AssertionError):
    """The result for a body is wrong."""


def hold(found: object, what: str) -> None:
    if not found:
        raise Broken(what)


def make_check() -> Callable[[bytes], None]:
    """Return the check of one body. Import it where the imports are instrumented."""
    import logging

    import structlog
    from marshmallow import Schema, ValidationError, fields, validate

    from tcs_events import strict_json
    from tcs_events.errors import EventInvalid
    from tcs_events.event import Event, Outcome, Record
    from tcs_events.event_types.event_type import declared
    from tcs_events.event_types.schemas import event_schema
    from tcs_events.intake.collector import Collector
    from tcs_events.intake.intake import Intake
    from tcs_events.intake.precheck import Precheck
    from tcs_events.intake.reader import Reader
    from tcs_events.intake.reader import check as check_value
    from tcs_events.watch.counters import Counters

    class SignUp(Schema):
        plan = fields.String(required=True, validate=validate.Length(1, 20))
        seats = fields.Integer(strict=True, validate=validate.Range(min=0))
        on = fields.Date()
        tags = fields.List(fields.String())

    class Kept:
        def __init__(self) -> None:
            self.records: list[Record] = []

        def append(self, records: Any, size_bytes: int = 0) -> list[Outcome]:
            self.records = list(records)
            return [Outcome.ACCEPTED] * len(records)

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    schema = event_schema(declared({"card_click": None, "sage_query": None, "sign_up": SignUp}, {}))
    precheck, reader, store, counters = Precheck(schema), Reader(schema), Kept(), Counters()
    now = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
    events, identities = (Intake(read, store, counters) for read in (reader.event, reader.identity))
    collector = Collector(reader, events, identities, 500, counters, clock=lambda: now)
    orjson = strict_json.orjson

    def storable(event: Event, sent: Any) -> None:
        hold(not why_not(event.payload, 2), f"accepted {why_not(event.payload, 2)}")
        payload = sent.get("payload", {})
        if event.event_type == "sign_up":
            payload = SignUp().dump(SignUp().load(payload))
        hold(same(event.payload, payload), "the payload is not what was sent")
        hold(same(strict(strict_json.dumps(event.payload)), event.payload), "read back changed")
        for text in (event.session_id, event.event_type, event.email or ""):
            hold(not why_not(text) and (text.isprintable()), "a text that is not printable")
        hold(0 < len(event.session_id) <= 64 and event.session_id.strip(), "the session")
        hold(event.event_type in schema.payload_forms, "the type is not in the allowlist")

    def agreed(data: Any) -> None:
        """The fast check accepts what the schema accepts, and nothing else."""
        quick = precheck(data, now)
        try:
            loaded = schema.load(data)
        except ValidationError:
            hold(quick is None, "the quick check takes what the schema refuses")
            return
        hold(quick is not None, "the schema takes what the quick check sends it")
        assert quick is not None
        for name in ("event_type", "session_id", "payload", "email"):
            hold(same(getattr(quick, name), loaded[name]), f"another {name}")
        age = timedelta(milliseconds=loaded["age_ms"])
        hold(now - quick.created_at == age, "another time")
        hold(timedelta() <= age <= timedelta(days=7), "an age that no clock can mean")

    def answers(body: bytes) -> list[tuple[int, Any]]:
        found = []
        for method in (collector.collect, collector.collect_batch, collector.identify):
            store.records = []
            answer = method(body, {})  # nothing asks who sends

            hold(answer.status in (202, 422), f"{method.__name__} answers {answer.status}")
            said = strict(answer.body)
            hold((answer.status == 202) == bool(store.records), "answered 202, or stored, alone")
            if method == collector.collect_batch and "accepted" in said:
                hold(said["accepted"] == len(store.records), "counted and stored differ")
                sent = strict(body)["events"]
                refused = {item["index"] for item in said["rejected"]}
                good = [item for place, item in enumerate(sent) if place not in refused]
                for record, item in zip(store.records, good, strict=True):
                    storable(Event.of(record), item)
            found.append((answer.status, said))
        return found

    def check(body: bytes) -> None:
        by_parser = []
        for parser in (orjson, None):
            strict_json.orjson = parser
            try:
                parsed = reader.parse(body)
                check_value(*parsed)
            except EventInvalid as error:
                verdict: Any = error.errors
            else:
                verdict = parsed.data
                hold(not why_not(parsed.data), f"let through {why_not(parsed.data)}")
                hold(same(parsed.data, strict(body)), "read another value than the text has")
                agreed(parsed.data)
                try:
                    storable(reader.event(*parsed, now), parsed.data)
                except EventInvalid as error:
                    hold(error.errors, "refused without a reason")
            by_parser.append((verdict, answers(body)))
        strict_json.orjson = orjson
        (one, said), (other, also_said) = by_parser
        hold(same(one, other), "another value with orjson")
        hold(said == also_said, "another answer with orjson")

    return check


def _let_nul_through() -> None:
    """Seed a bug that the check must find: keys are not checked."""
    from tcs_events import strict_json

    checked = strict_json._check_text
    strict_json._check_text = lambda text: checked(text.replace("\0", ""))


def _let_an_older_event_in() -> None:
    from tcs_events.intake import precheck

    precheck.MAX_AGE_MS += 1


BUGS = {"nul": _let_nul_through, "age": _let_an_older_event_in}


def fuzz(minutes: float, keep: Path, bug: str | None) -> None:
    """Fuzz in this process, which ends with it."""
    import atheris

    with atheris.instrument_imports(include=["tcs_events", "marshmallow", "uuid", "json"]):
        check = make_check()
    if bug is not None:
        BUGS[bug]()
    texts = [text for text in ALL.values() if len(text) < 3_000]
    spliced = [SEEDS[0].encode().replace(b"[1,-0.0,1e5", b"[" + text) for text in texts]
    for number, seed in enumerate([*(seed.encode() for seed in SEEDS), *texts, *spliced]):
        (keep / f"seed-{number}").write_bytes(seed)
    words = keep.parent / f"{keep.name}.dict"
    words.write_text("".join(f'"{_escaped(token)}"\n' for token in TOKENS))
    options = [
        f"-max_total_time={int(minutes * 60)}",
        f"-dict={words}",
        "-max_len=4096",
        "-len_control=0",
        "-timeout=10",
        "-print_final_stats=1",
        f"-artifact_prefix={keep.parent}/found-",
    ]

    def mutate(body: bytes, max_size: int, seed: int) -> bytes:
        chance = random.Random(seed)
        match chance.randrange(4):
            case 0:
                return make_body(chance)[:max_size]
            case 1:
                return replace_a_value(body, chance)[:max_size]
        changed: bytes = atheris.Mutate(body, max_size)
        return changed

    atheris.Setup([sys.argv[0], *options, str(keep)], check, custom_mutator=mutate)
    atheris.Fuzz()


VALUE = re.compile(rb'"(?:[^"\\]|\\.)*"|-?[0-9][0-9.eE+-]*|true|false|null|\[\]|\{\}')
VALUES = [
    *(text for text in ALL.values() if 0 < len(text) < 60),
    *(f'"{token}"'.encode() for token in TOKENS if token.isprintable()),
    *(token.encode("latin-1") for token in TOKENS),
    *(f'"{letter * count}"'.encode() for letter in "s\u00a0\N{OWL}" for count in (1, 63, 64, 65)),
]


def replace_a_value(body: bytes, chance: random.Random) -> bytes:
    """Replace a value or name by another, which random changes of bytes seldom do."""
    places = list(VALUE.finditer(body))
    value = chance.choice(VALUES)
    if not places:
        return body + value
    place = chance.choice(places)
    return body[: place.start()] + value + body[place.end() :]


OWL = "\N{OWL}"
LONG_EMAIL = f"{'a' * 64}@{'b' * 63}.example"
FIELDS: dict[str, list[Any]] = {
    "event_type": ["card_click", "sign_up", "sage_query", "nope"],
    "session_id": ["s", " ", "s" * 64, "s" * 65, OWL * 64, "\u00a0"],
    "payload": [{}, {"plan": "free"}, {"plan": "free", "seats": 1, "tags": ["a"]}, {"v": 1.5}, []],
    "event_id": ["5d3a4c1e-8c54-4f0c-9f6e-0d6a3f1f2b11", "5d3a4c1e8c544f0c9f6e0d6a3f1f2b11", "{}"],
    "age_ms": [0, 1, 604800000, 604800001, -1, 1.0, True, "1"],
    "email": ["ada@example.com", None, LONG_EMAIL, "ada", ""],
}


def make_body(chance: random.Random) -> bytes:
    """Make an event, a batch or an identity that is good or nearly so."""
    events = []
    for _ in range(chance.choice((1, 1, 2, 3))):
        names = [name for name in FIELDS if chance.random() < 0.85]
        chance.shuffle(names)
        held = []
        for name in names:
            likely = chance.random() < 0.9
            good = FIELDS[name]
            value = json.dumps(chance.choice(good)).encode() if likely else chance.choice(VALUES)
            held.append(f'"{name}":'.encode() + value)
        events.append(b"{" + b",".join(held) + b"}")
    return events[0] if len(events) == 1 else b'{"events":[' + b",".join(events) + b"]}"


def _escaped(token: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in token.encode("latin-1"))


def run_fuzz(minutes: float, bug: str | None = None, folder: Path | None = None) -> tuple[int, str]:
    """Fuzz in a new process. Return how many bodies it tried and what it found, "" for nothing.

    Raises:
        RuntimeError: it did not run.
    """
    with tempfile.TemporaryDirectory(prefix="tcs_events_fuzz_") as temporary:
        command = [sys.executable, "-m", "tests.faces.fuzz", "--minutes", str(minutes)]
        command += ["--keep", str(folder or Path(temporary) / "corpus")]
        command += ["--seeded-bug", bug] if bug else []
        done = subprocess.run(command, capture_output=True, text=True, env=os.environ, check=False)
    units = re.search(r"stat::number_of_executed_units:\s+(\d+)", done.stderr)
    found = re.search(r"=== Uncaught Python exception: ===\n(.*)", done.stdout + done.stderr)
    if units is None and found is None:
        raise RuntimeError(f"the fuzzer did not run: {done.stderr[-2000:]}")
    return int(units[1]) if units else 0, found[1] if found else ""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.faces.fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--keep", type=Path, help="a folder for the bodies that led somewhere new")
    parser.add_argument("--seeded-bug", choices=BUGS)
    options = parser.parse_args()
    if importlib.util.find_spec("atheris") is None:
        sys.exit(f"needs {INSTALL}")
    keep = options.keep or Path(tempfile.mkdtemp(prefix="tcs_events_fuzz_")) / "corpus"
    keep.mkdir(parents=True, exist_ok=True)
    fuzz(options.minutes, keep, options.seeded_bug)


if __name__ == "__main__":
    main()
