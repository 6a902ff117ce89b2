"""What SQLAlchemy loads for a URL that begins with `postgres://`: an error that says the remedy.

SQLAlchemy 1.4 dropped this name, and some hosting providers still hand it out.
"""

from sqlalchemy import exc

raise exc.NoSuchModuleError(
    "SQLAlchemy does not know postgres://. Let SQLALCHEMY_DATABASE_URI begin with"
    " postgresql+psycopg:// (needs tcs-events[postgresql]) or postgresql://, for example by"
    ' url.replace("postgres://", "postgresql+psycopg://", 1).'
)
