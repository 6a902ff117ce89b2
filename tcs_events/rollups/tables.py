"""The tables of counts. A day is a day of `TCS_EVENTS_TIMEZONE`; sessions count once a day.

The tables of `COUNTS` hold one row for each thing that was counted on a day. A day is replaced as a
whole, so that counting it again is always right. Those of `SPANNED` hold besides, under the first
day and another `unit`, the sums of whole weeks and months.
"""

from __future__ import annotations

import sqlalchemy as sa

from tcs_events.models import UtcDateTime, own_metadata, row_number
from tcs_events.settings import EVENT_TYPE_MAX_LENGTH

NAME_MAX_LENGTH = 200
"""Longer names are cut: the database's index has a limit, and no page shows more."""


def _counts(name: str, *columns: sa.Column[object]) -> sa.Table:
    return sa.Table(
        name,
        own_metadata,
        sa.Column("id", row_number, primary_key=True),
        sa.Column("day", sa.Date(), nullable=False, index=True),
        *columns,
    )


def _spanned(name: str, *columns: sa.Column[object]) -> sa.Table:
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
    sa.Column("refreshed_at", UtcDateTime(), nullable=True),
)
"""One row: how far the counting has come, in which zone, and who is at it."""

days = sa.Table(
    "user_event_rollup_days",
    own_metadata,
    sa.Column("day", sa.Date(), primary_key=True),
    sa.Column("events", sa.Integer(), nullable=False),
    sa.Column("is_stale", sa.Boolean(), nullable=False),
)
"""The days that are counted. A stale one is to be counted again: something of it was deleted."""

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
    _text("sample"),
    _count("events"),
    _count("sessions"),
)
"""What was used how often. By `kind`:

`click`: `name` is the expert, `detail` is empty.
`click_in`: `name` is the expert, `detail` the context of the card.
`query`: `name` is the normalised text, `sample` one of the raw ones, `detail` is empty.
`filter`: `name` is the filter, `detail` its value as JSON.
`dead_filter`, `dead_combination`: as `filter`, and all active filters as JSON in `name`; those
after which nothing was left.
`combination`: all active filters as JSON in `name`, whatever was left.
"""

demand = _spanned(
    "user_event_daily_demand",
    _text("query"),
    _text("sample"),
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

SPANNED = (uses, demand, exposure)
"""The tables that reports only add up: those that have weeks and months besides days."""
COUNTS = (activity, *SPANNED)
KEYS = ("kind", "name", "detail", "query", "expert_id", "position")
"""What is counted, in the tables of `SPANNED`; the rest of their columns can be added up."""
