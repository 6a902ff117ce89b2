"""Payloads full of what makes columns hard, each the same for the same seed."""

from __future__ import annotations

from random import Random
from typing import Any

NAMES = [
    "plan",
    "Plan",
    "price",
    "room",
    "room.city",
    "room.city.zip",
    "room.",
    ".",
    "",
    'a"b',
    "naïve 名前",
    "__proto__",
    "session",
    "day",
]
"""Names of properties, such as visitors may send."""
SCALARS: list[Any] = [
    None,
    True,
    False,
    0,
    1,
    1.0,
    -0.0,
    0.1,
    7,
    7.0,
    -3,
    2.5,
    2**53 - 1,
    2**53,
    2**53 + 1,
    -(2**60),
    2.0**60,
    2**62,
    1e300,
    5e-324,
    "",
    "1",
    "true",
    "null",
    "pro",
    "Pro",
    " pro",
    "7",
    "7.0",
    "日本 🗾",
    'it\'s "quoted"\n\t\\',
    "\x00\x1f",
    "x" * 300,
]
"""Values of properties. Numbers beyond 2^53 come only from a host's own code."""


def payload(seed: int) -> dict[str, Any]:
    return _object(Random(seed), 0)


def value(random: Random, level: int = 0) -> Any:
    """Return a value of a property, now and then a list or an object."""
    kind = random.random()
    if level < 4 and kind < 0.2:
        return _object(random, level)
    if level < 4 and kind < 0.3:
        return [value(random, level + 1) for _ in range(random.randrange(3))]
    return random.choice(SCALARS)


def _object(random: Random, level: int) -> dict[str, Any]:
    names = random.sample([*NAMES, "city", "zip"], random.randrange(6))
    return {name: value(random, level + 1) for name in names}
