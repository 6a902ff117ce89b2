"""The host's own database with the experts. Nothing in it is about events."""

from __future__ import annotations

from collections.abc import Sequence

from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import JSON, String, select
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    pass


db = SQLAlchemy(model_class=Base)


class Expert(db.Model):  # type: ignore[name-defined,misc]
    __tablename__ = "experts"
    # Databases of MariaDB are often latin1, which lacks letters of our experts' names.
    __table_args__ = {"mysql_charset": "utf8mb4", "mariadb_charset": "utf8mb4"}  # noqa: RUF012

    username: Mapped[str] = mapped_column(String(40), primary_key=True)
    name: Mapped[str] = mapped_column(String(80))
    title: Mapped[str] = mapped_column(String(80))
    bio: Mapped[str] = mapped_column(String(400))
    tags: Mapped[list[str]] = mapped_column(JSON)
    hourly_rate: Mapped[int]
    hue: Mapped[int]

    @property
    def initials(self) -> str:
        words = self.name.split()
        return words[0][0] + words[-1][0]


def experts_by_name() -> Sequence[Expert]:
    return db.session.scalars(select(Expert).order_by(Expert.name)).all()
