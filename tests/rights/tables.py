"""What is in the tables, read past every class of the package."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import uuid4

from flask import Flask
from sqlalchemy import inspect, text

from tcs_events import UserEventIdentity, UserEventUser
from tcs_events.event import identity_id, user_address_id, user_link_id
from tcs_events.models import UserEventRejection
from tests.cli.asking import NOON


def identity(email: str, session: str = "visitor-1", at: datetime = NOON) -> UserEventIdentity:
    return UserEventIdentity(
        identity_id=identity_id(session, email),
        session_id=session,
        email=email,
        created_at=at,
        received_at=at,
    )


def user_link(
    user_id: str, session: str = "visitor-1", email: str | None = None, at: datetime = NOON
) -> UserEventUser:
    """Return the link of a session to a user, or with an address the row that names it."""
    return UserEventUser(
        link_id=user_address_id(session, user_id, email) if email else user_link_id(session),
        session_id=session,
        user_id=user_id,
        email=email,
        created_at=at,
        received_at=at,
    )


def rejection(
    session_id: str | None, email: str | None = None, at: datetime = NOON
) -> UserEventRejection:
    return UserEventRejection(
        rejection_id=uuid4(),
        received_at=at,
        session_id=session_id,
        email=email,
        reason="payload",
        errors={},
    )


def all_tables(app: Flask) -> dict[str, list[dict[str, Any]]]:
    """Return every row of every table there is."""
    with app.app_context():
        engine = app.extensions["sqlalchemy"].engine
        names = sorted(inspect(engine).get_table_names())
        with engine.connect() as connection:
            return {
                name: [
                    dict(row)
                    for row in connection.execute(text(f"SELECT * FROM {name}")).mappings()
                ]
                for name in names
            }


def sessions_with_events(app: Flask) -> set[str]:
    return {row["session_id"] for row in all_tables(app)["user_events"]}


def identities(app: Flask) -> set[tuple[str, str]]:
    return {(row["session_id"], row["email"]) for row in all_tables(app)["user_event_identities"]}


def user_links(app: Flask) -> set[tuple[str, str, str | None]]:
    rows = all_tables(app)["user_event_users"]
    return {(row["session_id"], row["user_id"], row["email"]) for row in rows}


def new_word() -> str:
    """Return a word that is nowhere yet."""
    return f"canary{uuid4().hex}"
