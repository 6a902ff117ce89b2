"""Sums of whole numbers."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa


def whole_sum(column: sa.ColumnElement[Any]) -> sa.Cast[int]:
    """Return the sum of a column of whole numbers, itself a whole number; null without rows.

    MariaDB and MySQL give a `Decimal`, and PostgreSQL too if the column is a BIGINT.
    """
    return sa.cast(sa.func.sum(column), sa.BigInteger)
