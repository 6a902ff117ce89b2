"""What ad blockers block, as the README's table says it: the words of real lists, evaluated."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.support import ROOT, need_module

README = (ROOT / "README.md").read_text()
SHOP = "shop.example"


@pytest.fixture(scope="module")
def lists() -> Any:
    """EasyList and EasyPrivacy, and the engine of a browser that blocks by them."""
    need_module("braveblock")
    import braveblock

    return braveblock.Adblocker()


def names(row: str, column: int) -> list[str]:
    """Return the names in a column of the README's table."""
    section = README.split("### Ad blockers")[1].split("\n### ")[0]
    [line] = [line for line in section.splitlines() if line.startswith(f"| {row} |")]
    return re.findall(r"`([^`]+)`", line.split("|")[column + 1])


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
def test_the_names_of_the_readme_are_blocked_or_not_as_it_says(lists: Any, row: str) -> None:
    blocked, safe = names(row, 1), names(row, 2)
    assert blocked
    assert safe
    for name in blocked:
        assert any(is_blocked(lists, address) for address in addresses(row, name)), name
    for name in safe:
        assert not any(is_blocked(lists, address) for address in addresses(row, name)), name
