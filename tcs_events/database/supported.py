"""The databases and drivers for which 202 means what the documents say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import make_url

from tcs_events.errors import ConfigError

SUPPORTED = {
    "sqlite": ("pysqlite",),
    "postgresql": ("psycopg", "psycopg2", "pg8000"),
    "mysql": ("pymysql", "mysqldb"),
    "mariadb": ("pymysql", "mysqldb"),
}
"""The drivers of each dialect, by SQLAlchemy's names, that all tests run with."""

_PROBLEM = (
    "tcs_events does not know what a commit of {dialect}+{driver} promises, so it cannot promise"
    " that an event which was answered 202 is stored. Use SQLite, PostgreSQL or MariaDB, as in"
    " {examples}, for the app or, with TCS_EVENTS_BIND_KEY, for the events alone. Or set"
    ' TCS_EVENTS_OTHER_DATABASES = "as_best_they_can" to store them without that promise.'
)
_EXAMPLES = "sqlite:///app.db, postgresql+psycopg://... or mysql+pymysql://..."


def check_supported(config: Mapping[str, Any], bind_key: str | None) -> None:
    """Do nothing if we know the database of the events and its driver.

    Args:
        config: the config of the host.
        bind_key: which of `SQLALCHEMY_BINDS` it is. None is the default database.

    Raises:
        ConfigError: we do not know it.
    """
    value = (config.get("SQLALCHEMY_BINDS") or {}).get(bind_key)
    if bind_key is None and value is None:
        value = config.get("SQLALCHEMY_DATABASE_URI")
    if isinstance(value, dict):  # options of `create_engine`
        value = value.get("url")
    if not value:
        return
    url = make_url(value)
    dialect, driver = url.get_backend_name(), url.get_driver_name()
    if driver not in SUPPORTED.get(dialect, ()):
        raise ConfigError(_PROBLEM.format(dialect=dialect, driver=driver, examples=_EXAMPLES))
