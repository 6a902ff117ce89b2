"""A host whose tasks run in Celery, and record. A worker of it is a process of its own."""

from __future__ import annotations

import os
from typing import Any

from celery import Celery
from flask import Flask
from flask_sqlalchemy import SQLAlchemy

from tcs_events import events_bp, track

db = SQLAlchemy()


class Order(db.Model):  # type: ignore[name-defined, misc]
    __tablename__ = "shop_order"
    id = db.Column(db.Integer, primary_key=True)


def create_app(database_url: str) -> Flask:
    app = Flask("host")
    app.config["SQLALCHEMY_DATABASE_URI"] = database_url
    db.init_app(app)
    app.register_blueprint(events_bp)
    return app


flask_app = create_app(os.environ.get("TEST_DATABASE_URL", "sqlite://"))
celery_app = Celery("host", broker=os.environ.get("TEST_BROKER_URL", "memory://"))
celery_app.conf.broker_connection_retry_on_startup = True


class Task(celery_app.Task):  # type: ignore[name-defined, misc]
    """A task in the app's context, as Flask's documentation has it."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        with flask_app.app_context():
            return self.run(*args, **kwargs)


celery_app.Task = Task


@celery_app.task
def buy(session_id: str, of: str, fails: bool = False) -> str | None:
    """Store an order, and record it if that succeeds."""
    db.session.add(Order())
    event_id = track("card_click", {"of": of}, session_id=session_id, after_commit=True)
    if fails:
        raise ZeroDivisionError
    db.session.commit()
    return None if event_id is None else str(event_id)


@celery_app.task
def look(session_id: str, of: str) -> None:
    track("card_click", {"of": of}, session_id=session_id)
