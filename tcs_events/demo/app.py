"""A host app of tcs_events: an expert marketplace with a database, pages and a JSON API."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence

from flask import Flask, render_template, request
from sqlalchemy import URL, exc, select

from tcs_events import EventType, UserEvent, create_blueprint
from tcs_events.dashboard import create_dashboard
from tcs_events.demo import just_stored
from tcs_events.demo.api import api_bp
from tcs_events.demo.experts import EXPERTS
from tcs_events.demo.models import Expert, db, experts_by_name
from tcs_events.demo.search import RATE_CEILING, Search, tags_of

DEFAULT_DATABASE_URI = "sqlite:///tcs_events_demo.db"
STARTUP_ATTEMPTS = 20

# `from tcs_events import events_bp` would do if this host had no event types of its own. It sends
# card_impression when a card comes into view, and its simulated visitors make accounts and book.
# The list replaces the default, so it repeats the three default types.
events_bp = create_blueprint(
    event_types=[
        "card_click",
        "sage_query",
        "filter_change",
        "card_impression",
        EventType("account_created", break_down=("plan",), help="The visitor made an account."),
        EventType("expert_booked", help="The visitor booked an expert."),
    ]
)


def is_on_this_machine() -> bool:
    """Allow the dashboard only on the machine that runs the demo.

    A real host checks its login here: `return current_user.is_admin`.
    """
    return request.remote_addr in ("127.0.0.1", "::1")


dashboard = create_dashboard(is_on_this_machine, catalogue=select(Expert.username))


def create_app(database_uri: str | URL | None = None) -> Flask:
    # Flask-SQLAlchemy puts a relative SQLite path into the instance folder; use the current folder.
    app = Flask(__name__, instance_path=os.getcwd())
    app.config["SQLALCHEMY_DATABASE_URI"] = (
        database_uri or os.environ.get("TCS_EVENTS_DEMO_DATABASE_URI") or DEFAULT_DATABASE_URI
    )
    db.init_app(app)
    app.register_blueprint(events_bp)  # the endpoint, the tracker script, the tables, the commands
    app.register_blueprint(dashboard)  # the reports as pages, at /insights
    app.register_blueprint(api_bp)
    with app.app_context():
        prepare_database()

    app.add_template_global(newest_events)
    app.add_template_filter(just_stored.summary)
    app.add_template_filter(just_stored.age_seconds)
    app.add_template_filter(just_stored.ago)

    @app.get("/")
    def home() -> str:
        experts = experts_by_name()
        search = Search.from_args(request.args)
        return render_template(
            # demo.js asks for the results only; without JavaScript the whole page is loaded.
            "_results.html" if "fragment" in request.args else "home.html",
            search=search,
            found=search.among(experts),
            # A tag that only one expert has is not offered as a filter, but that expert's page
            # links to it.
            tags=sorted({*tags_of(experts, shared_by=2), *search.tags}),
            rate_ceiling=RATE_CEILING,
        )

    @app.get("/experts/<username>")
    def expert(username: str) -> str:
        return render_template("expert.html", expert=db.get_or_404(Expert, username))

    @app.get("/just-stored")
    def just_stored_rows() -> str:
        return render_template("_just_stored.html")

    return app


def newest_events() -> Sequence[UserEvent]:
    """Return the newest events. They are ordinary rows, read through the host's own session."""
    return db.session.scalars(select(UserEvent).order_by(UserEvent.id.desc()).limit(20)).all()


def prepare_database() -> None:
    """Create the tables, `user_events` among them, and add missing experts.

    Several workers may start at the same time. For all but one of them the database raises an
    error; they try again, and find everything done.
    """
    for attempt in range(1, STARTUP_ATTEMPTS + 1):
        try:
            db.create_all()
            stored = set(db.session.scalars(select(Expert.username)))
            db.session.add_all(Expert(**row) for row in EXPERTS if row["username"] not in stored)
            db.session.commit()
            return
        except exc.DBAPIError:
            db.session.rollback()
            if attempt == STARTUP_ATTEMPTS:
                raise
            time.sleep(0.1)
