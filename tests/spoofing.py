"""A client that claims to be many."""

from __future__ import annotations

import io
import json
import random
import sys
from collections import Counter
from collections.abc import Callable

from flask import Flask

from tests.support import URL, card_click

ADDRESS = "192.0.2.1"
"""Where it really is."""
_BODY = json.dumps(card_click()).encode()


def claimed(rng: random.Random) -> dict[str, str]:
    """Return headers, as WSGI has them, of someone who would like to be someone else."""
    return {
        "HTTP_X_FORWARDED_FOR": f"{_address(rng)}, {_address(rng)}",
        "HTTP_TRUE_CLIENT_IP": _address(rng),
        "HTTP_CF_CONNECTING_IP": _address(rng),
        "HTTP_X_REAL_IP": _address(rng),
        "HTTP_FORWARDED": f"for={_address(rng)}",
    }


def believed(rng: random.Random) -> dict[str, str]:
    """Return what a limiter sees that believes these headers."""
    return {"REMOTE_ADDR": claimed(rng)["HTTP_X_FORWARDED_FOR"].split(",")[0]}


def through_proxy(rng: random.Random) -> dict[str, str]:
    """Return the headers as a proxy passes them on, with one of two addresses it has seen."""
    headers = claimed(rng)
    seen = f"198.51.100.{rng.randrange(2)}"
    return {**headers, "HTTP_X_FORWARDED_FOR": f"{headers['HTTP_X_FORWARDED_FOR']}, {seen}"}


def statuses(
    app: Flask, posts: int, headers: Callable[[random.Random], dict[str, str]]
) -> Counter[int]:
    """Post good events straight through WSGI, so that ten thousand are quick; count the answers."""
    counted: Counter[int] = Counter()
    rng = random.Random(26)

    def start_response(status: str, _: object, exc_info: object = None) -> None:
        counted[int(status[:3])] += 1

    for _ in range(posts):
        environ = {
            "REQUEST_METHOD": "POST",
            "PATH_INFO": URL,
            "SERVER_NAME": "shop.example",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": ADDRESS,
            "CONTENT_LENGTH": str(len(_BODY)),
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(_BODY),
            "wsgi.errors": sys.stderr,
            **headers(rng),
        }
        for _piece in app(environ, start_response):  # type: ignore[arg-type]
            pass
    return counted


def _address(rng: random.Random) -> str:
    return ".".join(str(rng.randrange(1, 255)) for _ in range(4))
