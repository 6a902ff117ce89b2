import os

import pytest

os.environ["DATABASE_URL"] = "sqlite:///test.db"  # read by config.py


@pytest.fixture
def app():
    from app import app, db

    app.testing = True
    with app.app_context():
        db.create_all()
    return app
