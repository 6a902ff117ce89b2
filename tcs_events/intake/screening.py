"""Decides whose events are not stored: those of visitors who opted out, and of crawlers."""

from __future__ import annotations

from tcs_events.event import Outcome
from tcs_events.intake.intake import Verdict
from tcs_events.intake.sender import Sender
from tcs_events.settings import BOTS_DROP, Settings

GPC: Verdict = (Outcome.OPTED_OUT, "gpc")
DNT: Verdict = (Outcome.OPTED_OUT, "dnt")
CRAWLER: Verdict = (Outcome.BOT, "crawler")


class Screening:
    """Returns the outcome and its reason if a sender's events are not to be stored, else None.

    Args:
        settings: which opt-out headers are respected, and whether crawlers are dropped.
    """

    def __init__(self, settings: Settings) -> None:
        self._respects_gpc = settings.respect_gpc
        self._respects_dnt = settings.respect_dnt
        self._drops_bots = settings.bots == BOTS_DROP
        if self._drops_bots:
            # Here, because it needs the extra tcs-events[bots].
            from tcs_events.intake.bots import is_crawler

            self._is_crawler = is_crawler

    def __call__(self, sender: Sender) -> Verdict | None:
        if sender.refuses_sale and self._respects_gpc:
            return GPC
        if sender.refuses_tracking and self._respects_dnt:
            return DNT
        if self._drops_bots and self._is_crawler(sender.user_agent):
            return CRAWLER
        return None
