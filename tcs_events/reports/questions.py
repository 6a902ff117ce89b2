"""All questions about one database, asked with an engine alone."""

from __future__ import annotations

from datetime import UTC, date, datetime

from sqlalchemy import Engine

from tcs_events.counts.days import date_in
from tcs_events.counts.refresh import Refresher
from tcs_events.database.schemas import place_tables
from tcs_events.errors import ConfigError
from tcs_events.reports.activity import activity, first_day, total_activity
from tcs_events.reports.dead_ends import dead_end_combinations, dead_end_values
from tcs_events.reports.explore import explore, properties
from tcs_events.reports.exposure import exposure
from tcs_events.reports.funnel import funnel
from tcs_events.reports.gaps import unmet_demand
from tcs_events.reports.live import latest_refused, latest_visitors, live
from tcs_events.reports.paths import paths
from tcs_events.reports.period import Period, days_until
from tcs_events.reports.reading import Reading, RunSelect
from tcs_events.reports.retention import retention
from tcs_events.reports.saved_funnels import delete_funnel, save_funnel, saved_funnels
from tcs_events.reports.timeline import person_timeline, session_timeline, user_timeline
from tcs_events.reports.top import top_experts, top_filters, top_queries
from tcs_events.reports.visitors import visitors
from tcs_events.settings import Settings, read_settings


class Reports(Reading):
    """The questions of `tcs_events.reports`, asked of one database: no app and no context needed.

        from tcs_events.reports import Reports

        reports = Reports(create_engine("sqlite:///app.db"), timezone="Europe/Berlin")
        for gap in reports.unmet_demand(reports.last_days(30), limit=10):
            print(gap.query, gap.not_available)

    Its methods are the functions of `tcs_events.reports`, with the same arguments and answers. A
    query given as a catalogue runs on `engine`. Several threads may ask at once.

    Args:
        engine: of the database that holds the events.
        settings: those of the web app, instead of a time zone.
        timezone: the `TCS_EVENTS_TIMEZONE` of the web app. With another one, all days would be
            counted again. The other settings have their defaults then.
        event_types: the `TCS_EVENTS_EVENT_TYPES` of the web app, if it declares its own. Their
            roles, `break_down` and `add_up` decide what is counted: with others, all days would be
            counted again.
        schema: the schema of the events, if the web app's tables are not in the default one. The
            engine then looks for our tables there, for `UserEvent`, too.

    Raises:
        ConfigError: neither is given, or both are; or there is no such time zone.
    """

    def __init__(
        self,
        engine: Engine,
        settings: Settings | None = None,
        *,
        timezone: str | None = None,
        event_types: object = None,
        schema: str | None = None,
        refresher: Refresher | None = None,
        run_select: RunSelect | None = None,
    ) -> None:
        if (settings is None) == (timezone is None):
            raise ConfigError(
                "Reports need the time zone of your web app, or its settings, and not both:"
                ' Reports(engine, timezone="UTC").'
            )
        if settings is None:
            given = {"timezone": timezone, "event_types": event_types}
            settings = read_settings({}, {name: it for name, it in given.items() if it is not None})
        place_tables(engine, schema or settings.schema)
        super().__init__(engine, settings, refresher, run_select)

    def last_days(self, days: int, today: date | None = None) -> Period:
        """Return the last `days` days, today included.

        Raises:
            ValueError: `days` is not 1 to 3660.
        """
        return days_until(today or date_in(self.zone, datetime.now(UTC)), days)

    activity = activity
    dead_end_combinations = dead_end_combinations
    dead_end_values = dead_end_values
    explore = explore
    delete_funnel = delete_funnel
    exposure = exposure
    first_day = first_day
    funnel = funnel
    latest_refused = latest_refused
    latest_visitors = latest_visitors
    live = live
    paths = paths
    person_timeline = person_timeline
    properties = properties
    retention = retention
    save_funnel = save_funnel
    saved_funnels = saved_funnels
    session_timeline = session_timeline
    top_experts = top_experts
    top_filters = top_filters
    top_items = top_experts
    top_queries = top_queries
    total_activity = total_activity
    unmet_demand = unmet_demand
    user_timeline = user_timeline
    visitors = visitors
