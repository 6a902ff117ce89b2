"""Long work that may be stopped: what of it was done is said all the same."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

from tcs_events.cli.signals import ended_by


@contextmanager
def said_at_the_end(counts: Counter[str], say: Callable[[bool], None]) -> Iterator[None]:
    """Call `say` with whether the block came to its end; it may be stopped by SIGINT or SIGTERM.

    Where the block fails, it is called if something was done by then, as `counts` have it.
    """
    try:
        # As a shell says of both.
        with ended_by(signal.SIGINT, exit_code=130), ended_by(signal.SIGTERM, exit_code=143):
            yield
    except BaseException as error:
        if isinstance(error, SystemExit) or any(counts.values()):
            say(False)
            click.echo("Stopped before the end; run it again to go on.", err=True)
        raise
    say(True)
