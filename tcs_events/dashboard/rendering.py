"""Turns templates into pages, apart from the host's Jinja.

With an environment of our own, whatever the host has changed of its own (a filter, a loader,
autoescape switched off) changes nothing here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Response, url_for
from jinja2 import Environment, PackageLoader, StrictUndefined

from tcs_events.dashboard.asked import PERIODS, Asked
from tcs_events.dashboard.formats import FORMATS
from tcs_events.dashboard.mount import names_of_the_place
from tcs_events.dashboard.page import Page
from tcs_events.dashboard.pages import PAGES
from tcs_events.dashboard.tables import Table

templates = Environment(
    loader=PackageLoader("tcs_events.dashboard", "templates/tcs_events"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
templates.filters.update(FORMATS)


class Links:
    """The addresses of a page's links: they keep the period, and change what they are told to."""

    def __init__(self, asked: Asked | None) -> None:
        self._period = asked.period_args if asked else {}
        self._args = asked.args if asked else None
        self._place = names_of_the_place()

    def page(self, name: str, **params: object) -> str:
        """Return the address of a page."""
        return self._url(name, **self._with(params))

    def here(self, page: Page, **params: object) -> str:
        """Return the address of the same page, with all it was asked."""
        return self.page(page.name, **{**self.kept(page.keeps), **params})

    def json(self, page: Page) -> str:
        """Return the address of the same answer as JSON."""
        return self._url("as_json", question=page.name, **self._with(self.kept(page.keeps)))

    def table(self, table: Table, **params: object) -> str:
        """Return the address of a whole table."""
        kept = {**self.kept(table.keeps), **params}
        return self._url("as_table", name=table.name, **self._with(kept))

    def csv(self, table: Table) -> str:
        """Return the address of a table as a CSV file."""
        return self._url("as_csv", name=table.name, **self._with(self.kept(table.keeps)))

    def static(self, filename: str) -> str:
        """Return the address of a file of ours."""
        return self._url("static", filename=filename)

    def _url(self, endpoint: str, **values: Any) -> str:
        return url_for(f".{endpoint}", **self._place, **values)

    def kept(self, names: tuple[str, ...]) -> dict[str, Any]:
        """Return the parameters of the current address that are named."""
        if self._args is None:
            return {}
        found = {name: [text for text in self._args.getlist(name) if text] for name in names}
        return {name: texts for name, texts in found.items() if texts}

    def _with(self, params: Mapping[str, object]) -> dict[str, Any]:
        # A period in `params` takes the place of the current one; None takes a parameter away.
        is_moved = "days" in params or "from" in params
        together = params if is_moved else {**self._period, **params}
        return {name: value for name, value in together.items() if value not in (None, "", [])}


def render(
    template: str, asked: Asked | None = None, status: int = 200, **context: object
) -> Response:
    """Return a page."""
    html = templates.get_template(template).render(
        asked=asked,
        links=Links(asked),
        pages=PAGES.values(),
        periods=PERIODS,
        **{"page": None, "today": asked.reports.last_days(1).last if asked else None, **context},
    )
    # Half of a surrogate pair, which a host may have stored itself, has no place in UTF-8.
    return Response(html.encode("utf-8", "replace"), status, mimetype="text/html")
