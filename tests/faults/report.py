"""What a run of load and faults came to, and everything in it that breaks the contract."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from tests.faults.clients import Answer
from tests.faults.ledger import Balance

ANSWER_SECONDS = 2.5
"""Two seconds are promised; the rest is what a machine needs to get round to it."""
HEAL_SECONDS = 10.0
"""Far more than the 0.1 to 1 s that it takes on a quiet machine: some servers might never heal."""


@dataclass(frozen=True)
class Report:
    answers: Sequence[Answer]
    balance: Balance
    healed_after: float | None = None
    """Seconds from the end of the fault to the next 202."""
    busy_seconds: float = 0.0
    """How long the slowest page without a database took meanwhile.

    A page is one step of a thread. An answer takes several, each of which may be as late.
    """

    def statuses(self) -> dict[int, int]:
        """How many attempts ended in each status; 0 is no answer."""
        return dict(sorted(Counter(answer.status for answer in self.answers).items()))

    def slowest(self) -> float:
        return max((answer.seconds for answer in self.answers), default=0.0)

    def complaints(self) -> list[str]:
        """Everything that was not as promised. Nothing but the database was ever at fault."""
        unpromised = {s: n for s, n in self.statuses().items() if s not in (202, 503)}
        in_time = ANSWER_SECONDS + 3 * self.busy_seconds
        late = [answer for answer in self.answers if answer.seconds > in_time]
        bare = [a for a in self.answers if a.status == 503 and not a.has_retry_after]
        other = [answer for answer in self.answers if answer.status and not answer.is_json]
        said = [f"{kind}: {count} events" for kind, count in self.balance.violations.items()]
        if self.balance.unknown:
            said.append(f"{self.balance.unknown} events were never acknowledged")
        if unpromised:
            said.append(f"answers other than 202 and 503 (0 is none at all): {unpromised}")
        if late:
            said.append(f"{len(late)} answers later than {in_time:.1f} s: {self.slowest():.2f} s")
        if bare:
            said.append(f"{len(bare)} answers of 503 without Retry-After")
        if other:
            said.append(f"{len(other)} answers that are not JSON objects")
        if (
            self.healed_after is not None
            and self.healed_after > HEAL_SECONDS + 3 * self.busy_seconds
        ):
            said.append(f"the first 202 came {self.healed_after:.2f} s after the fault")
        return said

    def row(self) -> dict[str, object]:
        """The columns of the table that a long run ends with."""
        balance = self.balance
        return {
            "attempts": len(self.answers),
            "acked": balance.acknowledged,
            "503": self.statuses().get(503, 0),
            "stored": balance.stored,
            "missing": len(balance.missing),
            "twice": len(balance.twice),
            "slowest s": f"{self.slowest():.2f}",
            "healed s": "-" if self.healed_after is None else f"{self.healed_after:.2f}",
            "complaints": "; ".join(self.complaints()) or "none",
        }
