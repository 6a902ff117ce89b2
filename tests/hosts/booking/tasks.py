import os

from celery import Celery
from flask import Blueprint, redirect, request

from bookings import book

celery = Celery("rooms", broker=os.environ.get("REDIS_URL", "redis://127.0.0.1"))
long_stays_bp = Blueprint("long_stays", __name__)


@celery.task
def ask_the_owner(room_id, nights, session_id):
    from app import app  # not at the top, as app.py imports this file

    with app.app_context():
        book(room_id, nights, "flexible", session_id)


@long_stays_bp.post("/long-stays")
def ask_for_long_stay():
    session_id = request.cookies.get("tcs_session_id")
    ask_the_owner.delay(request.form["room_id"], request.form.get("nights", type=int), session_id)
    return redirect(f"/rooms/{request.form['room_id']}")
