"""A shop that records what its own code does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import Integer, text
from sqlalchemy.orm import Mapped, mapped_column

from tests.conftest import MakeHost
from tests.support import stored


class Shop(NamedTuple):
    app: Flask
    db: SQLAlchemy
    order: Any
    """The class of an order, which the shop stores itself."""

    def recorded(self) -> list[Any]:
        """Return what was recorded: the key `of` of each payload, in the order of the rows."""
        with self.app.app_context():
            model = self.app.extensions["tcs_events"].tables["user_events"]
            with self.db.engine.connect() as connection:
                rows = connection.execute(model.select().order_by(model.c.id))
                return [row.payload["of"] for row in rows]

    def orders(self) -> int:
        with self.app.app_context(), self.db.engine.connect() as connection:
            return connection.scalar(text("SELECT count(*) FROM shop_order")) or 0

    def outcomes(self) -> dict[tuple[str, str], int]:
        """Return how events have ended: the counts by outcome and reason."""
        counted = self.app.extensions["tcs_events"].counters.counted()
        return {(str(outcome), why): count for (outcome, why), count in counted.outcomes.items()}

    def rows(self) -> list[dict[str, Any]]:
        return stored(self.app)


MakeShop = Callable[..., Shop]


@pytest.fixture
def make_shop(make_host: MakeHost) -> MakeShop:
    def make(url: str, *args: Any, **config: object) -> Shop:
        db = SQLAlchemy(**config.pop("db_options", {}))  # type: ignore[arg-type]

        class Order(db.Model):  # type: ignore[name-defined, misc]
            __tablename__ = "shop_order"
            id: Mapped[int] = mapped_column(Integer, primary_key=True)

        app = make_host(url, *args, db=db, TESTING=True, **config)
        return Shop(app, db, Order)

    return make


@pytest.fixture
def shop(make_shop: MakeShop, database_url: str) -> Shop:
    return make_shop(database_url)
