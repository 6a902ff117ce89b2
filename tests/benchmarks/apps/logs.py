"""Logs as in production, the same for every app that writes some: JSON lines in a real file."""

from __future__ import annotations

import logging
import os

import structlog


def log_as_in_production(level: int = logging.INFO) -> None:
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(level),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.PrintLoggerFactory(
            file=open(os.environ["BENCHMARK_LOG"], "w")  # noqa: SIM115 - open as long as the app is
        ),
        cache_logger_on_first_use=True,
    )
