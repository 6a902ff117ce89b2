"""Start the demo: `python -m tcs_events.demo`, with `--visitors 2000` for a month of events."""

from __future__ import annotations

import argparse
import errno
import logging
import socket
import sys
from datetime import UTC, datetime

import click
from flask import Flask, current_app
from sqlalchemy import URL, exc
from werkzeug.serving import make_server

from tcs_events.demo import create_app
from tcs_events.demo.models import db, experts_by_name
from tcs_events.demo.simulate import MIN_VISITORS, simulate, store
from tcs_events.errors import TcsEventsError
from tcs_events.host import registration_of


def main() -> None:
    args = _parser().parse_args()
    listener = None if args.no_serve else _listen(args.host, args.port)
    try:
        app = create_app(_database_uri(args.database))
    except (exc.SQLAlchemyError, ImportError) as error:
        sys.exit(f"Cannot use the database: {str(error).splitlines()[0]}")
    if args.visitors is not None:
        with app.app_context():
            _fill(args.visitors, args.seed, args.days)
    if listener is not None:
        _serve(app, listener, args.host)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tcs_events.demo",
        description="A small expert marketplace that records what its visitors do.",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    parser.add_argument("--port", default=5000, type=int, help="port to listen on (%(default)s)")
    parser.add_argument(
        "--database",
        metavar="URL_OR_FILE",
        help="SQLAlchemy URL, or path of an SQLite file (tcs_events_demo.db)",
    )
    parser.add_argument(
        "--visitors",
        type=int,
        metavar="NUMBER",
        help=f"first store the events of NUMBER simulated visitors, at least {MIN_VISITORS}",
    )
    parser.add_argument("--seed", default=1, type=int, help="seed of the simulation (%(default)s)")
    parser.add_argument(
        "--days", default=30, type=int, help="days to simulate, up to today (%(default)s)"
    )
    parser.add_argument(
        "--no-serve", action="store_true", help="exit once the simulated events are stored"
    )
    return parser


def _listen(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port))
    except (OSError, OverflowError) as error:
        if getattr(error, "errno", None) == errno.EADDRINUSE:
            sys.exit(f"Port {port} is in use. Choose another one: --port {port + 1}")
        sys.exit(f"Cannot listen on {host}, --port {port}: {error}")


def _fill(visitors: int, seed: int, days: int) -> None:
    """Store simulated events of the days up to now, and print what the reports should find."""
    registration = registration_of(current_app)
    zone, now = registration.settings.timezone, datetime.now(UTC)
    try:
        month = simulate(experts_by_name(), visitors, end=now, zone=zone, seed=seed, days=days)
        with click.progressbar(length=len(month.events), label="Storing events  ") as bar:
            store(month, bar.update)
    except (ValueError, TcsEventsError) as error:
        sys.exit(f"Cannot simulate: {error}")
    registration.refresher.refresh()
    click.echo(f"Stored {len(month.events)} events of {visitors} visitors in {days} days.")
    click.echo("The reports should find:\n")
    for line in month.planted.summary():
        click.echo(line)
    click.echo()


def _serve(app: Flask, listener: socket.socket, host: str) -> None:
    # The panel sends a request every second, which would bury the log lines of the events.
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    with app.app_context():
        address = db.engine.url.render_as_string(hide_password=True)
    port = listener.getsockname()[1]
    click.echo(f"Open             http://{host}:{port}/")
    click.echo(f"Events go to     table user_events in {address}")
    click.echo("Stop it with     Ctrl+C\n")
    make_server(host, port, app, threaded=True, fd=listener.fileno()).serve_forever()


def _database_uri(text: str | None) -> str | URL | None:
    return URL.create("sqlite", database=text) if text and "://" not in text else text


if __name__ == "__main__":
    main()
