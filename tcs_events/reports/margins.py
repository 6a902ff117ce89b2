"""How far off a number may be that is worked out from a sample of visitors.

The sample has whole visitors, each drawn by itself. A margin is the distance within which the true
number is in 95 of 100 cases.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, floor, sqrt

Z = 1.96
"""So many standard deviations to both sides hold 95 of 100 cases."""
UNSEEN = 3.0
"""If none of n is in a sample of the share p, then n is at most 3 / p in 95 of 100 cases."""


def spread(squares: float, parts: int, sampled: float) -> float:
    """Return the margin of a sum over the visitors of a sample.

    Args:
        squares: the sum of the squares of what each visitor adds.
        parts: how many visitors add something, at least one.
        sampled: the share of the visitors that are in the sample.
    """
    # One visitor more than there were: a few say little about how much visitors differ.
    return Z * sqrt((1 - sampled) * squares * (1 + 1 / parts))


def margin_of_count(visitors: int, sampled: float) -> float:
    """Return the margin of the number of all visitors, of whom so many are in the sample."""
    return (spread(visitors, visitors, sampled) if visitors else UNSEEN) / sampled


def margin_of_share(visitors: int, of: int, sampled: float) -> float:
    """Return the margin of the share of some visitors among others, at least one of them."""
    if visitors in (0, of):
        return min(1.0, UNSEEN / of)
    share = visitors / of
    return spread(of * share * (1 - share), of, sampled) / of


def margin_of_quantile(ordered: Sequence[float], share: float, margin: float) -> float:
    """Return the margin of the number up to which a share of all numbers are.

    Args:
        ordered: the numbers of the sample, at least one, the smallest first.
        share: such as 0.5 for the median.
        margin: how far off the share may be.
    """
    last = len(ordered) - 1
    middle = ordered[max(0, ceil(share * len(ordered)) - 1)]
    low = ordered[max(0, floor(last * (share - margin)))]
    high = ordered[min(last, ceil(last * (share + margin)))]
    return max(middle - low, high - middle)
