"""When two texts are the same to a report."""

from __future__ import annotations

import unicodedata

from tcs_events.rollups.tables import NAME_MAX_LENGTH


def normalise(text: str) -> str:
    """Return the text as reports compare it: NFKC, casefolded, with single spaces, cut to 200.

    "FLASK  developer", also in full-width letters, and "Flask Developer" are one query.
    """
    compatible = unicodedata.normalize("NFKC", text)
    folded = unicodedata.normalize("NFKC", compatible.casefold())
    return " ".join(folded.split())[:NAME_MAX_LENGTH].rstrip()
