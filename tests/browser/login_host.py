"""A host whose visitors log in and out with Flask-Login, as the guide of logged-in users has it."""

from __future__ import annotations

import os

from flask import Flask, redirect, render_template_string, session
from flask_login import LoginManager, UserMixin, login_user, logout_user, user_logged_out
from flask_sqlalchemy import SQLAlchemy
from werkzeug.wrappers import Response

from tcs_events import events_bp
from tests.pages import page

RESET = page("guides/users").block("html", "tcsEvents.reset()")
HOME = f"""<!doctype html><link rel="icon" href="data:," />{RESET}
<button onclick="tcsEvents.trackEvent('filter_change', {{filter: 'tags', value: 'x'}})">Go</button>
{{% for name in ("ada", "bo") %}}
<form method="post" action="/login/{{{{ name }}}}"><button>{{{{ name }}}}</button></form>
{{% endfor %}}
<form method="post" action="/logout"><button>Log out</button></form>
"""


class User(UserMixin):
    def __init__(self, name: str) -> None:
        self.id = f"id of {name}"


def create_app() -> Flask:
    app, db = Flask(__name__), SQLAlchemy()
    app.config["SQLALCHEMY_DATABASE_URI"] = os.environ["TCS_EVENTS_DEMO_DATABASE_URI"]
    app.config["SECRET_KEY"] = "of a test"
    app.config["TCS_EVENTS_IDENTIFY_USER"] = "current_user.id"
    db.init_app(app)
    app.register_blueprint(events_bp)
    with app.app_context():
        db.create_all()
    LoginManager(app).user_loader(lambda user_id: User(user_id.removeprefix("id of ")))

    @user_logged_out.connect_via(app)
    def remember_reset(sender: object, **_: object) -> None:
        session["reset_tracking"] = True

    app.extensions["listeners"] = remember_reset  # signals hold their receivers weakly

    @app.get("/")
    def home() -> str:
        return render_template_string(HOME)

    @app.post("/login/<name>")
    def login(name: str) -> Response:
        login_user(User(name))
        return redirect("/")

    @app.post("/logout")
    def logout() -> Response:
        logout_user()
        return redirect("/")

    return app
