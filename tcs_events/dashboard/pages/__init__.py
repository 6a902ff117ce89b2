"""The pages, in the order of the navigation. Each has a template of the same name."""

from __future__ import annotations

from tcs_events.dashboard.page import Page
from tcs_events.dashboard.pages import (
    activity,
    dead_ends,
    explore,
    exposure,
    funnel,
    gaps,
    live,
    overview,
    paths,
    retention,
    timeline,
    top,
)
from tcs_events.dashboard.table import Table

PAGES: dict[str, Page] = {
    module.page.name: module.page
    for module in (
        overview,
        live,
        activity,
        explore,
        top,
        gaps,
        exposure,
        dead_ends,
        funnel,
        paths,
        retention,
        timeline,
    )
}
TABLES: dict[str, tuple[Page, Table]] = {
    table.name: (page, table) for page in PAGES.values() for table in page.tables
}
"""Every table by name, with its page."""
