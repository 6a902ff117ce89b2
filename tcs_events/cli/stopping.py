"""Lets long work be stopped, and reports how much of it was done."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

from tcs_events.cli.signals import ended_by


@contextmanager
def said_at_the_end(counts: Counter[str], say: Callable[[bool], None]) -> Iterator[None]:
    """Call `say` after the block, with whether it was completed.

    SIGINT and SIGTERM stop the block. If it fails with another exception, `say` is called only if
    `counts` shows that something was done.
    """
    try:
        # The exit codes that a shell reports for these signals: 128 + the signal's number.
        with ended_by(signal.SIGINT, exit_code=130), ended_by(signal.SIGTERM, exit_code=143):
            yield
    except BaseException as error:
        if isinstance(error, SystemExit) or any(counts.values()):
            say(False)
            click.echo("Stopped before the end; run it again to continue.", err=True)
        raise
    say(True)
