"""How far counting has come, by the ids of the events.

Rows become visible when their transactions end, which is not the order of their ids. So a refresh
also looks again at ids that an earlier refresh may have missed:

- ids that were new less than `SETTLED_AFTER` before it,
- ids of transactions that were open then (`open_transactions`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from tcs_events.counts import agreement, open_transactions
from tcs_events.counts.open_transactions import Floors, Look
from tcs_events.models import UserEvent

SETTLED_AFTER = timedelta(seconds=30)
"""After this time each of our own open transactions has ended. They last two seconds at most."""
IDS_IN_FLIGHT = 100_000
"""How far below the newest id there may be rows that were being written during a full count."""


@dataclass(frozen=True, slots=True)
class Position:
    """What a refresh finds when it begins."""

    look: Look
    at: datetime
    """The time of the look, in UTC."""
    floors: Floors
    """The transactions that the refresh before has noted as open."""

    def uncounted_above(self, state: sa.Row[Any]) -> int:
        """Return the id above which there may be rows that no refresh has counted."""
        ended_floors = [
            above_id for xid, above_id in self.floors.items() if xid not in self.look.open
        ]
        # The newest id is lower than before if rows were deleted by hand. SQLite then uses their
        # ids again, so these must be looked at again.
        return min([int(state.safe_id), self.look.newest_id, *ended_floors])

    def keep(
        self, connection: Connection, before: sa.Row[Any], now: datetime, *, is_all: bool
    ) -> dict[str, Any]:
        """Note the open transactions, and return the columns of the state row that change.

        Args:
            connection: in a transaction in which no events can be deleted.
            before: the state row.
            now: when the refresh began.
            is_all: whether all days were counted.
        """
        # SQLite uses the newest row's id again after that row is deleted.
        current_newest_id = connection.scalar(sa.select(sa.func.max(UserEvent.id))) or 0
        newest_id = min(self.look.newest_id, current_newest_id)
        safe_id, seen_id = min(before.safe_id, newest_id), min(before.seen_id, newest_id)
        is_settled = now - before.seen_at >= SETTLED_AFTER
        # The clock was set back, so the time since then is unknown: wait again.
        is_in_future = before.seen_at > now + agreement.SKEW
        if is_all:
            safe_id = max(0, newest_id - IDS_IN_FLIGHT)
        elif is_settled:
            # By now all rows below the id that was the newest then are visible.
            safe_id = seen_id
        # Transactions that are noted for the first time began after the previous refresh, so their
        # ids are larger than the newest id of that refresh.
        floor = safe_id if is_all else before.seen_id
        open_transactions.note(
            connection, {xid: self.floors.get(xid, floor) for xid in self.look.open}
        )
        if is_all or is_settled or is_in_future:
            return {"safe_id": safe_id, "seen_id": newest_id, "seen_at": self.at}
        return {"safe_id": safe_id, "seen_id": seen_id}
