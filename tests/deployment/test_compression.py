"""What is long is compressed on its way to a client that takes it, whoever does it."""

from __future__ import annotations

import gzip
from http.client import HTTPConnection, HTTPResponse

import pytest

from tests.deployment.host import LONG_PAGE
from tests.deployment.servers import App
from tests.deployment.wire import events_body
from tests.support import URL

SECONDS = 60
SCRIPTS = [f"{URL}/client.js", f"{URL}/tracker.js", f"{URL}/openapi.json"]


def ask(
    app: App, path: str, *, method: str = "GET", body: bytes | None = None, **headers: str
) -> tuple[HTTPResponse, bytes]:
    connection = HTTPConnection("127.0.0.1", app.port, timeout=SECONDS)
    try:
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, names)
        answer = connection.getresponse()
        return answer, answer.read()
    finally:
        connection.close()


@pytest.mark.parametrize("path", SCRIPTS)
def test_the_script_is_compressed_once(app: App, path: str) -> None:
    _, plain = ask(app, path)
    answer, packed = ask(app, path, Accept_Encoding="gzip, deflate, br")
    assert answer.getheader("Content-Encoding") == "gzip"
    assert "Accept-Encoding" in (answer.getheader("Vary") or "")
    assert answer.getheader("X-TCS-Events") == "1"
    assert gzip.decompress(packed) == plain
    assert len(packed) < len(plain) * 0.7


@pytest.mark.parametrize("path", SCRIPTS)
@pytest.mark.parametrize("encoding", ["gzip", "identity", "gzip;q=0"])
def test_who_has_it_is_told_so(app: App, path: str, encoding: str) -> None:
    answer, _ = ask(app, path, Accept_Encoding=encoding)
    tag = answer.getheader("ETag")
    assert tag is not None
    again, body = ask(app, path, Accept_Encoding=encoding, If_None_Match=tag)
    assert (again.status, body) == (304, b"")
    assert again.getheader("ETag") == tag
    assert again.getheader("X-TCS-Events") == "1"


@pytest.mark.parametrize("encoding", ["", "identity", "gzip;q=0", "br"])
def test_who_does_not_take_gzip_gets_none(app: App, encoding: str) -> None:
    answer, body = ask(app, SCRIPTS[0], Accept_Encoding=encoding)
    assert answer.getheader("Content-Encoding") is None
    assert b"tcs_session_id" in body


def test_nginx_compresses_the_pages_of_the_host(behind_nginx: App) -> None:
    _, plain = ask(behind_nginx, LONG_PAGE)
    answer, packed = ask(behind_nginx, LONG_PAGE, Accept_Encoding="gzip")
    assert answer.getheader("Content-Encoding") == "gzip"
    assert gzip.decompress(packed) == plain


def test_the_app_alone_leaves_them_as_they_are(direct: App) -> None:
    answer, _ = ask(direct, LONG_PAGE, Accept_Encoding="gzip")
    assert answer.getheader("Content-Encoding") is None


@pytest.mark.parametrize("path", [URL, f"{URL}/"])
def test_events_are_answered_by_us_on_both_addresses(app: App, path: str) -> None:
    answer, body = ask(app, path, method="POST", body=events_body("slash"), Accept_Encoding="gzip")
    assert (answer.status, answer.getheader("X-TCS-Events")) == (202, "1")
    assert body == b'{"status": "accepted"}'


def test_what_nginx_answers_itself_is_not_marked(behind_nginx: App) -> None:
    answer, _ = ask(behind_nginx, URL, method="POST", body=b" " * 70_000)
    assert (answer.status, answer.getheader("X-TCS-Events")) == (413, None)
