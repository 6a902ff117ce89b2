"""State that belongs to one process: counts, locks, connections.

A forked process must not take it over from its parent. `os.register_at_fork` alone does not do:
its hooks run where Python forks, and uWSGI forks its workers in C. So every method that uses such
state calls `ensure_own_state` first, which compares two ids.

The same goes for gevent. `gunicorn --preload --worker-class gevent` and `uwsgi --gevent` patch
`threading` when the app is made already. A lock from before that stops the whole process where two
greenlets want it.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable

_resets: list[weakref.WeakMethod[Callable[[], None]]] = []
_pid, _lock_type = os.getpid(), threading.Lock
# One lock for each process: the parent's may be held, for ever, in a child.
_locks: dict[object, threading.Lock] = {}


def in_each_child(reset: Callable[[], None]) -> None:
    """Have a bound method called once in every child process, while its object lives.

    It runs before the object is used there, if the object's methods call `ensure_own_state`.
    """
    _resets.append(weakref.WeakMethod(reset, _resets.remove))


def ensure_own_state() -> None:
    """Call all resets where this process was forked, or patched by gevent, since the last call."""
    if os.getpid() != _pid or threading.Lock is not _lock_type:
        _call_resets()


def _call_resets() -> None:
    global _pid, _lock_type
    current = os.getpid(), threading.Lock
    with _locks.setdefault(current, threading.Lock()):
        if current == (_pid, _lock_type):
            return  # another thread has just done it
        for reference in _resets.copy():
            if (reset := reference()) is not None:
                reset()
        _pid, _lock_type = current


os.register_at_fork(after_in_child=ensure_own_state)
