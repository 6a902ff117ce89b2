"""An id is the same, whatever type it has in the host, the browser or a file."""

from __future__ import annotations

import pytest

pytest.importorskip("hypothesis", reason="needs hypothesis: pip install -e '.[test]'")

from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from typing import Any
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from tcs_events.counts.ids import id_text


class Kind(Enum):
    ADA = "ada"


class Number(IntEnum):
    SEVEN = 7


class Name(StrEnum):
    ADA = "ada"


IDS: dict[str, list[Any]] = {
    "7": ["7", 7, 7.0, Decimal(7), Decimal("7.00"), Decimal("70E-1"), Number.SEVEN, " 7 ", "7\n"],
    "700": [700, Decimal("7E+2"), 7e2],
    "7.5": ["7.5", 7.5, Decimal("7.50")],
    "-7": [-7, -7.0],
    "0": [0, -0.0, Decimal("-0")],
    "9007199254740993": [9007199254740993, "9007199254740993"],
    "6ba7b810-9dad-11d1-80b4-00c04fd430c8": [
        UUID("6ba7b810-9dad-11d1-80b4-00c04fd430c8"),
        "6ba7b810-9dad-11d1-80b4-00c04fd430c8",
    ],
    "ada": ["ada", Kind.ADA, Name.ADA],
    "e" * 200: ["e" * 200, "e" * 5_000],
    "": ["", "  ", None, True, False, [], ["ada"], {}, {"id": 7}, (), float("nan"), float("inf")],
}


@pytest.mark.parametrize(("text", "ids"), IDS.items())
def test_the_same_id_has_one_text(text: str, ids: list[Any]) -> None:
    assert {id_text(value) for value in ids} == {text}


NUMBERS: dict[str, Any] = {
    "int": 10**5_000,
    "decimal": Decimal("1E+999999"),
    "signalling": Decimal("sNaN"),
    "large": 1e308,
    "small": 5e-324,
}


@pytest.mark.parametrize("value", NUMBERS.values(), ids=NUMBERS)
def test_no_number_is_too_much(value: Any) -> None:
    assert len(id_text(value)) <= 200


@given(st.text() | st.integers() | st.floats() | st.decimals() | st.uuids())
def test_the_text_of_an_id_is_an_id_and_can_be_stored(value: object) -> None:
    text = id_text(value)
    assert id_text(text) == text
    text.encode()
