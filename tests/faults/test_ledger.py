"""The ledger sees each broken promise, and no other."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.faults.ledger import Ledger, Row


def sent(ledger: Ledger, status: int, *, good: bool = True) -> str:
    key = ledger.send(good=good)
    ledger.answer(key, status)
    return key


def kept(key: str) -> list[Row]:
    return [Row(event_id=key, sent_as=key)]


def missing(ledger: Ledger) -> list[Row]:
    sent(ledger, 202)
    return []


def twice(ledger: Ledger) -> list[Row]:
    return kept(sent(ledger, 202)) * 2


def never_sent(ledger: Ledger) -> list[Row]:
    return kept("0" * 32)


def mixed_up(ledger: Ledger) -> list[Row]:
    one, other = sent(ledger, 202), sent(ledger, 202)
    return [Row(one, sent_as=other), Row(other, sent_as=one)]


def refused_yet_stored(ledger: Ledger) -> list[Row]:
    return kept(sent(ledger, 422, good=False))


def refused_in_error(ledger: Ledger) -> list[Row]:
    sent(ledger, 413)
    return []


@pytest.mark.parametrize(
    "broken",
    [missing, twice, never_sent, mixed_up, refused_yet_stored, refused_in_error],
)
def test_a_broken_promise_is_named(broken: Callable[[Ledger], list[Row]]) -> None:
    ledger = Ledger()
    rows = kept(sent(ledger, 202)) + broken(ledger)

    assert list(ledger.balance(lambda: rows).violations) == [broken.__name__]


def test_a_202_for_a_bad_event_is_a_violation() -> None:
    ledger = Ledger()
    sent(ledger, 202, good=False)

    assert "acknowledged_in_error" in ledger.balance(list).violations


def test_a_refusal_after_a_202_is_a_violation() -> None:
    ledger = Ledger()
    key = sent(ledger, 202)
    ledger.answer(key, 422)

    assert "acknowledged_in_error" in ledger.balance(lambda: kept(key)).violations


@pytest.mark.parametrize("stored", [True, False])
def test_an_event_answered_503_may_be_stored_or_not_and_stays_outstanding(stored: bool) -> None:
    ledger = Ledger()
    key = sent(ledger, 503)

    assert ledger.balance(lambda: kept(key) if stored else []).violations == {}
    assert ledger.outstanding() == [key]


def test_every_sent_event_ends_in_exactly_one_state() -> None:
    ledger = Ledger()
    keys = [sent(ledger, status) for status in (202, 202, 422, 503, 500)]

    balance = ledger.balance(lambda: kept(keys[0]) + kept(keys[1]))

    assert (balance.sent, balance.acknowledged, balance.refused, balance.unknown) == (5, 2, 1, 2)


def test_an_event_acknowledged_while_the_rows_are_read_is_not_missing() -> None:
    ledger = Ledger()
    key = ledger.send()

    def read_rows() -> list[Row]:
        ledger.answer(key, 202)
        return []

    assert ledger.balance(read_rows).violations == {}
