"""What was sent, what was answered, and whether the database agrees."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID, uuid4

from sqlalchemy import NullPool, create_engine, text


class State(StrEnum):
    """What the sender knows of an event. Every sent event is in exactly one of these."""

    UNKNOWN = "unknown"
    """No answer, or a 503: whether it is stored only the database knows."""
    ACKNOWLEDGED = "acknowledged"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Row:
    """A stored event: the id it has, and the id that its sender had put into the payload."""

    event_id: str
    sent_as: str


def stored_rows(database_url: str) -> list[Row]:
    """Read what is stored, by plain SQL on a connection of our own."""
    engine = create_engine(database_url, poolclass=NullPool)
    with engine.connect() as connection:
        found = connection.execute(text("SELECT event_id, payload FROM user_events")).all()
    rows = []
    for event_id, payload in found:
        document = json.loads(payload) if isinstance(payload, str) else payload
        rows.append(Row(UUID(str(event_id)).hex, document["expert_id"]))
    return rows


@dataclass(frozen=True)
class Balance:
    """How the ledger and the database compare. The lists below the counts have to be empty."""

    sent: int
    acknowledged: int
    refused: int
    unknown: int
    stored: int
    missing: list[str] = field(repr=False)
    """Acknowledged, and not stored."""
    twice: list[str] = field(repr=False)
    never_sent: list[str] = field(repr=False)
    mixed_up: list[str] = field(repr=False)
    """Stored under the id of another event."""
    refused_yet_stored: list[str] = field(repr=False)
    refused_in_error: list[str] = field(repr=False)
    """A good event for which a final refusal came: the browser has dropped it."""
    acknowledged_in_error: list[str] = field(repr=False)
    """A bad event for which a 202 came, or one for which a 202 and a refusal came."""

    @property
    def violations(self) -> dict[str, int]:
        """How many events each broken promise concerns."""
        lists = {name: value for name, value in vars(self).items() if isinstance(value, list)}
        return {name: len(events) for name, events in lists.items() if events}


class Ledger:
    """Keeps the state of every event that was sent; any number of threads write into it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._states: dict[str, State] = {}
        self._bad: set[str] = set()
        self._contradicted: set[str] = set()

    def send(self, *, good: bool = True) -> str:
        """Return the id of a new event, which is about to be sent."""
        key = uuid4().hex
        with self._lock:
            self._states[key] = State.UNKNOWN
            if not good:
                self._bad.add(key)
        return key

    def is_good(self, key: str) -> bool:
        return key not in self._bad

    def answer(self, key: str, status: int) -> bool:
        """Write down an answer; return whether the sender is done with the event."""
        if status == 202:
            state = State.ACKNOWLEDGED
        elif 400 <= status < 500:
            state = State.REFUSED
        else:
            return False
        with self._lock:
            if self._states[key] not in (State.UNKNOWN, state):
                self._contradicted.add(key)
            self._states[key] = state
        return True

    def outstanding(self) -> list[str]:
        """Return the good events that a sender would still keep and send again."""
        return [key for key in self._in(State.UNKNOWN) if self.is_good(key)]

    def acknowledged(self) -> int:
        return len(self._in(State.ACKNOWLEDGED))

    def _in(self, state: State) -> list[str]:
        with self._lock:
            return [key for key, its in self._states.items() if its is state]

    def balance(self, read_rows: Callable[[], Iterable[Row]]) -> Balance:
        """Compare with what is stored, also while visitors go on sending."""
        # The acknowledged are taken before the rows are read: what is acknowledged meanwhile may be
        # in the one and not in the other. Rows are counted by what the sender wrote into the
        # payload: the unique column of the table cannot hide from us an event that was stored a
        # second time under another id.
        acknowledged = self._in(State.ACKNOWLEDGED)
        rows = list(read_rows())
        stored = Counter(row.sent_as for row in rows)
        refused = self._in(State.REFUSED)
        return Balance(
            sent=len(self._states),
            acknowledged=len(acknowledged),
            refused=len(refused),
            unknown=len(self._in(State.UNKNOWN)),
            stored=len(rows),
            missing=[key for key in acknowledged if key not in stored],
            twice=[key for key, count in stored.items() if count > 1],
            never_sent=[key for key in stored if key not in self._states],
            mixed_up=[row.sent_as for row in rows if row.event_id != row.sent_as],
            refused_yet_stored=[
                key for key in stored if key in self._bad or self._states.get(key) is State.REFUSED
            ],
            refused_in_error=[key for key in refused if self.is_good(key)],
            acknowledged_in_error=[
                *(key for key in acknowledged if not self.is_good(key)),
                *self._contradicted,
            ],
        )
