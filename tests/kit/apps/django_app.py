"""The application of application.py in Django, on the cache backend that CACHE names."""

from __future__ import annotations

import os
import sys
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse
from django.urls import path

settings.configure(
    ALLOWED_HOSTS=["*"],
    SECRET_KEY="of no worth",
    ROOT_URLCONF=__name__,
    MIDDLEWARE=["django.contrib.sessions.middleware.SessionMiddleware"],
    SESSION_ENGINE="django.contrib.sessions.backends.cache",
    SESSION_COOKIE_AGE=int(os.environ["LIFETIME"]),
    SESSION_SAVE_EVERY_REQUEST=True,
    CACHES={"default": {"BACKEND": os.environ["CACHE"], "LOCATION": f"redis://127.0.0.1:{os.environ['DOOR']}"}},
)


def login(request: HttpRequest) -> HttpResponse:
    request.session.cycle_key()
    request.session["name"] = request.GET["name"]
    request.session["count"] = 0
    return who(request)


def who(request: HttpRequest) -> HttpResponse:
    return HttpResponse(request.session.get("name", "nobody"))


def count(request: HttpRequest) -> HttpResponse:
    if "name" not in request.session:
        return who(request)
    request.session["count"] += 1
    return HttpResponse(str(request.session["count"]))


def renew(request: HttpRequest) -> HttpResponse:
    request.session.cycle_key()
    return who(request)


def logout(request: HttpRequest) -> HttpResponse:
    request.session.flush()
    return who(request)


urlpatterns = [path(view.__name__, view) for view in (login, who, count, renew, logout)]


class Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


make_server("127.0.0.1", int(sys.argv[1]), get_wsgi_application(), Server, Quiet).serve_forever()
