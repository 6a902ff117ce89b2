from flask_sqlalchemy import SQLAlchemy

db = SQLAlchemy()

ROOMS = {
    "garden": {"name": "Garden room", "price": 80},
    "tower": {"name": "Tower room", "price": 120},
    "lake": {"name": "Room by the lake", "price": 150},
}
