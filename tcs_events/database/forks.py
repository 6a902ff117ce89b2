"""State that belongs to one process: counts, locks, connections.

A forked process must not use its parent's state. `os.register_at_fork` alone is not enough: its
hooks run only when Python forks, and uWSGI forks its workers in C. So every method that uses such
state first calls `ensure_own_state`, which compares two process ids.

gevent needs the same care. `gunicorn --preload --worker-class gevent` and `uwsgi --gevent` patch
`threading` after the app was made. If two greenlets want a lock that is older than the patch, the
whole process stops.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable
from types import MethodType

_resets: list[Callable[[], Callable[[], None] | None]] = []
_pid, _lock_type = os.getpid(), threading.Lock
# One lock for each process. The parent's lock may be held at the fork, and in the child no thread
# would ever release it.
_locks: dict[object, threading.Lock] = {}


def in_each_child(reset: Callable[[], None]) -> None:
    """Register a function or a bound method that is called once in each child process.

    It runs before the state is used in the child, if whatever uses it calls `ensure_own_state`. The
    object of a bound method is not kept alive.
    """
    if isinstance(reset, MethodType):
        _resets.append(weakref.WeakMethod(reset, _resets.remove))
    else:
        _resets.append(lambda: reset)


def ensure_own_state() -> None:
    """Call all resets if the process was forked or patched by gevent since the last call."""
    if os.getpid() != _pid or threading.Lock is not _lock_type:
        _call_resets()


def _call_resets() -> None:
    global _pid, _lock_type
    current = os.getpid(), threading.Lock
    with _locks.setdefault(current, threading.Lock()):
        if current == (_pid, _lock_type):
            return  # another thread was faster
        for reference in _resets.copy():
            if (reset := reference()) is not None:
                reset()
        _pid, _lock_type = current


if hasattr(os, "register_at_fork"):  # on Windows nothing forks
    os.register_at_fork(after_in_child=ensure_own_state)
