"""The tables of the counts. Days are in `TCS_EVENTS_TIMEZONE`, and a session counts once a day.

The tables in `COUNTS` have one row for each thing that was counted on a day. The rows of a day are
replaced together, or changed together by what is new. The tables in `SPANNED` also have the
sums of whole weeks and months: `unit` says which, and `day` is the first day.
"""

from __future__ import annotations

import sqlalchemy as sa

from tcs_events.event import SESSION_ID_MAX_LENGTH
from tcs_events.models import ExactWhole, UtcDateTime, own_metadata, row_number, uuid_type
from tcs_events.settings import EVENT_TYPE_MAX_LENGTH

NAME_MAX_LENGTH = 200
"""Longer names are cut: indexes have a limit, and pages show no more."""
VALUE_MAX_LENGTH = 300
"""The most characters of a value of a declared property, as ASCII JSON."""


def _counts(name: str, *columns: sa.Column[object] | sa.Index) -> sa.Table:
    return sa.Table(
        name,
        own_metadata,
        sa.Column("id", row_number, primary_key=True),
        sa.Column("day", sa.Date(), nullable=False, index=True),
        *columns,
    )


def _spanned(name: str, *columns: sa.Column[object] | sa.Index) -> sa.Table:
    return sa.Table(
        name,
        own_metadata,
        sa.Column("id", row_number, primary_key=True),
        sa.Column("unit", sa.String(5), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        *columns,
        sa.Index(f"ix_{name}_unit_day", "unit", "day"),
    )


def _text(name: str, length: int = NAME_MAX_LENGTH) -> sa.Column[object]:
    return sa.Column(name, sa.String(length), nullable=False)


def _sample() -> sa.Column[object]:
    """Return a column that is always empty.

    An earlier version stored a spelling of the query in it, and the tables of hosts still have it.
    """
    return sa.Column("sample", sa.String(NAME_MAX_LENGTH), nullable=False, default="")


def _count(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.Integer(), nullable=False)


def _of_funnels(name: str, *indexes: sa.Index) -> sa.Table:
    funnel_id: sa.Column[object] = sa.Column("funnel_id", row_number, nullable=False)
    return _counts(name, funnel_id, _count("step"), _count("sessions"), *indexes)


state = sa.Table(
    "user_event_rollup_state",
    own_metadata,
    sa.Column("id", sa.Integer(), primary_key=True, autoincrement=False),
    sa.Column("version", sa.Integer(), nullable=False),
    sa.Column("zone", sa.String(64), nullable=False),
    sa.Column("safe_id", sa.BigInteger(), nullable=False),
    sa.Column("seen_id", sa.BigInteger(), nullable=False),
    sa.Column("seen_at", UtcDateTime(), nullable=False),
    sa.Column("lease_until", UtcDateTime(), nullable=False),
    sa.Column("lease_holder", uuid_type(), nullable=True),
    sa.Column("counting", sa.Date(), nullable=True),
    sa.Column("refreshed_at", UtcDateTime(), nullable=True),
)
"""One row with the progress of counting.

- `version`, `zone`: the configuration of the counts. A version of 0 means that there are none.
- `safe_id`: events up to this id are counted, except those of `open_transactions`.
- `seen_id`, `seen_at`: the newest event of an earlier refresh, and when it was the newest.
- `lease_holder`, `lease_until`: the refresh that is running, and until when no other may begin.
- `counting`: the day that it counts. A process that deletes events of this day sets it to null, so
  that what was read before is not stored.
- `refreshed_at`: the time up to which the counts are complete.
"""

configurations = sa.Table(
    "user_event_rollup_configurations",
    own_metadata,
    sa.Column("version", sa.Integer(), primary_key=True, autoincrement=False),
    sa.Column("zone", sa.String(64), primary_key=True),
    sa.Column("number", sa.Integer(), nullable=False),
    sa.Column("seen_at", UtcDateTime(), nullable=False),
    sa.Column("takeovers", sa.Integer(), nullable=False),
)
"""Each version and time zone that a process has had, and when it was last noted.

Newer ones have a larger `number`. `takeovers` is how often everything was counted again with it
after another one was in use.
"""

open_transactions = sa.Table(
    "user_event_rollup_open_transactions",
    own_metadata,
    sa.Column("xid", sa.BigInteger(), primary_key=True, autoincrement=False),
    sa.Column("above_id", sa.BigInteger(), nullable=False),
)
"""PostgreSQL transactions that were open at the last refresh. Their events have ids larger than
`above_id`. They are looked for after the transaction has ended."""

days = sa.Table(
    "user_event_rollup_days",
    own_metadata,
    sa.Column("day", sa.Date(), primary_key=True),
    sa.Column("events", sa.Integer(), nullable=False),
    sa.Column("is_stale", sa.Boolean(), nullable=False),
    sa.Column("is_retention_stale", sa.Boolean(), nullable=False),
)
"""The counted days.

A day is stale if events of it were deleted: then it must be counted again. If only its retention is
stale, only that must be counted again: the first day of some of its visitors has changed.
"""

checks = sa.Table(
    "user_event_rollup_checks",
    own_metadata,
    sa.Column("day", sa.Date(), primary_key=True),
    sa.Column("events", sa.BigInteger(), nullable=False),
    sa.Column("checksum", sa.BigInteger(), nullable=False),
    sa.Column("is_crossing_stale", sa.Boolean(), nullable=False),
)
"""The number and the checksum of a day's events when it was counted. `audit` compares them.

If `is_crossing_stale`, the funnel steps that were taken after the day must be counted again.
"""

day_versions = sa.Table(
    "user_event_day_versions",
    own_metadata,
    sa.Column("day", sa.Date(), primary_key=True),
    sa.Column("version", sa.BigInteger(), nullable=False),
    sa.Column("events", sa.BigInteger(), nullable=False),
    sa.Column("checksum", sa.BigInteger(), nullable=False),
)
"""The days that are kept as files, the version of the day that the files have, and its check then.

Whatever deletes events of a day deletes its row, and whatever counts new events changes the check
of the day, in the same transaction. So files of another version, of a day without a row, and of one
with another check are never read. The versions are random, and the same on all machines.
"""

sessions = sa.Table(
    "user_event_rollup_sessions",
    own_metadata,
    sa.Column("id", row_number, primary_key=True),
    _text("session_id", SESSION_ID_MAX_LENGTH),
    sa.Column("day", sa.Date(), nullable=False, index=True),
    sa.Column("events", sa.BigInteger(), nullable=False),
    sa.Column("last_id", sa.BigInteger(), nullable=False),
    sa.Column("checksum", sa.BigInteger(), nullable=False),
    sa.Index("ix_user_event_rollup_sessions_session_id_day", "session_id", "day"),
)
"""Which events of a session were counted on a day: their number, their largest id, a checksum."""

spans = sa.Table(
    "user_event_rollup_spans",
    own_metadata,
    sa.Column("unit", sa.String(5), primary_key=True),
    sa.Column("starts_on", sa.Date(), primary_key=True),
)
"""The weeks and months whose sums are stored: `unit` is "week" or "month"."""

activity = _counts(
    "user_event_daily_activity",
    sa.Column("starts_at", UtcDateTime(), nullable=True),
    _text("event_type", EVENT_TYPE_MAX_LENGTH),
    _count("events"),
    _count("sessions"),
)
"""Events and sessions by event type, for each hour that begins at `starts_at`.

If `starts_at` is null, the row is for the whole day. The event type "" stands for all types
together, so that a session that sends two types counts once.
"""

uses = _spanned(
    "user_event_daily_uses",
    _text("kind", 16),
    _text("name"),
    _text("detail"),
    _sample(),
    _count("events"),
    _count("sessions"),
    # Some kinds have a few rows a day, others have one for each query. The index finds the few.
    sa.Index("ix_user_event_daily_uses_unit_kind_day", "unit", "kind", "day"),
)
"""How often something was used. `name` and `detail` depend on `kind`:

- `click`: `name` is the item, `detail` is empty.
- `click_in`: `name` is the item, `detail` is the context of the click.
- `query`: `name` is the normalised query. `detail` is the spelling that the visitor has typed most
  often, or empty if that is the normalised query. Each visit is in one row, so the visits of a
  query are the sum over its spellings.
- `filter`: `name` is the filter, `detail` is its value as JSON.
- `dead_filter`: like `filter`, but only changes after which no results were left.
- `combination`: `name` is all active filters as JSON, `detail` is empty.
- `dead_combination`: like `combination`, but only changes after which no results were left.
"""

demand = _spanned(
    "user_event_daily_demand",
    _text("query"),
    _sample(),
    _count("sessions"),
    _count("no_result"),
    _count("no_result_filtered"),
    _count("found_unfiltered"),
    _count("no_click"),
    _count("reformulated"),
)
"""What became of a query, in sessions: `facts.Demand` says what each count means."""

exposure = _spanned(
    "user_event_daily_exposure",
    _text("expert_id"),
    _count("position"),
    _count("exposed"),
    _count("seen"),
    _count("clicked"),
)
"""How often an item was shown, in sessions, by the best position in the session.

Position 0 means that no query returned the item: it was only seen or clicked.
"""

properties = _counts(
    "user_event_daily_properties",
    _text("event_type", EVENT_TYPE_MAX_LENGTH),
    _text("property"),
    _text("value", VALUE_MAX_LENGTH),
    _text("added"),
    _count("events"),
    sa.Column("total", ExactWhole(), nullable=False),
    sa.Index("ix_user_event_daily_properties_event_type", "event_type", "property", "day"),
)
"""The events of each type by the value of each property that it declares as `break_down`.

- `property`, `value`: the value is JSON, "null" if the property is missing. The property "", with
  the value "", stands for all events of the type.
- `added`: "" counts all events with the value. A property that is declared as `add_up` counts those
  with a number in it, and `total` is the sum of the numbers in units of 1/2^80, as text.

If a day has too many different values of a property, or one that is too long or too large, a row
with the value "uncounted" takes the place of all its values. Such a row with the property "" has
the number of events whose number in `added` is not in the sums.
"""

visits = sa.Table(
    "user_event_visits",
    own_metadata,
    sa.Column("id", row_number, primary_key=True),
    _text("session_id", SESSION_ID_MAX_LENGTH),
    sa.Column("day", sa.Date(), nullable=False, index=True),
    _text("event_type", EVENT_TYPE_MAX_LENGTH),
    # Each visit is stored once, because one process at a time writes the differences. The index is
    # not unique, because some collations treat different session ids as equal.
    sa.Index("ix_user_event_visits_session_id_day", "session_id", "day", "event_type"),
)
"""The sessions of each day, and the types of the events that they sent."""

sampled_visits = sa.Table(
    "user_event_sampled_visits",
    own_metadata,
    sa.Column("id", row_number, primary_key=True),
    _text("session_id", SESSION_ID_MAX_LENGTH),
    sa.Column("day", sa.Date(), nullable=False),
    _text("event_type", EVENT_TYPE_MAX_LENGTH),
    _count("halvings"),
    sa.Index("ix_user_event_sampled_visits_session_id", "session_id", "day"),
    sa.Index(
        "ix_user_event_sampled_visits_event_type", "event_type", "halvings", "day", "session_id"
    ),
)
"""The visits of one in 8 visitors, for estimates. `halvings` is with how many bits 0 the MD5 of the
session id begins: it is at least 3."""

retention = _counts(
    "user_event_daily_retention",
    sa.Column("unit", sa.String(5), nullable=False),
    sa.Column("cohort", sa.Date(), nullable=False),
    _text("event_type", EVENT_TYPE_MAX_LENGTH),
    _count("sessions"),
    sa.Index("ix_user_event_daily_retention_unit_event_type_day", "unit", "event_type", "day"),
)
"""The sessions of each day, by their first day (`cohort`). The event type "" stands for any type.

- `unit` "day": sessions that sent the type on the day. `cohort` is their first day, at most 31 days
  before.
- `unit` "week": sessions that sent the type on the day for the first time in the week. `cohort` is
  the Monday of the week of their first day. So the days of a week can be added up.
"""

visitors = sa.Table(
    "user_event_daily_visitors",
    own_metadata,
    sa.Column("id", row_number, primary_key=True),
    sa.Column("unit", sa.String(5), nullable=False),
    sa.Column("day", sa.Date(), nullable=False),
    _text("event_type", EVENT_TYPE_MAX_LENGTH),
    sa.Column("is_first", sa.Boolean(), nullable=False),
    sa.Column("since", sa.Date(), nullable=False),
    _count("visitors"),
    # Both with all columns that are read: a year took SQLite 44 ms without, 18 ms with them.
    sa.Index(
        "ix_user_event_daily_visitors_unit_day",
        *("unit", "day", "event_type", "is_first", "since", "visitors"),
    ),
    # For the new visitors of each day: of all types together, that is one row a day.
    sa.Index(
        "ix_user_event_daily_visitors_event_type",
        *("event_type", "is_first", "unit", "day", "since", "visitors"),
    ),
)
"""The visitors of each day, week and month, by when they were there before.

The event type "" stands for any type. `unit` is "day", "week" or "month", and `day` its first day.

- `is_first`: whether it is the visitor's first visit with the event type.
- `since`: the day of the visit before with the type. If there is none, the day of the visitor's
  first visit with any type; the first day of the week or month if that visit is in it.

The visitors of a period are the rows in it that are first or have a `since` before the period.
"""

funnels = sa.Table(
    "user_event_funnels",
    own_metadata,
    sa.Column("id", row_number, primary_key=True),
    # The SHA-256 of the definition, which itself is too long for a unique index.
    sa.Column("digest", sa.String(64), nullable=False, unique=True),
    sa.Column("definition", sa.Text(), nullable=False),
    sa.Column("asked_at", UtcDateTime(), nullable=False),
)
"""The stored funnels: their steps as JSON, and when they were last asked for."""

SAVED_NAME_MAX_LENGTH = 100

saved_funnels = sa.Table(
    "user_event_saved_funnels",
    own_metadata,
    sa.Column("id", row_number, primary_key=True),
    sa.Column("name", sa.String(SAVED_NAME_MAX_LENGTH), nullable=False, unique=True),
    sa.Column("definition", sa.Text(), nullable=False),
    sa.Column("saved_at", UtcDateTime(), nullable=False),
)
"""The funnels that somebody has saved by name. The definition is JSON. The last 20 over
days that count visitors, and are not broken down, are counted ahead, in `courses`."""

course_funnels = sa.Table(
    "user_event_course_funnels",
    own_metadata,
    sa.Column("id", row_number, primary_key=True),
    # The SHA-256 of the definition, which itself is too long for a unique index.
    sa.Column("digest", sa.String(64), nullable=False, unique=True),
    sa.Column("definition", sa.Text(), nullable=False),
    sa.Column("counted_from", sa.Date(), nullable=True),
)
"""The saved funnels over days whose courses are kept: their steps and the time allowed, as JSON.

The courses of first steps from the day `counted_from` on are in `courses`. It is null if there are
none yet, and 1899-01-01 if all days are counted.
"""

courses = sa.Table(
    "user_event_courses",
    own_metadata,
    sa.Column("id", row_number, primary_key=True),
    sa.Column("funnel_id", row_number, nullable=False),
    _text("session_id", SESSION_ID_MAX_LENGTH),
    sa.Column("day", sa.Date(), nullable=False),
    sa.Column("times", sa.Text(), nullable=False),
    sa.Index("ix_user_event_courses_funnel_id_day", "funnel_id", "day"),
    sa.Index("ix_user_event_courses_session_id", "session_id"),
)
"""How far each session came through a saved funnel from its first steps of a day.

Of several first steps on the day it is the one that got furthest, and of several that got as far,
the latest. `times` are the microseconds from it to each other step that was reached, separated by
spaces. A session and day without a first step have no row.
"""

changed_visits = sa.Table(
    "user_event_changed_visits",
    own_metadata,
    sa.Column("id", row_number, primary_key=True),
    _text("session_id", SESSION_ID_MAX_LENGTH),
    sa.Column("day", sa.Date(), nullable=False),
    sa.Index("ix_user_event_changed_visits_session_id", "session_id"),
)
"""Visits whose events have changed since the courses of their session were counted. A refresh notes
them with the counts of their day, and deletes them with the courses that it then counts."""

funnel_counts = _of_funnels(
    "user_event_daily_funnels",
    sa.Index("ix_user_event_daily_funnels_funnel_id_step_day", "funnel_id", "step", "day"),
)
"""The sessions that took each step of a funnel on a day. Steps are numbered from 0.

A day for which the funnel is counted has a row for each step, also for 0 sessions. Other days have
no rows. Steps that were taken after the day are in `funnel_crossings`.
"""

funnel_crossings = _of_funnels("user_event_daily_funnel_crossings")
"""The sessions that entered a funnel on a day, and took a step only after that day.

They are added to those of `funnel_counts`. There are no rows for 0 sessions.
"""

SPANNED = (uses, demand, exposure)
"""The tables that also have sums of weeks and months. Reports only add up their rows."""
COUNTS = (activity, properties, *SPANNED)
KEYS = ("kind", "name", "detail", "query", "expert_id", "position")
"""The columns of `SPANNED` that name what is counted. The other columns are counts."""
OF_EVENTS = (
    *COUNTS,
    spans,
    visits,
    sampled_visits,
    retention,
    visitors,
    funnel_counts,
    funnel_crossings,
    course_funnels,
    courses,
    changed_visits,
    sessions,
    checks,
    day_versions,
    days,
)
"""All tables that are counted from the events, and can be counted again."""
