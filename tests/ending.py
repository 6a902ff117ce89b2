"""Ends a request wherever Python may end it: at each place of our code, or at a random moment.

An exception from outside (`PyThreadState_SetAsyncExc`, a signal handler that raises) is raised
where Python looks for one: as a function begins, after a call, and as a loop turns. So these are
the places that `EndedAt` counts, in the code of the package.
"""

from __future__ import annotations

import ctypes
import dis
import sys
import threading
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import tcs_events

PACKAGE = str(Path(tcs_events.__file__).parent)
AFTER = {"RESUME", "PRECALL", "CALL", "CALL_KW", "CALL_FUNCTION_EX", "SEND"}


class Ended(BaseException):
    """As gevent.Timeout is: no `Exception`, so that nobody takes it for an error of the work."""


class EndedAt:
    """Calls a function, and ends it at the place of this number.

    Args:
        place: counted from 0.
        when: only places are counted where this is true.
    """

    def __init__(self, place: int, when: Callable[[], bool] = lambda: True) -> None:
        self._left = place
        self._when = when
        self._before: dict[FrameType, int] = {}
        self.was_ended = False
        """False where the function has fewer places."""

    def call(self, function: Callable[[], object]) -> None:
        before = sys.gettrace()
        sys.settrace(self._enter)
        try:
            function()
        except Ended:
            pass
        except Exception:  # what another error is made of it is for the test to judge
            if not self.was_ended:
                raise
        finally:
            sys.settrace(before)
            self._before.clear()

    def _enter(self, frame: FrameType, event: str, _: Any) -> Any:
        if not frame.f_code.co_filename.startswith(PACKAGE) or self.was_ended:
            return None
        frame.f_trace_opcodes = True
        return self._step

    def _step(self, frame: FrameType, event: str, _: Any) -> Any:
        if event == "opcode" and not self.was_ended:
            before = self._before.get(frame)
            self._before[frame] = frame.f_lasti
            is_place = before is not None and _is_place(frame.f_code, before, frame.f_lasti)
            if is_place and self._when():
                if self._left == 0:
                    self.was_ended = True
                    raise Ended
                self._left -= 1
        return self._step


def _is_place(code: CodeType, before: int, now: int) -> bool:
    """Tell whether Python may raise after the instruction at `before`, in front of that at `now`.

    Only where both have the same handlers: in truth the one before is what raises.
    """
    names = dis.opname[code.co_code[before]], dis.opname[code.co_code[now]]
    if names[0] not in AFTER and "JUMP_BACKWARD" not in names[0]:
        return False
    return names != ("PRECALL", "CALL") and _handler(code, before) == _handler(code, now)


@cache
def _handler(code: CodeType, offset: int) -> int | None:
    table = dis._parse_exception_table(code)  # type: ignore[attr-defined]
    return next((entry.target for entry in table if entry.start <= offset < entry.end), None)


def end_thread(thread: threading.Thread, exception: type[BaseException] = Ended) -> None:
    """Raise an exception in another thread, at whatever it does just now.

    Not where it has ended by itself: another thread may have its number by now. And not while it
    starts a thread: until that one runs, CPython knows it by the number of its parent, and would
    end it instead (`_PyThreadState_Prealloc` in 3.11). The parent would wait for it for ever.
    """
    while thread.is_alive() and _starts_another(thread):
        time.sleep(0.0005)
    if not thread.is_alive():
        return
    ident = ctypes.c_ulong(thread.ident or 0)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ident, ctypes.py_object(exception))


def _starts_another(thread: threading.Thread) -> bool:
    frame = sys._current_frames().get(thread.ident or 0)
    while frame is not None:
        if frame.f_code is threading.Thread.start.__code__:
            return True
        frame = frame.f_back
    return False
