"""The questions as functions that ask the database of the current app.

What knows the app is imported when a question is asked, so that reports are asked without one.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from datetime import date
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

from tcs_events.reports.period import Period, days_until
from tcs_events.reports.questions import Reports

Arguments = ParamSpec("Arguments")
Answer = TypeVar("Answer")


def of_current_app(
    question: Callable[Concatenate[Reports, Arguments], Answer],
) -> Callable[Arguments, Answer]:
    """Return a function with the arguments of a question that asks in an app context."""

    @wraps(question)
    def ask(*args: Arguments.args, **values: Arguments.kwargs) -> Answer:
        from tcs_events.host.reports import current_reports

        return question(current_reports(), *args, **values)

    signature = inspect.signature(question)
    parameters = list(signature.parameters.values())[1:]
    ask.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    return ask


def last_days(days: int, today: date | None = None) -> Period:
    """Return the last `days` days, today included.

    Raises:
        ValueError: `days` is not 1 to 3660.
    """
    from tcs_events.host.reports import current_day

    return days_until(today or current_day(), days)


activity = of_current_app(Reports.activity)
dead_end_combinations = of_current_app(Reports.dead_end_combinations)
dead_end_values = of_current_app(Reports.dead_end_values)
explore = of_current_app(Reports.explore)
delete_funnel = of_current_app(Reports.delete_funnel)
exposure = of_current_app(Reports.exposure)
first_day = of_current_app(Reports.first_day)
funnel = of_current_app(Reports.funnel)
latest_refused = of_current_app(Reports.latest_refused)
latest_visitors = of_current_app(Reports.latest_visitors)
live = of_current_app(Reports.live)
paths = of_current_app(Reports.paths)
person_timeline = of_current_app(Reports.person_timeline)
properties = of_current_app(Reports.properties)
retention = of_current_app(Reports.retention)
save_funnel = of_current_app(Reports.save_funnel)
saved_funnels = of_current_app(Reports.saved_funnels)
session_timeline = of_current_app(Reports.session_timeline)
top_experts = of_current_app(Reports.top_experts)
top_items = top_experts
top_filters = of_current_app(Reports.top_filters)
top_queries = of_current_app(Reports.top_queries)
total_activity = of_current_app(Reports.total_activity)
unmet_demand = of_current_app(Reports.unmet_demand)
user_timeline = of_current_app(Reports.user_timeline)
visitors = of_current_app(Reports.visitors)
