"""What ad blockers block, as the documented table says: the words of real lists, evaluated."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.pages import page
from tests.support import need_module

SHOP = "shop.example"


@pytest.fixture(scope="module")
def lists() -> Any:
    """EasyList and EasyPrivacy, and the engine of a browser that blocks by them."""
    need_module("braveblock")
    import braveblock

    return braveblock.Adblocker()


def names(row: str, column: int) -> list[str]:
    """Return the names in a column of the documented table."""
    [found] = [cells for cells in page("guides/tracker").rows("Ad blockers") if cells[0] == row]
    return re.findall(r"`([^`]+)`", found[column])


def is_blocked(lists: Any, address: str) -> bool:
    kind = "script" if address.endswith(".js") else "xmlhttprequest"
    blocked: bool = lists.check_network_urls(f"https://{address}", f"https://{SHOP}/", kind)
    return blocked


def addresses(row: str, name: str) -> list[str]:
    """Return what a visitor's browser asks for, where a host has chosen that name."""
    if row == "script":
        return [SHOP + name]
    base = SHOP + name if row == "`url_prefix`" else f"{name}/api/events"
    return [base, f"{base}/batch", f"{base}/identify", f"{base}/tracker.js", f"{base}/client.js"]


@pytest.mark.parametrize("row", ["`url_prefix`", "host", "script"])
def test_the_documented_names_are_blocked_or_not_as_said(lists: Any, row: str) -> None:
    blocked, safe = names(row, 1), names(row, 2)
    assert blocked
    assert safe
    for name in blocked:
        assert any(is_blocked(lists, address) for address in addresses(row, name)), name
    for name in safe:
        assert not any(is_blocked(lists, address) for address in addresses(row, name)), name
