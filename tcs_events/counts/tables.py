"""The tables of counts. A day is a day of `TCS_EVENTS_TIMEZONE`; sessions count once a day.

The tables of `COUNTS` hold one row for each thing that was counted on a day. A day is replaced as a
whole, so that counting it again is always right. Those of `SPANNED` hold besides, under the first
day and another `unit`, the sums of whole weeks and months.
"""

from __future__ import annotations

import sqlalchemy as sa

from tcs_events.event import SESSION_ID_MAX_LENGTH
from tcs_events.models import UtcDateTime, own_metadata, row_number
from tcs_events.settings import EVENT_TYPE_MAX_LENGTH

NAME_MAX_LENGTH = 200
"""Longer names are cut: the database's index has a limit, and no page shows more."""


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
    """Return a column that is empty: it held a spelling of the query, and hosts' tables have it."""
    return sa.Column("sample", sa.String(NAME_MAX_LENGTH), nullable=False, default="")


def _count(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.Integer(), nullable=False)


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
    sa.Column("lease_holder", sa.Uuid(), nullable=True),
    sa.Column("counting", sa.Date(), nullable=True),
    sa.Column("refreshed_at", UtcDateTime(), nullable=True),
)
"""One row: how far the counting has come, in which zone, who is at it, and at which day.

Whoever deletes something of that day takes the day away: what was read of it is not to be kept.
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
"""Each version and time zone that a process has counted with, and when it was last there.

`number` puts them in the order in which they first came. `takeovers` is how often one has counted
everything after another one had.
"""

open_transactions = sa.Table(
    "user_event_rollup_open_transactions",
    own_metadata,
    sa.Column("xid", sa.BigInteger(), primary_key=True, autoincrement=False),
    sa.Column("above_id", sa.BigInteger(), nullable=False),
)
"""PostgreSQL's transactions that were open at the last refresh. Their events have larger ids than
`above_id`, and are looked for when the transaction has ended."""

days = sa.Table(
    "user_event_rollup_days",
    own_metadata,
    sa.Column("day", sa.Date(), primary_key=True),
    sa.Column("events", sa.Integer(), nullable=False),
    sa.Column("is_stale", sa.Boolean(), nullable=False),
    sa.Column("is_retention_stale", sa.Boolean(), nullable=False),
)
"""The days that are counted.

A stale one is to be counted again: something of it was deleted. Where its retention is stale, only
that is to be counted: of those who were there, some were first there on another day.
"""

checks = sa.Table(
    "user_event_rollup_checks",
    own_metadata,
    sa.Column("day", sa.Date(), primary_key=True),
    sa.Column("events", sa.BigInteger(), nullable=False),
    sa.Column("checksum", sa.BigInteger(), nullable=False),
    sa.Column("is_crossing_stale", sa.Boolean(), nullable=False),
)
"""What the index of the events said of a day when it was counted: `audit` compares it again.

Where `is_crossing_stale`, funnel steps that were taken after the day are to be counted again.
"""

spans = sa.Table(
    "user_event_rollup_spans",
    own_metadata,
    sa.Column("unit", sa.String(5), primary_key=True),
    sa.Column("starts_on", sa.Date(), primary_key=True),
)
"""The weeks ("week") and months ("month") that are summed up, by their first days."""

activity = _counts(
    "user_event_daily_activity",
    sa.Column("starts_at", UtcDateTime(), nullable=True),
    _text("event_type", EVENT_TYPE_MAX_LENGTH),
    _count("events"),
    _count("sessions"),
)
"""Events and sessions by type: of the whole day where `starts_at` is null, else of that hour.

The type "" stands for all types together: a session that sends two types is one session.
"""

uses = _spanned(
    "user_event_daily_uses",
    _text("kind", 16),
    _text("name"),
    _text("detail"),
    _sample(),
    _count("events"),
    _count("sessions"),
    # Of some kinds there are a few rows a day, of others one for each query that was asked.
    sa.Index("ix_user_event_daily_uses_unit_kind_day", "unit", "kind", "day"),
)
"""What was used how often. By `kind`:

