"""The most frequent of any number of values, found without having all of them in memory."""

from __future__ import annotations

from collections.abc import Hashable


class Frequent:
    """Takes values one by one, and remembers those that may be the most frequent.

    A value that more than 2 in `places` of all were is remembered for sure, whatever the order. Of
    rarer ones, some are forgotten once there are more than `places`. This is the algorithm of Misra
    and Gries: https://doi.org/10.1016/0167-6423(82)90012-0

    Args:
        places: the most values to remember, at least 2.
    """

    def __init__(self, places: int) -> None:
        self._places = places
        self._counts: dict[Hashable, int] = {}
        self.is_all = True
        """Whether no value was forgotten."""

    def add(self, key: Hashable) -> None:
        """Take a value."""
        self._counts[key] = self._counts.get(key, 0) + 1
        if len(self._counts) > self._places:
            # Half of the places at once: so this sorts once in thousands of values. What is taken
            # off a value, half of the places lose, too. So it is less than 2 in `places` of all.
            taken_off = sorted(self._counts.values(), reverse=True)[self._places // 2]
            self._counts = {
                key: count - taken_off for key, count in self._counts.items() if count > taken_off
            }
            self.is_all = False

    def keys(self) -> set[Hashable]:
        """Return the values that are remembered, at most `places`."""
        return set(self._counts)
