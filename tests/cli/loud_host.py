"""A host that logs every statement on stdout, in each way that a logger can hold a stream."""

from __future__ import annotations

import logging
import sys

import structlog
from flask import Flask
from sqlalchemy import Engine, event

from tests.cli import host

LINE = "the host has something to say"

logging.basicConfig(stream=sys.stdout, level=logging.DEBUG)
early = structlog.wrap_logger(structlog.PrintLogger(sys.stdout))  # opened before any command runs


def create_app() -> Flask:
    app = host.create_app()
    app.config["SQLALCHEMY_ECHO"] = True
    # By then the factory has returned: what it prints itself is before our command.
    event.listen(Engine, "before_cursor_execute", _say)
    return app


def _say(*_: object) -> None:
    early.info(LINE)
    structlog.get_logger("host").info(LINE)
    logging.getLogger("host").info(LINE)
    print(LINE)  # noqa: T201
