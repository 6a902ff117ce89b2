"""Any order of register_blueprint, init_app, a pushed context and create_all works."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import MetaData, inspect, select
from sqlalchemy.orm import DeclarativeBase, DeclarativeBaseNoMeta

from tcs_events import UserEvent, events_bp
from tests.support import post, stored


def plain() -> SQLAlchemy:
    return SQLAlchemy()


def declarative_base() -> SQLAlchemy:
    class Base(DeclarativeBase):
        pass

    return SQLAlchemy(model_class=Base)


def base_without_a_metaclass() -> SQLAlchemy:
    class Base(DeclarativeBaseNoMeta):
        pass

    return SQLAlchemy(model_class=Base)


def naming_convention() -> SQLAlchemy:
    convention = {
        "ix": "index_%(table_name)s_%(column_0_N_name)s",
        "uq": "unique_%(table_name)s_%(column_0_N_name)s",
        "pk": "primary_%(table_name)s",
    }
    return SQLAlchemy(metadata=MetaData(naming_convention=convention))


HOSTS = [plain, declarative_base, base_without_a_metaclass, naming_convention]
ORDERS = list(itertools.permutations(["register", "init_app", "push"]))


@pytest.mark.parametrize("make_db", HOSTS, ids=lambda make: make.__name__)
@pytest.mark.parametrize("order", ORDERS, ids=" ".join)
def test_every_order_stores_the_event_and_the_host_reads_it(
    order: tuple[str, ...],
    make_db: Callable[[], SQLAlchemy],
    sqlite_url: str,
    close_later: list[Flask],
) -> None:
    app, db = Flask("host"), make_db()
    app.config["SQLALCHEMY_DATABASE_URI"] = sqlite_url
    close_later.append(app)
    context = app.app_context()
    steps = {
        "register": lambda: app.register_blueprint(events_bp),
        "init_app": lambda: db.init_app(app),
        "push": context.push,
    }
    for step in order:
        steps[step]()
    db.create_all()

    assert post(app).status_code == 202
    [event] = db.session.scalars(select(UserEvent))
    assert event.payload == {"expert_id": "ada", "context": "grid"}
    context.pop()
    assert len(stored(app)) == 1


@pytest.mark.parametrize(
    "order", [("register", "init_app"), ("init_app", "register")], ids=" ".join
)
def test_a_context_pushed_for_create_all_alone_is_enough(
    order: tuple[str, ...], sqlite_url: str, close_later: list[Flask]
) -> None:
    app, db = Flask("host"), SQLAlchemy()
    app.config["SQLALCHEMY_DATABASE_URI"] = sqlite_url
    close_later.append(app)
    for step in order:
        app.register_blueprint(events_bp) if step == "register" else db.init_app(app)
    with app.app_context():
        db.create_all()
    assert post(app).status_code == 202


def test_create_all_of_a_host_without_the_blueprint_makes_no_table_of_ours(
    sqlite_url: str, close_later: list[Flask]
) -> None:
    app, db = Flask("other"), SQLAlchemy()
    app.config["SQLALCHEMY_DATABASE_URI"] = sqlite_url
    db.init_app(app)
    close_later.append(app)
    with app.app_context():
        db.create_all()
        assert inspect(db.engine).get_table_names() == []
