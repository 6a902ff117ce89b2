"""Databases and drivers that we do not know are refused when the app starts."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import create_engine, exc
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite

from tcs_events import ConfigError, create_blueprint
from tests.support import post


def host(url: object, **config: Any) -> Flask:
    """Register the blueprint on an app with this database, whose driver need not be there."""
    app = Flask("host")
    app.config.update(SQLALCHEMY_DATABASE_URI=url, **config)
    app.register_blueprint(create_blueprint())
    return app


class Named(SQLAlchemy):
    """A `db` that makes no engines, for drivers that are not installed."""

    def _make_engine(self, bind_key: str | None, options: dict[str, Any], app: Flask) -> Any:
        return create_engine("sqlite://")


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:///app.db",
        "sqlite+pysqlite://",
        "postgresql://localhost/app",
        "postgresql+psycopg://localhost/app",
        "postgresql+psycopg2://localhost/app",
        "postgresql+pg8000://localhost/app",
        "mysql+pymysql://localhost/app",
        "mysql+mysqldb://localhost/app",
        "mariadb+pymysql://localhost/app",
    ],
)
def test_known_databases_start(url: str) -> None:
    Named().init_app(host(url))


@pytest.mark.parametrize(
    "url",
    [
        "sqlite+pysqlcipher://:secret@/app.db",
        "postgresql+asyncpg://localhost/app",
        "mysql+mysqlconnector://localhost/app",
        "mssql+pyodbc://localhost/app",
        "oracle+oracledb://localhost/app",
    ],
)
def test_others_are_refused_with_the_remedy(url: str) -> None:
    app = Flask("host")
    app.config["SQLALCHEMY_DATABASE_URI"] = url
    Named().init_app(app)
    scheme = url.partition(":")[0]
    with pytest.raises(ConfigError, match=re.escape(scheme)) as refused:
        app.register_blueprint(create_blueprint())
    assert "TCS_EVENTS_OTHER_DATABASES" in str(refused.value)
    assert "secret" not in str(refused.value)


def test_a_setting_takes_them_as_best_they_can() -> None:
    app = host("mssql+pyodbc://localhost/app", TCS_EVENTS_OTHER_DATABASES="as_best_they_can")
    Named().init_app(app)
    with app.app_context():
        assert app.extensions["tcs_events"].tables


@pytest.mark.parametrize(
    "binds",
    [{"events": "mssql+pyodbc://localhost/app"}, {"events": {"url": "mssql+pyodbc://h/app"}}],
)
def test_the_database_of_the_events_counts_and_no_other(binds: dict[str, Any]) -> None:
    for bind_key in (None, "events"):
        app = Flask("host")
        app.config.update(SQLALCHEMY_DATABASE_URI="sqlite://", SQLALCHEMY_BINDS=binds)
        Named().init_app(app)
        blueprint = create_blueprint(bind_key=bind_key)
        if bind_key is None:
            app.register_blueprint(blueprint)
        else:
            with pytest.raises(ConfigError, match="mssql"):
                app.register_blueprint(blueprint)


def test_postgres_without_ql_is_refused_with_the_remedy() -> None:
    with pytest.raises(exc.NoSuchModuleError, match=re.escape("postgresql+psycopg://")):
        create_engine("postgres://localhost/app")


class UnknownDriver(SQLiteDialect_pysqlite):
    """A driver that nobody has told us about."""

    driver = "unknown"
    supports_statement_cache = True


def test_with_the_setting_an_unknown_driver_stores_events(tmp_path: Path) -> None:
    registry.register("sqlite.unknown", __name__, "UnknownDriver")
    url = f"sqlite+unknown:///{tmp_path}/app.db"
    app = Flask("host")
    app.config["SQLALCHEMY_DATABASE_URI"] = url
    SQLAlchemy(app)
    with pytest.raises(ConfigError, match=re.escape("sqlite+unknown")):
        app.register_blueprint(create_blueprint())
    app = host(url, TCS_EVENTS_OTHER_DATABASES="as_best_they_can")
    db = SQLAlchemy(app)
    with app.app_context():
        db.create_all()
        assert post(app).status_code == 202
        app.extensions["tcs_events"].close()
        db.engine.dispose()
