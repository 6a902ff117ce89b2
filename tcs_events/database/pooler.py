"""Tells a connection to PostgreSQL from one to a pooler, such as PgBouncer, in front of it.

In a pooler's transaction mode, each transaction may meet another process of the server, and the
next client gets the one that we had, with whatever we have left in it.
"""

from __future__ import annotations

import struct
from typing import Any


def is_pooled(driver: Any, server_pid: int) -> bool:
    """Return whether a pooler is in between. True if that cannot be known: it is the safe answer.

    A server names the id of its process when it accepts a connection. A pooler names a number of
    its own, by which a client may cancel its statement:
    https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-CANCELING-REQUESTS

    Args:
        driver: the driver's connection.
        server_pid: what `SELECT pg_backend_pid()` gives on it.
    """
    return _named_pid(driver) != server_pid


def _named_pid(driver: Any) -> int | None:
    info = getattr(driver, "info", None)  # of psycopg 3 and psycopg2
    if (pid := getattr(info, "backend_pid", None)) is not None:
        return int(pid)
    data = getattr(driver, "_backend_key_data", None)  # of pg8000, which has no public name for it
    if isinstance(data, bytes) and len(data) >= struct.calcsize("!i"):
        return int(struct.unpack_from("!i", data)[0])
    return None
