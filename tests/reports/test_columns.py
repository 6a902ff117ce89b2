"""A question's columns stand once: its page, its files and its command have them from there."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest

from tcs_events import reports
from tcs_events.cli import activity as activity_command
from tcs_events.cli import demand
from tcs_events.cli.columns import Printed
from tcs_events.cli.exposure import _PRINTED as EXPOSURE_PRINTED
from tcs_events.cli.funnel import _STEP as FUNNEL_PRINTED
from tcs_events.cli.live import _VISITOR as LATEST_PRINTED
from tcs_events.cli.paths import _PATH as PATHS_PRINTED
from tcs_events.cli.retention import _COHORT as RETENTION_PRINTED
from tcs_events.cli.timeline import _EVENT as TIMELINE_PRINTED
from tcs_events.dashboard.pages import TABLES
from tcs_events.event_types.words import Words
from tcs_events.export.json_text import RENAMED
from tcs_events.reports.activity import ACTIVITY_COLUMNS, TOTAL_COLUMNS
from tcs_events.reports.columns import Columns, worded
from tcs_events.reports.dead_ends import COMBINATION_COLUMNS, VALUE_COLUMNS
from tcs_events.reports.explore import EXPLORE_COLUMNS
from tcs_events.reports.exposure import EXPOSURE_COLUMNS
from tcs_events.reports.funnel import FUNNEL_COLUMNS
from tcs_events.reports.gaps import GAP_COLUMNS
from tcs_events.reports.live import LATEST_COLUMNS, REFUSED_COLUMNS
from tcs_events.reports.over_days import OVER_DAYS_COLUMNS, PART_COLUMNS, PartStep
from tcs_events.reports.paths import PATH_COLUMNS
from tcs_events.reports.retention import COHORT_COLUMNS
from tcs_events.reports.timeline import TIMELINE_COLUMNS
from tcs_events.reports.top import FILTER_COLUMNS, ITEM_COLUMNS, QUERY_COLUMNS
from tcs_events.reports.visitors import DAY_COLUMNS, TYPE_COLUMNS
from tests.words import OF_EXPERTS, OF_ROOMS

COLUMNS: dict[str, tuple[Columns, Any]] = {
    "latest_visitors": (LATEST_COLUMNS, reports.LatestVisitor),
    "latest_refused": (REFUSED_COLUMNS, reports.RefusedEvent),
    "totals": (TOTAL_COLUMNS, reports.Activity),
    "activity": (ACTIVITY_COLUMNS, reports.Activity),
    "visitors_by_type": (TYPE_COLUMNS, reports.TypeVisitors),
    "visitors_by_day": (DAY_COLUMNS, reports.DayVisitors),
    "items": (ITEM_COLUMNS, reports.TopExpert),
    "queries": (QUERY_COLUMNS, reports.TopQuery),
    "filters": (FILTER_COLUMNS, reports.TopFilter),
    "gaps": (GAP_COLUMNS, reports.UnmetDemand),
    "exposure": (EXPOSURE_COLUMNS, reports.ExpertExposure),
    "dead_end_values": (VALUE_COLUMNS, reports.DeadEnd),
    "dead_end_combinations": (COMBINATION_COLUMNS, reports.DeadEnd),
    "explore": (EXPLORE_COLUMNS, reports.ExploreRow),
    "funnel": (FUNNEL_COLUMNS, reports.FunnelStep),
    "paths": (PATH_COLUMNS, reports.Path),
    "funnel_over_days": (OVER_DAYS_COLUMNS, reports.ReachedStep),
    "funnel_broken_down": (PART_COLUMNS, PartStep),
    "retention": (COHORT_COLUMNS, reports.Cohort),
    "timeline": (TIMELINE_COLUMNS, reports.TimelineEvent),
}
PRINTED: dict[str, Printed] = {
    "latest_visitors": LATEST_PRINTED,
    "totals": activity_command._TYPE,
    "visitors_by_type": activity_command._VISITORS,
    "visitors_by_day": activity_command._DAY,
    "items": demand._PRINTED["items"],
    "queries": demand._PRINTED["queries"],
    "filters": demand._PRINTED["filters"],
    "gaps": demand._GAPS,
    "exposure": EXPOSURE_PRINTED,
    "dead_end_values": demand._DEAD_VALUES,
    "dead_end_combinations": demand._DEAD_COMBINATIONS,
    "funnel": FUNNEL_PRINTED,
    "paths": PATHS_PRINTED,
    "retention": RETENTION_PRINTED,
    "timeline": TIMELINE_PRINTED,
}


def test_every_table_of_the_pages_has_the_columns_of_its_question() -> None:
    assert {name: table.columns for name, (_, table) in TABLES.items()} == {
        name: columns for name, (columns, _) in COLUMNS.items()
    }


@pytest.mark.parametrize("words", [OF_ROOMS, OF_EXPERTS], ids=["rooms", "experts"])
@pytest.mark.parametrize("name", COLUMNS)
def test_a_column_is_called_as_the_json_calls_its_field(name: str, words: Words) -> None:
    columns, row = worded(COLUMNS[name][0], words), COLUMNS[name][1]
    renamed = {**RENAMED, **words.renamed}
    keys = {renamed.get(field.name, field.name) for field in fields(row)}
    keys |= {"share"} if row is reports.DeadEnd else set()  # counted from two fields
    keys |= {"days_counted", "days"} if row is reports.FunnelStep else set()  # of the whole answer
    assert {column.name for column in columns} <= keys
    assert len({column.heading for column in columns}) == len(columns)
    assert all(column.means for column in columns)


@pytest.mark.parametrize("name", PRINTED)
def test_a_command_prints_titles_of_the_page(name: str) -> None:
    headings = [column.heading.lower() for column in worded(COLUMNS[name][0], OF_EXPERTS)]
    assert set(PRINTED[name].titles) <= set(headings)
