"""Simulates who makes an account, and who books an expert days later."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta

from tcs_events.demo.visits import Visit
from tcs_events.event import Event

PLANS = ("free", "free", "team")
WITHIN = timedelta(days=7)


class Bookings:
    """Adds accounts and bookings to visits, and counts who booked within a week of the account.

    They happen in visits that there are anyway.
    """

    def __init__(self) -> None:
        self.by_plan: dict[str, tuple[int, int]] = dict.fromkeys(PLANS, (0, 0))
        """By plan, the visitors who made an account, and how many of them booked."""
        self.persons = 0
        """How many persons booked: those visitors, and whoever used another device for it."""

    def plant(self, visits_of: Sequence[Sequence[Visit]]) -> Iterator[Event]:
        """Yield the events.

        Args:
            visits_of: the visits of each visitor. Of each 24 visitors, number 3 and number 15 are
                the two devices of one person.
        """
        for first in range(0, len(visits_of), 24):
            visits = dict(enumerate(visits_of[first : first + 24]))
            plan = PLANS[first // 24 % len(PLANS)]
            # The device of the account, and that of the booking; None for no booking.
            for one, other in ((3, 15), (9, 9), (21, None)):
                if not visits.get(one):
                    continue
                account = _add(visits[one][0], "account_created", plan=plan)
                yield account
                booked = False
                if other is not None and visits.get(other):
                    booking = _add(visits[other][-1], "expert_booked")
                    yield booking
                    booked = timedelta(0) < booking.created_at - account.created_at <= WITHIN
                self._count(plan, booked, is_same_device=one == other)

    def _count(self, plan: str, booked: bool, *, is_same_device: bool) -> None:
        accounts, bookings = self.by_plan[plan]
        self.by_plan[plan] = accounts + 1, bookings + (booked and is_same_device)
        self.persons += booked


def _add(visit: Visit, event_type: str, **payload: object) -> Event:
    visit.wait(20, 60)
    visit.send(event_type, None, **payload)
    return visit.events[-1]
