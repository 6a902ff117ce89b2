"""Renders the pages in a Jinja environment of our own.

The host may have changed its environment: a filter, a loader, autoescape switched off. None of
that reaches the dashboard.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Response, url_for

from tcs_events.dashboard.asked import EXACT, PERIOD_NAMES, PERIODS, Asked
from tcs_events.dashboard.filters import KINDS, NO_FILTERS, OPERATOR_WORDS, WHO_WORDS, Kind
from tcs_events.dashboard.formats import FORMATS
from tcs_events.dashboard.mount import names_of_the_place
from tcs_events.dashboard.page import GROUPS, Group, Page
from tcs_events.dashboard.pages import PAGES
from tcs_events.dashboard.table import Table
from tcs_events.event_types.words import Words
from tcs_events.export.json_text import RENAMED, json_text
from tcs_events.faces.own_templates import own_templates

templates = own_templates("tcs_events.dashboard", "templates/tcs_events")
templates.filters.update(FORMATS)


class Links:
    """Builds the URLs of a page's links. They keep the period and filters unless told otherwise."""

    def __init__(self, asked: Asked | None) -> None:
        self.asked = asked
        self._period = asked.period_args if asked else {}
        self._filters = asked.filters if asked else NO_FILTERS
        self._args = asked.args if asked else None
        self._place = names_of_the_place()

    def page(self, name: str, **params: object) -> str:
        """Return the URL of a page."""
        return self._url(name, **self._with(params))

    def here(self, page: Page, **params: object) -> str:
        """Return the URL of the same page with the same parameters, changed by `params`."""
        return self.page(page.name, **{**self.kept(page.keeps), **params})

    def json(self, page: Page) -> str:
        """Return the URL of the same answer as JSON."""
        kept = {**self._only(page.filters), **self.kept((*page.keeps, EXACT))}
        return self._url("as_json", question=page.name, **self._with(kept))

    def table(self, table: Table, **params: object) -> str:
        """Return the URL of a whole table."""
        kept = {**self.kept(table.keeps), **params}
        return self._url("as_table", name=table.name, **self._with(kept))

    def csv(self, table: Table) -> str:
        """Return the URL of a table as a CSV file."""
        kept = {**self._only(table.filters), **self.kept(table.keeps)}
        return self._url("as_csv", name=table.name, **self._with(kept))

    def fields(self, keeps: tuple[str, ...] = (), *leave_out: str) -> list[tuple[str, str]]:
        """Return what a form must send along, as hidden fields, to keep the period and filters.

        Args:
            keeps: further parameters to keep.
            leave_out: the parameters that the form itself has fields for.
        """
        args = {**self._period, **self._filters.args, **self.kept(keeps)}
        return [
            (name, str(text))
            for name, value in args.items()
            if name not in leave_out
            for text in (value if isinstance(value, list) else [value])
        ]

    def static(self, filename: str) -> str:
        """Return the URL of a static file of the dashboard."""
        return self._url("static", filename=filename)

    def _url(self, endpoint: str, **values: Any) -> str:
        return url_for(f".{endpoint}", **self._place, **values)

    def kept(self, names: tuple[str, ...]) -> dict[str, Any]:
        """Return the current values of these parameters, without empty ones."""
        if self._args is None:
            return {}
        values = {name: [text for text in self._args.getlist(name) if text] for name in names}
        return {name: texts for name, texts in values.items() if texts}

    def _only(self, kinds: tuple[Kind, ...]) -> dict[str, object]:
        """Return all filters, those of other kinds as None: a file has no room to say so."""
        return {**dict.fromkeys(KINDS), **self._filters.args_of(kinds)}

    def _with(self, params: Mapping[str, object]) -> dict[str, Any]:
        # A period in `params` replaces the current one; None removes a parameter.
        has_period = any(name in params for name in PERIOD_NAMES)
        values = {**({} if has_period else self._period), **self._filters.args, **params}
        return {name: value for name, value in values.items() if value not in (None, "", [])}


def _menu(asked: Asked | None) -> list[tuple[Group, list[Page]]]:
    """Return the pages that a host has, by the part of the navigation that they are in."""
    pages = [page for page in PAGES.values() if asked is None or asked.has(*page.roles)]
    groups = ((group, [page for page in pages if page.group == group]) for group in GROUPS)
    return [(group, pages) for group, pages in groups if pages]


def render(
    template: str, asked: Asked | None = None, status: int = 200, **context: object
) -> Response:
    """Return a page."""
    html = templates.get_template(template).render(
        asked=asked,
        links=Links(asked),
        menu=_menu(asked),
        words=asked.words if asked else Words(),
        periods=PERIODS,
        operators=OPERATOR_WORDS,
        who_words=WHO_WORDS,
        **{"page": None, **context},
    )
    # A host may have stored half of a surrogate pair, which UTF-8 cannot encode.
    return Response(html.encode("utf-8", "replace"), status, mimetype="text/html")


def json_response(value: object, status: int = 200, words: Words | None = None) -> Response:
    """Return an answer as JSON in ASCII, with the names that programs of the host read."""
    renamed = RENAMED if words is None else {**RENAMED, **words.renamed}
    text = json_text(value, is_ascii=True, renamed=renamed)
    return Response(text + "\n", status, mimetype="application/json")
