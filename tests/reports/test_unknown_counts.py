"""An answer may not say how many experts it found. Reports must not read that as none."""

from __future__ import annotations

import pytest

from tcs_events import reports
from tests.conftest import MakeHost
from tests.support import post

LEFT_OUT = object()


@pytest.mark.parametrize("count", [LEFT_OUT, None, 0], ids=["left out", "null", "none found"])
def test_only_a_count_of_zero_is_a_search_without_results(
    make_host: MakeHost, sqlite_url: str, count: object
) -> None:
    app = make_host(sqlite_url)
    payload = {"query_text": "under 100 euros", "expert_ids": [], "filters": {"rate_max": 100}}
    if count is not LEFT_OUT:
        payload["result_count"] = count
    for session_id in ("visitor-1", "visitor-2"):
        answer = post(app, event_type="sage_query", session_id=session_id, payload=payload)
        assert answer.status_code == 202
    is_empty = count == 0
    with app.app_context():
        period = reports.last_days(2)
        unmet = reports.unmet_demand(period, min_sessions=1)
        assert [(row.query, row.no_result) for row in unmet] == [("under 100 euros", 2)] * is_empty
        [asked] = reports.top_queries(period)
        assert (asked.asks, asked.sessions) == (2, 2)
        for condition in ("=0", "<=0", "<1"):
            [reached] = reports.funnel(
                period, [reports.step(f"sage_query[result_count{condition}]")]
            )
            assert reached.sessions == 2 * is_empty, condition
        [reached] = reports.funnel(period, [reports.step("sage_query[result_count>0]")])
        assert reached.sessions == 0
