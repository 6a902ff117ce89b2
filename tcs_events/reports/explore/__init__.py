"""Explore: the events of one type, split by the values of a property."""

from tcs_events.reports.explore.answer import EXPLORE_COLUMNS, Explored, ExploreRow, explore
from tcs_events.reports.explore.properties import (
    PROPERTY_COLUMNS,
    Property,
    measures_of,
    properties,
)
from tcs_events.reports.explore.values import number_text

__all__ = [
    "EXPLORE_COLUMNS",
    "PROPERTY_COLUMNS",
    "ExploreRow",
    "Explored",
    "Property",
    "explore",
    "measures_of",
    "number_text",
    "properties",
]
