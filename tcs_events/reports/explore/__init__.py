"""Explore: the events of one type, split by the values of a property."""

from tcs_events.reports.explore.answer import EXPLORE_COLUMNS, Explored, ExploreRow, explore

__all__ = ["EXPLORE_COLUMNS", "ExploreRow", "Explored", "explore"]
