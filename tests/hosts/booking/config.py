import os

SECRET_KEY = os.environ.get("SECRET_KEY", "change me")
SQLALCHEMY_DATABASE_URI = os.environ.get("DATABASE_URL", "sqlite:///rooms.db")


TCS_EVENTS_IDENTIFY_USER = "current_user.email"
