"""What visitors wanted and did not find, and what is never seen: one question per function.

The functions ask in an app context; `Reports` asks with an engine alone. What is counted are
visits, so that days add up: a visit is a visitor's day, and a visitor is a `session_id`. Fields
named `sessions` count visits.
"""

from tcs_events.reports.activity import Activity
from tcs_events.reports.dead_ends import DeadEnd
from tcs_events.reports.explore import Explored, ExploreRow, Property
from tcs_events.reports.exposure import ExpertExposure, Exposure
from tcs_events.reports.funnel import Condition, FunnelStep, Step, step
from tcs_events.reports.gaps import UnmetDemand
from tcs_events.reports.in_app import (
    activity,
    dead_end_combinations,
    dead_end_values,
    delete_funnel,
    explore,
    exposure,
    first_day,
    funnel,
    last_days,
    latest_refused,
    latest_visitors,
    live,
    paths,
    person_timeline,
    properties,
    retention,
    save_funnel,
    saved_funnels,
    session_timeline,
    top_experts,
    top_filters,
    top_items,
    top_queries,
    total_activity,
    unmet_demand,
    user_timeline,
    visitors,
)
from tcs_events.reports.live import LatestVisitor, Live, LiveMinute, RefusedEvent
from tcs_events.reports.over_days import FunnelOverDays, FunnelPart, ReachedStep
from tcs_events.reports.paths import Path, Paths
from tcs_events.reports.period import Period
from tcs_events.reports.questions import Reports
from tcs_events.reports.retention import Cohort
from tcs_events.reports.rungs import Rung
from tcs_events.reports.saved_funnels import SavedFunnel
from tcs_events.reports.timeline import TimelineEvent
from tcs_events.reports.top import TopExpert, TopFilter, TopQuery
from tcs_events.reports.visitors import DayVisitors, TypeVisitors, Visitors

__all__ = [
    "Activity",
    "Cohort",
    "Condition",
    "DayVisitors",
    "DeadEnd",
    "ExpertExposure",
    "ExploreRow",
    "Explored",
    "Exposure",
    "FunnelOverDays",
    "FunnelPart",
    "FunnelStep",
    "LatestVisitor",
    "Live",
    "LiveMinute",
    "Path",
    "Paths",
    "Period",
    "Property",
    "ReachedStep",
    "RefusedEvent",
    "Reports",
    "Rung",
    "SavedFunnel",
    "Step",
    "TimelineEvent",
    "TopExpert",
    "TopFilter",
    "TopQuery",
    "TypeVisitors",
    "UnmetDemand",
    "Visitors",
    "activity",
    "dead_end_combinations",
    "dead_end_values",
    "delete_funnel",
    "explore",
    "exposure",
    "first_day",
    "funnel",
    "last_days",
    "latest_refused",
    "latest_visitors",
    "live",
    "paths",
    "person_timeline",
    "properties",
    "retention",
    "save_funnel",
    "saved_funnels",
    "session_timeline",
    "step",
    "top_experts",
    "top_filters",
    "top_items",
    "top_queries",
    "total_activity",
    "unmet_demand",
    "user_timeline",
    "visitors",
]
