"""The pytest plugin of tcs_events: the fixture `tracked`.

It is installed as `pytest_tcs_events`, beside the package: pytest imports it in every project of an
environment that has tcs_events installed, and importing anything from the package imports Flask.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tcs_events.testing import Tracked


@pytest.fixture
def tracked() -> Iterator[Tracked]:
    """What the apps of this process record during the test. Nothing of it is stored or counted."""
    from tcs_events.testing import Tracked

    with Tracked() as tracked:
        yield tracked
