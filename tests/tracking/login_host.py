"""A host whose users log in with Flask-Login: a name is enough."""

from __future__ import annotations

from flask import Flask
from flask_login import LoginManager, UserMixin, login_user, logout_user
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import Engine
from sqlalchemy.orm import Mapped, mapped_column

from tcs_events import events_bp, track
from tests.conftest import MakeHost

USERS = {"ada": 42, "bo": 66}


def login_host(make_host: MakeHost, url: str, **config: object) -> Flask:
    """Build the host, with its users and our tables."""
    db = SQLAlchemy()

    class User(UserMixin, db.Model):  # type: ignore[name-defined,misc]
        id: Mapped[int] = mapped_column(primary_key=True)
        email: Mapped[str] = mapped_column(db.String(320))

    app = make_host(url, events_bp, db=db, create=False, SECRET_KEY="of a test", **config)
    login_manager = LoginManager(app)
    app.extensions["users_loaded"] = loaded = []

    @login_manager.user_loader  # type: ignore[untyped-decorator]
    def load(user_id: str) -> User | None:
        loaded.append(user_id)
        return db.session.get(User, int(user_id))

    @app.post("/login/<name>")
    def login(name: str) -> str:
        login_user(db.session.get(User, USERS[name]))
        return "Welcome"

    @app.post("/logout")
    def logout() -> str:
        logout_user()
        return "Goodbye"

    @app.post("/refund/<session_id>")
    def refund(session_id: str) -> str:
        track("card_click", {"expert_id": "x", "context": "grid"}, session_id=session_id)
        return "Refunded"

    with app.app_context():
        db.create_all()
        for name, number in USERS.items():
            db.session.add(User(id=number, email=f"{name}@example.com"))
        db.session.commit()
    return app


def engine_of(app: Flask) -> Engine:
    """Return the engine of the host's database."""
    with app.app_context():
        engine: Engine = app.extensions["sqlalchemy"].engine
    return engine
