"""How many events per second: `python -m tests.benchmarks --help`."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import click

from tests.benchmarks import (
    half_load,
    large_tables,
    million,
    refreshes,
    report,
    store_alone,
    throughput,
)
from tests.benchmarks.database import DATABASES, MARIADB, POSTGRESQL, USUAL
from tests.benchmarks.measure import Setup
from tests.benchmarks.peers import install_peers
from tests.benchmarks.rows import ROWS
from tests.benchmarks.server import SERVERS
from tests.mariadb import mariadb_server
from tests.support import postgres_server

SERVER_CORE, LOAD_CORE = 0, 1
BUSY = 0.5
NAMES = [row.name for row in ROWS]
FULL = {"rows": ",".join(NAMES), "servers": ",".join(SERVERS), "connections": "16,64"}
FULL |= {"databases": ",".join(USUAL), "seconds": "5", "repeats": "5"}
QUICK = {"rows": ",".join(row.name for row in ROWS if not row.peer), "servers": "granian"}
QUICK |= {"connections": "64", "seconds": "2", "repeats": "1"}


def pin() -> int | None:
    """Keep the load, and PostgreSQL with it, off the core of the server; return that core."""
    if not {SERVER_CORE, LOAD_CORE} <= os.sched_getaffinity(0):
        click.echo("Fewer than two cores: server, load and PostgreSQL share them, unpinned.")
        return None
    os.sched_setaffinity(0, {LOAD_CORE})  # what this process starts inherits it
    return SERVER_CORE


def chosen(value: str, among: Sequence[str], option: str) -> list[str]:
    """Return what a comma-separated option names, in the order of `among`."""
    names = [name.strip() for name in value.split(",")]
    for name in names:
        if name not in among:
            there_are = f"{name!r} is none of: {', '.join(among)}"
            raise click.BadParameter(there_are, param_hint=option)
    return [name for name in among if name in names]


@contextmanager
def set_up(databases: Sequence[str], peers: bool) -> Iterator[Setup]:
    """Give what the measurements share: a folder, a core, PostgreSQL, an environment of peers."""
    if "TMPDIR" not in os.environ:
        tempfile.tempdir = "/var/tmp"  # /tmp may be memory, where a commit costs nothing
    load_before = os.getloadavg()[0]
    if load_before > BUSY:
        click.echo(f"Load average {load_before:.1f}: others use this machine, too.")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tcs_events_")))
        core = pin()
        postgres = mariadb = None
        if set(databases) & set(POSTGRESQL):
            postgres = stack.enter_context(postgres_server(tempfile.gettempdir()))
        if set(databases) & set(MARIADB):
            mariadb = stack.enter_context(mariadb_server(tempfile.gettempdir()))
        python = None
        if peers:
            click.echo("Installing the peers into an environment of their own ...")
            python = install_peers(folder / "peers")
        yield Setup(folder, core, postgres, mariadb, python, load_before)


@click.command()
@click.option("--quick", is_flag=True, help="A look of a minute: granian, 64, 2 s, once, no peers.")
@click.option("--rows", help=f"[default: {FULL['rows']}]")
@click.option("--servers", help=f"[default: {FULL['servers']}]")
@click.option("--databases", help=f"Of {', '.join(DATABASES)}. [default: {FULL['databases']}]")
@click.option("--connections", help=f"[default: {FULL['connections']}]")
@click.option("--seconds", help=f"Length of a measurement. [default: {FULL['seconds']}]")
@click.option("--repeats", help=f"Of all measurements. [default: {FULL['repeats']}]")
@click.option("--markdown", type=click.Path(dir_okay=False), help="Write the table to a file too.")
@click.option("--half-load", "at_half_load", is_flag=True, help="Instead: times at half the rate.")
@click.option("--million", "a_million", is_flag=True, help="Instead: memory over a million events.")
@click.option("--store", "store_only", is_flag=True, help="Instead: the store alone, without HTTP.")
@click.option("--reports", "large_tables_only", is_flag=True, help="Instead: many events, asked.")
@click.option("--refreshes", "refreshes_only", is_flag=True, help="Instead: a day's new events.")
@click.option("--events", type=int, help="Of --reports [10000000; SQLite: half] and --refreshes.")
@click.option("--days", default=30, show_default=True, help="Of --reports: the events' days.")
def main(
    quick: bool,
    markdown: str | None,
    at_half_load: bool,
    a_million: bool,
    store_only: bool,
    large_tables_only: bool,
    refreshes_only: bool,
    events: int | None,
    days: int,
    **given: str | None,
) -> None:
    """Measure events per second on this machine, beside a yardstick that stores nothing.

    Every measurement checks that nothing acknowledged is lost; exits with 1 if an event of ours
    was lost, refused or stored twice. Names and numbers are separated by commas.
    """
    if shutil.which("wrk") is None:
        raise click.ClickException("needs wrk: apt-get install wrk")
    options = FULL | (QUICK if quick else {})
    options |= {name: value for name, value in given.items() if value is not None}
    names = chosen(options["rows"], NAMES, "--rows")
    rows = [row for row in ROWS if row.name in names]
    servers = chosen(options["servers"], SERVERS, "--servers")
    databases = chosen(options["databases"], DATABASES, "--databases")
    connections = [int(number) for number in options["connections"].split(",")]
    seconds, repeats = int(options["seconds"]), int(options["repeats"])
    peers = any(row.peer for row in rows) and not (
        at_half_load or a_million or store_only or large_tables_only or refreshes_only
    )
    with set_up(["sqlite"] if a_million else databases, peers) as setup:
        if a_million:
            text, well = million.run(setup)
        elif large_tables_only:
            text, well = large_tables.run(setup, databases, events or 10_000_000, days)
        elif refreshes_only:
            text, well = refreshes.run(setup, databases, events or 1_000_000)
        elif store_only:
            text, well = store_alone.run(setup, databases, seconds)
        elif at_half_load:
            text, well = half_load.run(setup, databases, seconds, repeats)
        else:
            load = (connections, seconds, repeats)
            text, well = throughput.run(setup, rows, servers, databases, *load)
        text = f"{text}\n\n{report.conditions(setup)}\n"
    click.echo(f"\n{text}")
    if markdown:
        Path(markdown).write_text(text)
    if not well:
        raise click.ClickException("an event of ours was refused, lost or stored twice")


if __name__ == "__main__":
    main()
