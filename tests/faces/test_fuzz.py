"""The fuzzer's check passes for random bodies, and finds a seeded bug."""

from __future__ import annotations

import random

import pytest

from tcs_events import strict_json
from tcs_events.intake import precheck
from tests.faces.fuzz import BUGS, SEEDS, Broken, make_body, make_check, replace_a_value
from tests.faces.json_texts import ALL

BODIES = 1_500


def bodies() -> list[bytes]:
    chance = random.Random(1)
    made = [make_body(chance) for _ in range(BODIES)]
    changed = [replace_a_value(chance.choice(made), chance) for _ in range(BODIES)]
    return [*made, *changed, *(seed.encode() for seed in SEEDS), *ALL.values()]


def test_the_check_holds() -> None:
    check = make_check()
    for body in bodies():
        check(body)


@pytest.mark.parametrize("bug", BUGS)
def test_a_seeded_bug_is_noticed(bug: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strict_json, "_check_text", strict_json._check_text)  # to be put back
    monkeypatch.setattr(precheck, "MAX_AGE_MS", precheck.MAX_AGE_MS)
    monkeypatch.setattr(strict_json, "orjson", strict_json.orjson)
    check = make_check()
    BUGS[bug]()

    def check_all() -> None:
        for body in bodies():
            check(body)

    with pytest.raises(Broken):
        check_all()
