"""The application of application.py in Flask, with Flask-Session."""

from __future__ import annotations

import os
import sys
from datetime import timedelta

import flask
from flask_session import Session
from redis import Redis

app = flask.Flask(__name__)
app.config["SESSION_TYPE"] = "redis"
app.config["SESSION_REDIS"] = Redis(port=int(os.environ["DOOR"]))
app.config["PERMANENT_SESSION_LIFETIME"] = timedelta(seconds=int(os.environ["LIFETIME"]))
Session(app)


def login() -> str:
    flask.session["name"] = flask.request.args["name"]
    flask.session["count"] = 0
    app.session_interface.regenerate(flask.session)
    return who()


def who() -> str:
    return str(flask.session.get("name", "nobody"))


def count() -> str:
    if "name" not in flask.session:
        return who()
    flask.session["count"] += 1
    return str(flask.session["count"])


def renew() -> str:
    app.session_interface.regenerate(flask.session)
    return who()


def logout() -> str:
    flask.session.clear()
    return who()


app.add_url_rule("/who", view_func=who)
for change in (login, count, renew, logout):
    app.add_url_rule(f"/{change.__name__}", view_func=change, methods=["POST"])
app.run("127.0.0.1", int(sys.argv[1]), threaded=True)
