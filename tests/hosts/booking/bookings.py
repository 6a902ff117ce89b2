from flask import Blueprint, abort, redirect, request
from sqlalchemy.orm import Mapped, mapped_column
from tcs_events import track

from models import ROOMS, db

bookings_bp = Blueprint("bookings", __name__)


class Booking(db.Model):
    id: Mapped[int] = mapped_column(primary_key=True)
    room_id: Mapped[str]
    nights: Mapped[int]
    plan: Mapped[str]


def book(room_id, nights, plan, session_id=None):
    db.session.add(Booking(room_id=room_id, nights=nights, plan=plan))
    price = nights * ROOMS[room_id]["price"]
    payload = {"room_id": room_id, "nights": nights, "plan": plan, "price": price}
    track("booking_done", payload, session_id=session_id, after_commit=True)
    db.session.commit()


@bookings_bp.post("/bookings")
def make_booking():
    form = request.form
    if form["room_id"] not in ROOMS:
        abort(404)
    book(form["room_id"], form.get("nights", type=int), form["plan"])
    return redirect("/")
