from flask import Flask, abort, render_template

from events import events_bp
from models import ROOMS, db

app = Flask(__name__)
app.config.from_object("config")
db.init_app(app)
app.register_blueprint(events_bp)


@app.cli.command()
def create_tables():
    """Make the tables that are missing."""
    db.create_all()


@app.get("/")
def home():
    return render_template("home.html", rooms=ROOMS)


@app.get("/rooms/<room_id>")
def show_room(room_id):
    if room_id not in ROOMS:
        abort(404)
    return render_template("room.html", room_id=room_id, room=ROOMS[room_id])


from bookings import bookings_bp

app.register_blueprint(bookings_bp)


from login import dashboard, login_bp, login_manager

login_manager.init_app(app)
app.register_blueprint(login_bp)
app.register_blueprint(dashboard)  # at /insights


from tasks import long_stays_bp

app.register_blueprint(long_stays_bp)
