"""`EventPayloads` in tracking.ts and the payload schemas say the same."""

from __future__ import annotations

import runpy

from tcs_events.payloads import PAYLOAD_SCHEMAS
from tcs_events.settings import SETTINGS
from tests.conftest import MakeHost
from tests.support import ROOT, card_click, post

WRITER = ROOT / "frontend_snippets" / "payload_types.py"


def test_the_types_of_the_tracker_are_made_from_the_schemas() -> None:
    writer = runpy.run_path(str(WRITER))
    source = writer["SOURCE"].read_text()
    assert source == writer["rewritten"](source), "run `python frontend_snippets/payload_types.py`"
    assert source.count("  card_impression: CardImpression;") == 1


def test_the_default_types_are_among_them() -> None:
    [default] = [setting.default for setting in SETTINGS if setting.option == "event_types"]
    assert set(default) <= set(PAYLOAD_SCHEMAS)


def test_a_host_may_hold_events_to_them(make_host: MakeHost, sqlite_url: str) -> None:
    app = make_host(sqlite_url, TCS_EVENTS_EVENT_TYPES=PAYLOAD_SCHEMAS)
    assert post(app, payload={"expert_id": "ada", "context": "grid"}).status_code == 202
    more = {"expert_id": "ada", "context": "grid", "experiment": "b"}
    assert post(app, payload=more).status_code == 202
    answer = post(app, payload={"expert_id": "ada", "context": "gird"})
    assert (answer.status_code, list(answer.json["errors"]["payload"])) == (422, ["context"])
    seen = card_click(event_type="card_impression", payload={**more, "position": 1})
    assert post(app, **seen).status_code == 202
    assert post(app, **{**seen, "payload": {**more, "position": 0}}).status_code == 422


def test_a_checked_sage_query_may_have_no_count(make_host: MakeHost, sqlite_url: str) -> None:
    """The count of an answer that only applied filters is null, or is left out."""
    app = make_host(sqlite_url, TCS_EVENTS_EVENT_TYPES=PAYLOAD_SCHEMAS)
    payload = {
        "query_text": "under 100 euros",
        "function_called": "apply_filters",
        "expert_ids": [],
        "filters": {"rate_max": 100},
    }
    for count in ({}, {"result_count": None}, {"result_count": 0}, {"result_count": 7}):
        answer = post(app, event_type="sage_query", payload={**payload, **count})
        assert answer.status_code == 202, count
    for wrong in (-1, "7", 1.5, True):
        answer = post(app, event_type="sage_query", payload={**payload, "result_count": wrong})
        assert answer.status_code == 422, wrong
