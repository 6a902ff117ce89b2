import click
from flask import Blueprint, redirect, render_template, request
from flask_login import LoginManager, UserMixin, current_user, login_user, logout_user
from sqlalchemy import select
from sqlalchemy.orm import Mapped, mapped_column
from tcs_events import track
from tcs_events.dashboard import create_dashboard
from werkzeug.security import check_password_hash, generate_password_hash

from models import db

login_bp = Blueprint("login", __name__)
login_manager = LoginManager()


class User(UserMixin, db.Model):
    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(unique=True)
    password_hash: Mapped[str]
    is_staff: Mapped[bool]


@login_manager.user_loader
def load_user(user_id):
    return db.session.get(User, int(user_id))


def find_user(email):
    return db.session.scalar(select(User).filter_by(email=email))


def add_user(email, password, is_staff):
    password_hash = generate_password_hash(password)
    user = User(email=email, password_hash=password_hash, is_staff=is_staff)
    db.session.add(user)
    return user


@login_bp.get("/login")
def show_login():
    return render_template("login.html")


@login_bp.post("/login")
def log_in():
    user = find_user(request.form["email"])
    if user is None or not check_password_hash(user.password_hash, request.form["password"]):
        return redirect("/login")
    login_user(user)
    return redirect("/insights/" if user.is_staff else "/")


@login_bp.get("/sign-up")
def show_sign_up():
    return render_template("sign_up.html")


@login_bp.post("/sign-up")
def sign_up():
    form = request.form
    if find_user(form["email"]) is not None:
        return redirect("/login")
    user = add_user(form["email"], form["password"], is_staff=False)
    track("sign_up", {"plan": form["plan"]}, after_commit=True)
    db.session.commit()
    login_user(user)
    return redirect("/")


@login_bp.post("/logout")
def log_out():
    logout_user()
    return redirect("/login")


@login_bp.cli.command()
@click.argument("email")
@click.option("--staff", is_flag=True)
@click.password_option()
def add(email, staff, password):
    """Add a user who may log in."""
    add_user(email, password, staff)
    db.session.commit()


def is_staff():
    if not current_user.is_authenticated:
        return redirect("/login")
    return current_user.is_staff


dashboard = create_dashboard(access=is_staff)
