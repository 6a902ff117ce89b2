"""Signals to the host's own code about what became of an event.

They are signals of blinker, which Flask uses for its own: https://blinker.readthedocs.io
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import Any

from blinker import NamedSignal, Namespace

from tcs_events.event import Event, Record
from tcs_events.watch.counters import Counters
from tcs_events.watch.log import log_raised

_signals = Namespace()
event_accepted: NamedSignal = _signals.signal("event-accepted")
"""Sent after the commit of a new event, and before the answer: `receiver(app, event=...)`.

`event` has the columns of `UserEvent` as attributes. A duplicate sends nothing. Receivers run in
the app's context, one after the other, and the visitor's browser waits for them. One that raises
breaks nothing: the error is logged.
"""
event_rejected: NamedSignal = _signals.signal("event-rejected")
"""Sent for an event that is refused for good: `receiver(app, sent=..., errors=...)`.

`sent` is what the client sent, parsed from JSON; it may be anything. `errors` are the messages by
field, as in the answer 422. Receivers run as those of `event_accepted`.
"""


class Signals:
    """Sends the signals of one app.

    Args:
        app: the app, which is the sender.
        in_context: returns a context in which the app is the current one.
        counters: count the calls of receivers that failed, as `receivers_failed`.
    """

    def __init__(
        self,
        app: object,
        in_context: Callable[[], AbstractContextManager[object]],
        counters: Counters,
    ) -> None:
        self._app = app
        self._in_context = in_context
        self._counters = counters
        self._failed: set[str] = set()

    def accepted(self, records: Iterable[Record]) -> None:
        """Send `event_accepted` for each event."""
        if event_accepted.receivers:
            for record in records:
                self._send(event_accepted, event=Event.of(record))

    def rejected(self, refused: Iterable[tuple[Any, dict[str, Any]]]) -> None:
        """Send `event_rejected` for each refused event and its errors."""
        if event_rejected.receivers:
            for sent, errors in refused:
                self._send(event_rejected, sent=sent, errors=errors)

    def _send(self, signal: NamedSignal, **told: object) -> None:
        for receiver in signal.receivers_for(self._app):
            try:
                with self._in_context():
                    receiver(self._app, **told)
            except Exception as error:
                self._note(receiver, error)

    def _note(self, receiver: Any, error: Exception) -> None:
        self._counters.note("receivers_failed")
        name = getattr(receiver, "__qualname__", type(receiver).__qualname__)
        if name not in self._failed:  # a receiver that always fails would fill the log
            self._failed.add(name)
            log_raised("tcs_events.receiver_failed", error, receiver=name)