`click`: `name` is the expert, `detail` is empty.
`click_in`: `name` is the expert, `detail` the context of the card.
`query`: `name` is the normalised text, `detail` the spelling that a visit has typed most often,
empty where that is the normalised text. Each visit is in one row, so that the visits of a query are
the sum over its spellings, and its commonest spelling is that of most visits.
`filter`: `name` is the filter, `detail` its value as JSON.
`dead_filter`, `dead_combination`: as `filter`, and all active filters as JSON in `name`; those
after which nothing was left.
`combination`: all active filters as JSON in `name`, whatever was left.
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
"""How often an expert was before visitors, in sessions, by the best position of the session.

Position 0: not returned by a query, only seen or clicked.
"""

visits = sa.Table(
    "user_event_visits",
    own_metadata,
    sa.Column("id", row_number, primary_key=True),
    _text("session_id", SESSION_ID_MAX_LENGTH),
    sa.Column("day", sa.Date(), nullable=False, index=True),
    _text("event_type", EVENT_TYPE_MAX_LENGTH),
    # Each is there once, for only the difference is written, by one at a time. The index is not
    # unique: some collations find two sessions the same that are not.
    sa.Index("ix_user_event_visits_session_id_day", "session_id", "day", "event_type"),
)
"""Who was there on which day, and what types of events they sent."""

retention = _counts(
    "user_event_daily_retention",
    sa.Column("unit", sa.String(5), nullable=False),
    sa.Column("cohort", sa.Date(), nullable=False),
    _text("event_type", EVENT_TYPE_MAX_LENGTH),
    _count("sessions"),
    sa.Index("ix_user_event_daily_retention_unit_event_type_day", "unit", "event_type", "day"),
)
"""How many were there on a day, by when they were there first. The type "" stands for any.

`unit` "day": sessions that sent the type on the day, by their first day, at most 31 days before.
`unit` "week": sessions that sent it on the day for the first time in its week, by the Monday of
the week of their first day. So both can be added up: over the days of a week, too.
"""

funnels = sa.Table(
    "user_event_funnels",
    own_metadata,
    sa.Column("id", row_number, primary_key=True),
    # Of the definition, which is too long for an index.
    sa.Column("digest", sa.String(64), nullable=False, unique=True),
    sa.Column("definition", sa.Text(), nullable=False),
    sa.Column("asked_at", UtcDateTime(), nullable=False),
)
"""The funnels that are kept: their steps as JSON, each once, and when they were last asked for."""

funnel_counts = sa.Table(
    "user_event_daily_funnels",
    own_metadata,
    sa.Column("id", row_number, primary_key=True),
    sa.Column("day", sa.Date(), nullable=False, index=True),
    sa.Column("funnel_id", row_number, nullable=False),
    _count("step"),
    _count("sessions"),
    sa.Index("ix_user_event_daily_funnels_funnel_id_step_day", "funnel_id", "step", "day"),
)
"""Sessions that got as far as a step of a funnel on a day; steps are numbered from 0.

A day that is counted has a row for each step, with 0 where nobody got there; one that is not
counted yet has none. Only steps that were taken on the day itself are in it.
"""

funnel_crossings = sa.Table(
    "user_event_daily_funnel_crossings",
    own_metadata,
    sa.Column("id", row_number, primary_key=True),
    sa.Column("day", sa.Date(), nullable=False, index=True),
    sa.Column("funnel_id", row_number, nullable=False),
    _count("step"),
    _count("sessions"),
)
"""Sessions that entered a funnel on a day, and got as far as a step only after that day was over.

They are to be added to those of `funnel_counts`. Nobody: no row.
"""

SPANNED = (uses, demand, exposure)
"""The tables that reports only add up: those that have weeks and months besides days."""
COUNTS = (activity, *SPANNED)
KEYS = ("kind", "name", "detail", "query", "expert_id", "position")
"""What is counted, in the tables of `SPANNED`; the rest of their columns can be added up."""
OF_EVENTS = (
    *COUNTS,
    spans,
    visits,
    retention,
    funnel_counts,
    funnel_crossings,
    checks,
    days,
)
"""All that is made from the events, and can be made anew."""
