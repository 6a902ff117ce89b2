"""The dashboard's blueprint: the reports as pages, tables, CSV and JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial

import sqlalchemy as sa
from flask import Blueprint, Response, request
from flask.blueprints import BlueprintSetupState

from tcs_events.dashboard.asked import (
    EXACT,
    MAX_PAGE,
    PERIOD_NAMES,
    Asked,
    BadParameter,
    ask,
)
from tcs_events.dashboard.filters import ADDED, KINDS, properties_of
from tcs_events.dashboard.guard import (
    Access,
    ask_access,
    check_access_rule,
    demand_events_blueprint,
    protect,
)
from tcs_events.dashboard.mount import MountedAnywhere, own_names
from tcs_events.dashboard.page import Answers, Page
from tcs_events.dashboard.pages import PAGES, TABLES
from tcs_events.dashboard.rendering import Links, json_response, render
from tcs_events.dashboard.table import MAX_ROWS, Table, csv_bytes
from tcs_events.dashboard.troubles import NoSuchPage, in_words, method_not_allowed, not_found
from tcs_events.errors import ConfigError
from tcs_events.host.reports import current_reports
from tcs_events.reports.exposure import Catalogue

PAGE_EVENTS = 4_000
"""The most events that a page reads, and its JSON: of more, it shows an estimate at once, with a
link to count exactly. They take a fifth of a second."""
ASK_AGAIN_SECONDS = 2
"""When a page whose counts are still being made loads itself again."""
UNKNOWN_NAMED, UNKNOWN_MAX_LENGTH = 5, 60
"""How many unknown parameters a notice names, and how much of each: a link may hold thousands."""
JSON_ROWS, JSON_MAX_ROWS = 100, 1000
"""The rows of a JSON answer, by default and at most."""
OLD_AFTER = timedelta(minutes=3)
"""A page says so when its counts are older: nothing refreshes them, or counting takes long."""
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]
"""For a method that a route does not list, Flask answers 405 before the access rule is asked."""


def create_dashboard(
    access: Access,
    *,
    catalogue: Catalogue | None = None,
    name: str = "tcs_events_dashboard",
    url_prefix: str = "/insights",
) -> Blueprint:
    """Return the dashboard's blueprint, to register next to `events_bp`.

    Args:
        access: decides who may read the dashboard. It is called without arguments on every
            request, before anything else, also for files, JSON and CSV. True lets the request in.
            A falsy value, such as False or None, is answered with 403. A response, such as a
            redirect to the login, is sent as it is. An exception, such as that of `abort(401)`, is
            raised.
        catalogue: the ids of all items, or a query for them: `select(Room.id)`. With it the pages
            also list items that no event mentions.
        name: the blueprint's name.
        url_prefix: where the pages are, unless `register_blueprint` says otherwise. It may have
            variables: `/<lang>/insights`.

    Raises:
        ConfigError: `access` is not callable, or `catalogue` is a string. At registration: there
            is neither a prefix nor a subdomain. During a request: `events_bp` is not registered,
            or `access` returned something that is none of the above.
    """
    check_access_rule(access)
    ids = _catalogue(catalogue)
    blueprint = MountedAnywhere(
        name,
        __name__,
        url_prefix=url_prefix,
        static_folder="static",
        static_url_path="/static",
    )
    blueprint.record(_check_place)
    blueprint.before_request(lambda: ask_access(access))
    blueprint.before_request(demand_events_blueprint)
    blueprint.after_request(protect)

    def add(
        path: str, endpoint: str, view: Callable[..., Response], *, is_page: bool = False
    ) -> None:
        def answer(**names: str) -> Response:
            def answer_in_time() -> Response:
                is_quick = is_page and request.args.get(EXACT) != "yes"
                reports = current_reports().for_one_answer(PAGE_EVENTS if is_quick else None)
                return view(ask(request.args, reports, ids), **own_names(names))

            return in_words(answer_in_time)

        blueprint.add_url_rule(path, endpoint, answer, strict_slashes=False)

    for page in PAGES.values():
        add(page.path, page.name, partial(_show_page, page), is_page=True)
    add("/api/<question>.json", "as_json", _show_json, is_page=True)
    add("/tables/<name>", "as_table", _show_table)
    add("/csv/<name>.csv", "as_csv", _show_csv)
    # Every other path below the prefix is ours too, so that the access rule runs first: a stranger
    # cannot tell which pages exist.
    for path in ("/", "/<path:path>"):
        blueprint.add_url_rule(path, "nothing", _nothing, methods=METHODS, strict_slashes=False)
    return blueprint


def _catalogue(catalogue: Catalogue | None) -> Catalogue | None:
    if isinstance(catalogue, str) or not isinstance(catalogue, sa.Select | Iterable | None):
        raise ConfigError(
            "The catalogue of create_dashboard must be the ids of all items, or a query for them:"
            f" catalogue=select(Room.id), not {catalogue!r}."
        )
    # A generator would be used up by the first request.
    return catalogue if catalogue is None or isinstance(catalogue, sa.Select) else [*catalogue]


def _check_place(state: BlueprintSetupState) -> None:
    if not (state.url_prefix or "").strip("/") and not state.subdomain:
        raise ConfigError(
            "The dashboard needs a prefix or a subdomain of its own; without one it would answer"
            " every address that your app does not have. Write"
            " create_dashboard(access, url_prefix='/insights')."
        )


def _show_page(page: Page, asked: Asked) -> Response:
    if not asked.has(*page.roles):
        return not_found()
    typed = page.typed(asked)
    if typed is not None or any(name in asked.args for name in ADDED):
        # A form has added something. The address says it as all others do, to be shared.
        location = Links(asked).here(page, **(typed or {}))
        return Response(status=302, headers={"Location": location})
    page, asked = page.worded(asked), page.completed(asked)
    answer = page.answer(asked, page.rows + 1)  # one more than shown: is there a next page?
    response = render(
        f"{page.name}.html",
        asked,
        page=page,
        answer=answer,
        shown={
            table.name: table.worded(asked.words).of(answer[table.name], size=page.rows)
            for table in page.tables
            if isinstance(answer.get(table.name), list)
        },
        zone=asked.reports.zone.key,
        old=_old(page, asked, answer),
        unknown=_unknown(asked, [*page.keeps, *KINDS]),
        properties=properties_of(
            asked.reports.settings.event_types, asked.filters.type_of_conditions
        ),
        **page.show(asked, answer),
    )
    if not page.is_done(answer):
        response.headers["Refresh"] = str(ASK_AGAIN_SECONDS)
    return response


def _show_json(asked: Asked, question: str) -> Response:
    pages = {name: page for name, page in PAGES.items() if asked.has(*page.roles)}
    if (page := pages.get(question)) is None:
        raise NoSuchPage("question", list(pages))
    _refuse_unknown(asked, [*page.keeps, "limit", *page.filters])
    asked = page.completed(asked)
    words = asked.words
    answer = page.answer(asked, asked.number("limit", JSON_ROWS, JSON_MAX_ROWS))
    return json_response(
        {
            "question": page.name,
            "period": asked.period if page.has_period else None,
            "timezone": asked.reports.zone.key,
            "counted_at": _counted_at(page, asked, answer),
            "answer": {
                words.name(name): rows for name, rows in answer.items() if name != "counted_at"
            },
        },
        words=words,
    )


def _unknown(asked: Asked, names: Sequence[str]) -> dict[str, list[str]] | None:
    """Return the unknown parameters in the URL, and the known ones; None if none is unknown."""
    known = [*names, *PERIOD_NAMES]
    unknown = [name[:UNKNOWN_MAX_LENGTH] for name in asked.unknown([*known, EXACT])[:UNKNOWN_NAMED]]
    return {"names": unknown, "known": known} if unknown else None


def _refuse_unknown(asked: Asked, names: Sequence[str]) -> None:
    """Refuse unknown parameters for JSON and CSV. A page has room for a notice; a file has not.

    Raises:
        BadParameter: the URL has an unknown parameter.
    """
    if unknown := _unknown(asked, names):
        raise BadParameter(
            f"There is no parameter “{unknown['names'][0]}” here. The parameters are"
            f" {', '.join(unknown['known'])}."
        )


def _counted_at(page: Page, asked: Asked, answer: Answers) -> datetime | None:
    """Return the time up to which the counts are complete; None if the events were read."""
    at: datetime | None = answer.get("counted_at")
    return at if page.reads_events(asked) else asked.reports.counted_at()


def _old(page: Page, asked: Asked, answer: Answers) -> datetime | None:
    """Return when the counts were last complete if they are older than `OLD_AFTER`, else None."""
    at = _counted_at(page, asked, answer)
    if at is None or datetime.now(UTC) - at <= OLD_AFTER:
        return None
    return at.astimezone(asked.reports.zone)


def _find_table(asked: Asked, name: str) -> tuple[Page, Table, Asked]:
    words = asked.words
    tables = {
        words.name(known): (page, table)
        for known, (page, table) in TABLES.items()
        if asked.has(*page.roles) and asked.has(*table.roles)
    }
    found = tables.get(words.name(name))
    if found is None:
        raise NoSuchPage("table", list(tables))
    page, table = found
    return page.worded(asked), table.worded(words), page.completed(asked)


def _show_table(asked: Asked, name: str) -> Response:
    page, table, asked = _find_table(asked, name)
    number = asked.number("page", 1, MAX_PAGE)
    return render(
        "table.html",
        asked,
        page=page,
        table=table,
        shown=table.page(asked, number),
        number=number,
        max_page=MAX_PAGE,
        max_rows=MAX_ROWS,
        old=_old(page, asked, {}),
        unknown=_unknown(asked, [*table.keeps, "page", *KINDS]),
        zone=asked.reports.zone.key,
    )


def _show_csv(asked: Asked, name: str) -> Response:
    page, table, asked = _find_table(asked, name)
    _refuse_unknown(asked, [*table.keeps, *table.filters])
    data = csv_bytes(table.columns, table.rows(asked, MAX_ROWS))
    response = Response(data, mimetype="text/csv")
    period = f"-{asked.period.first}-{asked.period.last}" if page.has_period else ""
    response.headers["Content-Disposition"] = f'attachment; filename="{table.name}{period}.csv"'
    return response


def _nothing(**names: str) -> Response:
    if request.method not in ("GET", "HEAD"):
        return method_not_allowed()
    return not_found()
