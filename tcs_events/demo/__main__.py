"""Start the demo: `python -m tcs_events.demo`."""

from __future__ import annotations

import argparse
import errno
import logging
import socket
import sys

import click
from sqlalchemy import URL, exc
from werkzeug.serving import make_server

from tcs_events.demo import create_app
from tcs_events.demo.models import db


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tcs_events.demo",
        description="A small expert marketplace that stores what its visitors do.",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    parser.add_argument("--port", default=5000, type=int, help="port to listen on (%(default)s)")
    parser.add_argument(
        "--database",
        metavar="URL_OR_FILE",
        help="an SQLAlchemy URL or the path of an SQLite file (tcs_events_demo.db)",
    )
    args = parser.parse_args()

    try:
        listener = socket.create_server((args.host, args.port))
    except (OSError, OverflowError) as error:
        if getattr(error, "errno", None) == errno.EADDRINUSE:
            sys.exit(f"Port {args.port} is taken. Choose another one: --port {args.port + 1}")
        sys.exit(f"Cannot listen on {args.host}, --port {args.port}: {error}")
    try:
        app = create_app(_database_uri(args.database))
    except (exc.SQLAlchemyError, ImportError) as error:
        sys.exit(f"Cannot use the database: {str(error).splitlines()[0]}")

    # The panel asks once a second; its requests would bury the log lines of the events.
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    with app.app_context():
        address = db.engine.url.render_as_string(hide_password=True)
    port = listener.getsockname()[1]
    click.echo(f"Open             http://{args.host}:{port}/")
    click.echo(f"Events go to     table user_events in {address}")
    click.echo("Stop it with     Ctrl+C\n")
    make_server(args.host, port, app, threaded=True, fd=listener.fileno()).serve_forever()


def _database_uri(text: str | None) -> str | URL | None:
    return URL.create("sqlite", database=text) if text and "://" not in text else text


if __name__ == "__main__":
    main()
