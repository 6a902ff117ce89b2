"""What surrounds a body: Content-Type, Content-Encoding, method, headers, forged fields."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, Response, request
from sqlalchemy import event
from werkzeug.test import TestResponse

from tcs_events.event import Outcome
from tests.faces.hosts import FACES, empty, hosted, quiet, rows
from tests.support import URL, card_click

BODY = json.dumps(card_click(payload={"v": "é"}), ensure_ascii=False).encode()


@pytest.fixture(scope="module", params=FACES)
def shared(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Flask]:
    folder = tmp_path_factory.mktemp("transport")
    with hosted(f"sqlite:///{folder}/host.db", request.param) as app:
        app.test_client().get(f"{URL}/tracker.js")  # the first request asks for the tables
        yield app


@pytest.fixture
def app(shared: Flask) -> Iterator[Flask]:
    """The same host for all, emptied."""
    empty(shared)
    with quiet():
        yield shared


PACKED = {
    "gzip": gzip.compress(BODY),
    "x-gzip": gzip.compress(BODY),
    "deflate": zlib.compress(BODY),
    "br": BODY,
    "zstd": BODY,
    "gzip, identity": gzip.compress(BODY),
    "GZIP": gzip.compress(b"\0" * 10_000_000),
    "nonsense\x1b": BODY,
}


@pytest.mark.parametrize("path", ["", "/batch", "/identify"])
def test_a_packed_body_is_415_and_never_unpacked(app: Flask, path: str) -> None:
    counters = app.extensions["tcs_events"].counters
    before = counters.counted().outcomes.get((Outcome.INVALID, "encoded"), 0)
    for coding, packed in PACKED.items():
        headers = {"Content-Encoding": coding}
        answer = app.test_client().post(URL + path, data=packed, headers=headers)
        assert (answer.status_code, answer.headers["Accept-Encoding"]) == (415, "identity")
        assert answer.json == {
            "errors": {"_schema": ["The body has a Content-Encoding. Send it as it is."]}
        }
    assert rows(app) == []
    after = counters.counted().outcomes[Outcome.INVALID, "encoded"]
    assert after - before == len(PACKED)


@pytest.mark.parametrize("coding", ["", "identity", " Identity "])
def test_a_body_that_is_packed_in_name_only_is_taken(app: Flask, coding: str) -> None:
    headers = {"Content-Encoding": coding}
    assert app.test_client().post(URL, data=BODY, headers=headers).status_code == 202


LABELS = [
    "application/json", "application/json; charset=utf-8", "application/json; charset=latin-1",
    "application/json; charset=utf-16", "application/json; charset=\x1b[0m", "text/plain",
    "text/plain;charset=UTF-8", "text/html", "application/xml", "image/png",
    "application/octet-stream",
    "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "multipart/form-data",
    "multipart/mixed; boundary=", "application/csp-report", "*/*", "/", "", ";;;", "a" * 5000,
    "application/grpc", "application/x-ndjson", "message/http", "text/plain; charset=nonsense",
]  # fmt: skip


@pytest.mark.parametrize("label", LABELS)
def test_the_bytes_count_and_not_their_label(app: Flask, label: str) -> None:
    assert app.test_client().post(URL, data=BODY, content_type=label).status_code == 202
    [row] = rows(app)
    assert json.loads(row["payload"]) == {"v": "é"}


@pytest.mark.parametrize("label", LABELS)
def test_another_encoding_is_refused_under_every_label(app: Flask, label: str) -> None:
    for encoding in ("latin-1", "utf-16", "utf-8-sig"):
        body = BODY.decode().encode(encoding)
        assert app.test_client().post(URL, data=body, content_type=label).status_code == 422
    assert rows(app) == []


def test_forms_are_not_taken_apart(tmp_path: Path) -> None:
    """Even with a valid event in it, because parsing a form costs memory, files and time."""
    with quiet(), hosted(f"sqlite:///{tmp_path}/host.db") as app:
        _post_forms(app)


def _post_forms(app: Flask) -> None:
    touched: list[bool] = []

    @app.after_request
    def look(response: Response) -> Response:
        touched.append("form" in vars(request))
        return response

    event_text = json.dumps(card_click())
    part = f'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n{event_text}\r\n--x--\r\n'
    client = app.test_client()
    multipart = client.post(URL, data=part, content_type="multipart/form-data; boundary=x")
    form = client.post(URL, data={"event": event_text})
    assert (multipart.status_code, form.status_code) == (422, 422)
    assert touched == [False, False]


class Statements:
    """The SQL statements of an app, on whatever connection."""

    def __init__(self, app: Flask) -> None:
        self.seen: list[str] = []
        with app.app_context():
            engine = app.extensions["sqlalchemy"].engine
        self._listening = [
            (engine, "before_cursor_execute", lambda *a: self.seen.append(a[2])),
            (engine, "connect", lambda *_: self.seen.append("connect")),
            (engine, "checkout", lambda *_: self.seen.append("checkout")),
        ]
        for listener in self._listening:
            event.listen(*listener)

    def stop(self) -> None:
        for listener in self._listening:
            event.remove(*listener)


PATHS = ("", "/", "/batch", "/identify", "/tracker.js", "/openapi.json")
METHODS = ("HEAD", "OPTIONS", "GET", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND", "X")
QUERIES = ("", "?v=1", "?v=%00", "?" + "a=1&" * 200, "?_method=POST", "?event_type=card_click")


@pytest.mark.parametrize("path", PATHS)
def test_no_method_but_post_touches_the_database(app: Flask, path: str) -> None:
    client = app.test_client()
    statements = Statements(app)
    for query in QUERIES:
        for method in (
            "HEAD",
            "OPTIONS",
            "GET",
            "PUT",
            "PATCH",
            "DELETE",
            "TRACE",
            "PROPFIND",
            "X",
        ):
            answer = client.open(URL + path + query, method=method, data=BODY)
            assert answer.status_code in (200, 405), (method, query)
            if answer.status_code == 405:
                assert "POST" in answer.headers["Allow"] or "GET" in answer.headers["Allow"]
                assert method == "HEAD" or list(answer.json["errors"]) == ["_schema"]
            assert method != "OPTIONS" or answer.data == b""
    statements.stop()
    assert statements.seen == []
    assert rows(app) == []


def test_statements_are_seen_where_there_are_some(app: Flask) -> None:
    """The control of the test above."""
    statements = Statements(app)
    rows(app)
    statements.stop()
    assert statements.seen


def test_a_method_cannot_be_smuggled_in(app: Flask) -> None:
    for name in ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"):
        answer = app.test_client().get(URL, headers={name: "POST"}, data=BODY)
        assert answer.status_code == 405
    assert rows(app) == []


def test_no_column_is_filled_in_by_the_sender(app: Flask) -> None:
    forged = {
        "id": 70_000,
        "created_at": "1999-01-01T00:00:00Z",
        "received_at": "1999-01-01T00:00:00Z",
        "is_admin": True,
        "identity_id": "x",
        "__class__": "x",
        "metadata": {},
        "_sa_instance_state": None,
        "user_id": 1,
    }
    client = app.test_client()
    client.post(URL, json=card_click() | forged)
    client.post(f"{URL}/batch", json={"events": [card_click() | forged], **forged})
    identity: dict[str, Any] = {"session_id": "visitor-1", "email": "ada@example.com"}
    assert client.post(f"{URL}/identify", json=identity | forged).status_code == 202
    found = rows(app, "id, payload, created_at, received_at")
    assert len(found) == 2
    assert "70000" not in [row["id"] for row in found]
    for row in found:
        assert json.loads(row["payload"]) == card_click()["payload"]
        assert "1999" not in row["created_at"] + row["received_at"]


HOSTILE = ["x\x1b[31m", "%0d%0aSet-Cookie: a=1",
           "\u560d\u560aSet-Cookie:a=1".encode().decode("latin-1"),
           "<script>", "a" * 8000, "${jndi:ldap://x}", "\x7f", "canary"]  # fmt: skip
HEADERS = ["User-Agent", "Referer", "X-Request-ID", "X-Forwarded-For", "X-Forwarded-Host", "Origin",
           "Cookie", "Accept", "Accept-Language", "If-None-Match", "Sec-GPC", "Host"]  # fmt: skip


@pytest.mark.parametrize("name", HEADERS)
def test_no_header_comes_back_or_changes_the_answer(app: Flask, name: str) -> None:
    client = app.test_client()
    usual = client.post(URL, data=BODY)
    script = client.get(f"{URL}/tracker.js")
    for text in HOSTILE:
        answer = client.post(URL, data=BODY, headers={name: text})
        if name == "Host" and answer.status_code == 421:  # Flask takes no such host
            assert list(answer.json["errors"]) == ["_schema"]
            continue
        assert (answer.status_code, answer.data) == (202, usual.data)
        assert list(answer.headers) == list(usual.headers)
        if name != "Host":
            again = client.get(f"{URL}/tracker.js", headers={name: text})
            assert dated(again) == dated(script)


def dated(answer: TestResponse) -> list[tuple[str, str]]:
    return [header for header in answer.headers if header[0] != "Date"]
