"""Splits long lists of values: databases limit the number of parameters of a statement."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

AT_ONCE = 500
"""The most values in one statement."""
T = TypeVar("T")


def batches(values: Sequence[T], size: int = AT_ONCE) -> Iterator[Sequence[T]]:
    """Yield the values in parts of at most `size`, in their order."""
    for start in range(0, len(values), size):
        yield values[start : start + size]
