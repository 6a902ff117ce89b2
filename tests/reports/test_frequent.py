"""The most frequent values: found whatever the order, in bounded memory."""

from __future__ import annotations

from collections import Counter

import pytest

pytest.importorskip("hypothesis", reason="needs hypothesis: pip install -e '.[test]'")

from hypothesis import given, settings
from hypothesis import strategies as st

from tcs_events.reports.frequent import Frequent


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 40) | st.just(7), max_size=300), st.integers(2, 12))
def test_a_value_of_more_than_its_share_is_found(values: list[int], places: int) -> None:
    frequent = Frequent(places)
    for value in values:
        frequent.add(value)
        assert len(frequent.keys()) <= places
    often = {value for value, count in Counter(values).items() if count > 2 / places * len(values)}
    assert often <= frequent.keys() <= set(values)
    if len(set(values)) <= places:
        assert frequent.is_all
    if frequent.is_all:
        assert frequent.keys() == set(values)
