"""Writes the payloads of the package's event types into `tracking.ts`, from their schemas.

    python frontend_snippets/payload_types.py

A test fails while the two differ.
"""

from __future__ import annotations

import re
from pathlib import Path

from tcs_events.event_types.event_type import declared
from tcs_events.event_types.marketplace import MARKETPLACE
from tcs_events.event_types.typescript import payload_types
from tcs_events.payloads import PAYLOAD_SCHEMAS

SOURCE = Path(__file__).parent / "tracking.ts"
PART = re.compile(
    r"(?<=// Made by payload_types\.py:\n).*?(?=// End of what is made\.\n)", re.DOTALL
)
ABOUT = (
    "The event types and their payloads, so that a misspelt type or field does not compile. Add"
    ' yours: declare the interface again, inside of `declare module "./tracking" { }`.'
)


def rewritten(text: str) -> str:
    """Return the source with the payloads as the schemas are today."""
    # Closed, because a field that a host adds is declared by the host.
    types = payload_types(
        declared(PAYLOAD_SCHEMAS, MARKETPLACE), about=ABOUT, closed=True, exported=False
    )
    return PART.sub(lambda _: types, text)


if __name__ == "__main__":
    SOURCE.write_text(rewritten(SOURCE.read_text()))
