"""A PgBouncer in front of a PostgreSQL server."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from sqlalchemy import make_url

from tests.support import free_port, need, wait_until


@contextmanager
def pgbouncer(server_url: str, mode: str = "transaction", pool_size: int = 5) -> Iterator[int]:
    """Run a PgBouncer on loopback for all databases of a server, and give its port.

    Args:
        server_url: any database of the server. All connections are those of its user.
        mode: `transaction`, `session` or `statement`.
        pool_size: the most connections to a database.
    """
    program = shutil.which("pgbouncer") or shutil.which("/usr/sbin/pgbouncer")
    need(program, "PgBouncer", "apt-get install pgbouncer")
    assert program is not None
    server, port = make_url(server_url), free_port()
    folder = Path(tempfile.mkdtemp(prefix="tcs_events_pgbouncer_"))
    password = f" password={server.password}" if server.password else ""
    configuration = folder / "pgbouncer.ini"
    configuration.write_text(
        "[databases]\n"
        f"* = host={server.host} port={server.port or 5432} user={server.username}{password}\n"
        "[pgbouncer]\n"
        f"listen_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = any\n"
        f"pool_mode = {mode}\ndefault_pool_size = {pool_size}\nmax_client_conn = 500\n"
        f"logfile = {folder}/log\n"
    )
    as_postgres: list[str] = []
    if os.geteuid() == 0:  # it refuses to run as root
        as_postgres = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
        shutil.chown(folder, "postgres", "postgres")
    process = subprocess.Popen(
        [*as_postgres, program, "--quiet", str(configuration)], stderr=subprocess.DEVNULL
    )
    try:
        wait_until(lambda: process.poll() is not None or _accepts(port))
        assert process.poll() is None, (folder / "log").read_text()
        yield port
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(folder)


def _accepts(port: int) -> bool:
    with closing(socket.socket()) as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
