"""What visitors wanted and did not find, and who is never seen: one question per function.

Ask in an app context. A visitor is a `session_id`, and a visit is a visitor's day. Reports count
visits, so that days add up: fields named `sessions` count visits.
"""

from tcs_events.reports.activity import Activity, activity, first_day, total_activity
from tcs_events.reports.dead_ends import DeadEnd, dead_end_combinations, dead_end_values
from tcs_events.reports.exposure import ExpertExposure, Exposure, Rung, exposure
from tcs_events.reports.funnel import Condition, FunnelStep, Step, funnel, step
from tcs_events.reports.gaps import UnmetDemand, unmet_demand
from tcs_events.reports.period import Period, last_days
from tcs_events.reports.retention import Cohort, retention
from tcs_events.reports.timeline import TimelineEvent, person_timeline, session_timeline
from tcs_events.reports.top import (
    TopExpert,
    TopFilter,
    TopQuery,
    top_experts,
    top_filters,
    top_queries,
)

__all__ = [
    "Activity",
    "Cohort",
    "Condition",
    "DeadEnd",
    "ExpertExposure",
    "Exposure",
    "FunnelStep",
    "Period",
    "Rung",
    "Step",
    "TimelineEvent",
    "TopExpert",
    "TopFilter",
    "TopQuery",
    "UnmetDemand",
    "activity",
    "dead_end_combinations",
    "dead_end_values",
    "exposure",
    "first_day",
    "funnel",
    "last_days",
    "person_timeline",
    "retention",
    "session_timeline",
    "step",
    "top_experts",
    "top_filters",
    "top_queries",
    "total_activity",
    "unmet_demand",
]
