"""Processes that count a day together, each of them a share of its sessions.

They only read: the events, and later the visits that were stored of them. This process adds up what
they have counted, and stores it.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import Engine

from tcs_events.counts.funnels import Funnel
from tcs_events.counts.shares import Share, has_shares
from tcs_events.database.pools import is_lasting, leave_pool_of_parent
from tcs_events.errors import CountingEnded

if TYPE_CHECKING:
    from multiprocessing.connection import Connection as Pipe
    from multiprocessing.context import ForkProcess  # which Windows lacks

USUAL_MAX = 4
"""The most processes if nobody says how many. With more, the database becomes the limit."""
SHARED_FROM = 5_000
"""Days with fewer events are counted by one process, which takes less than half a second."""
END_SECONDS = 10


class EventsTask(NamedTuple):
    """Count the events of a day: `Counted`."""

    day: date
    types: Sequence[str]
    """The event types to read."""
    funnels: Sequence[Funnel]


class VisitsTask(NamedTuple):
    """Count the visitors and the retention of a day from its stored visits: `CountedVisits`."""

    day: date


class CrossingsTask(NamedTuple):
    """Count the steps that sessions took after the day on which they entered a funnel: `Reached`.

    Here a share is one of the given sessions, whatever their ids.
    """

    day: date
    funnels: Sequence[Funnel]
    sessions: Sequence[str]


Task = EventsTask | VisitsTask | CrossingsTask
CountShare = Callable[[Any, Share], Any]
"""Counts a share of a task, in another process."""


def usual_processes() -> int:
    """Return how many processes count if nobody says so: one per processor, at most 4."""
    if hasattr(os, "sched_getaffinity"):
        return min(len(os.sched_getaffinity(0)), USUAL_MAX)
    return min(os.cpu_count() or 1, USUAL_MAX)


class Processes:
    """Processes that count shares of days until the block of `counting_together` ends."""

    def __init__(self, workers: Sequence[tuple[ForkProcess, Pipe]]) -> None:
        self._workers = workers

    def count(self, task: Task) -> Iterator[Any]:
        """Count a task, and yield the share that each process has counted.

        Raises:
            CountingEnded: a process has ended.
        """
        for process, pipe in self._workers:
            try:
                pipe.send(task)
            except OSError:
                raise _ended(process, task) from None
        shares = []
        for process, pipe in self._workers:
            try:
                shares.append(pipe.recv())
            except (EOFError, OSError):
                raise _ended(process, task) from None
        if error := next((share for share in shares if isinstance(share, Exception)), None):
            raise error
        while shares:  # no longer in memory once it is added
            yield shares.pop()


@contextmanager
def counting_together(
    engine: Engine, count_share: CountShare, processes: int
) -> Iterator[Processes | None]:
    """Start processes for the time of the block.

    Gives None if one process is wanted, or if only one can count: where forking is not safe, in a
    database in memory, and in one that cannot tell the shares apart.

    Args:
        engine: the engine of the events' database. No connection may be in use.
        count_share: counts a share of a task. Each process calls it.
        processes: how many processes.
    """
    can_fork = hasattr(os, "fork") and sys.platform not in ("darwin", "emscripten")
    if processes < 2 or not (can_fork and is_lasting(engine) and has_shares(engine.dialect.name)):
        yield None
        return
    # No open connection may be inherited. SQLite would take the locks of the parent for its own:
    # https://www.sqlite.org/howtocorrupt.html#_carrying_an_open_database_connection_across_a_fork_
    engine.dispose()
    workers: list[tuple[ForkProcess, Pipe]] = []
    try:
        for number in range(processes):
            share = Share(number, processes)
            workers.append(_start(engine, count_share, share))
        yield Processes(workers)
    finally:
        for process, pipe in workers:
            pipe.close()
            process.terminate()
        for process, _ in workers:
            process.join(END_SECONDS)
            if process.is_alive():
                process.kill()
                process.join()


def _start(engine: Engine, count_share: CountShare, share: Share) -> tuple[ForkProcess, Pipe]:
    ours, theirs = multiprocessing.Pipe()
    context = multiprocessing.get_context("fork")
    process = context.Process(
        target=_serve,
        args=(theirs, ours, engine, count_share, share),
        name=f"tcs_events counting {share.number + 1} of {share.of}",
        daemon=True,
    )
    with warnings.catch_warnings():
        # Python warns of forking while other threads run, as their locks may be held. The new
        # process uses none of them: it has its own connections, and does not log.
        warnings.simplefilter("ignore", DeprecationWarning)
        process.start()
    theirs.close()  # so that we notice when the process has ended
    return process, ours


def _serve(
    pipe: Pipe, end_of_parent: Pipe, engine: Engine, count_share: CountShare, share: Share
) -> None:
    """Count one task after the other, until the other end of the pipe is closed."""
    end_of_parent.close()  # else this process would keep it open itself, and outlive its parent
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # our parent gets it, too, and ends us
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    leave_pool_of_parent(engine)
    while True:
        try:
            task = pipe.recv()
        except (EOFError, OSError):  # reset if the parent was killed before it read our answer
            return
        try:
            answer = count_share(task, share)
        except Exception as error:
            answer = error
        with contextlib.suppress(OSError):  # the parent has ended
            pipe.send(answer)


def _ended(process: ForkProcess, task: Task) -> CountingEnded:
    process.join(END_SECONDS)
    return CountingEnded(process.pid, process.exitcode, task.day)
