"""What a process that was forked from ours must not take over from it."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable


def in_each_child(reset: Callable[[], None]) -> None:
    """Have a method called in every child that is forked, while its object lives.

    A child that is forked while a lock is held would wait for it for ever; and what its parent
    has counted, it has not.
    """
    reference = weakref.WeakMethod(reset)
    os.register_at_fork(after_in_child=lambda: (again := reference()) and again())
