"""Checks that the app's role in PostgreSQL may store events."""

from __future__ import annotations

from sqlalchemy import Engine

from tcs_events.cli.doctor.finding import WRONG, Finding
from tcs_events.database.asking import briefly
from tcs_events.database.privileges import grants_remedy, missing_grants
from tcs_events.models import WRITTEN_TABLES, Tables
from tcs_events.stores.columns import unique_id

WHAT = "rights of the app's role"
STATEMENT_MS = 2000


def rights_findings(engine: Engine, tables: Tables) -> list[Finding]:
    """Name each GRANT that is missing for storing events. No findings on other databases.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: the database does not answer.
    """
    if engine.dialect.name != "postgresql":
        return []
    grants: list[str] = []
    with briefly(engine, STATEMENT_MS) as connection:
        for name in WRITTEN_TABLES:
            table = tables[name]
            grants += missing_grants(connection, table, unique_id(table).name)
    # The same schema may be missing for both.
    remedy = grants_remedy(list(dict.fromkeys(grants)))
    return [Finding(WHAT, WRONG, remedy) if grants else Finding(WHAT)]
