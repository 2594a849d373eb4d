"""How a command talks to an edge.

One request, one connection, with the standard library: a command starts in a tenth of a second or it is not used.
"""

from __future__ import annotations

import http.client
import ipaddress
import json
import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from steer.control.tokens import LOCAL_TOKEN
from steer.errors import Problem, SteerError, Unreachable

DEFAULT_ADMIN = "http://127.0.0.1:9900"
TIMEOUT = 10.0
"""Seconds for the connection and for each read. Every call of the API answers at once."""

PAGE = 1000

Json = dict[str, Any]


class No(SteerError):
    """The edge answered, and the answer is no: exit status 1. `status` is that of HTTP.

    `problems`: what is wrong with a configuration, all of it, one line each.
    """

    def __init__(self, status: int, message: str, hint: str = "", problems: tuple[Problem, ...] = ()) -> None:
        super().__init__(message, hint)
        self.status = status
        self.problems = problems


class Usage(SteerError):
    """The command was not given what it needs: exit status 2."""


@dataclass(frozen=True, slots=True)
class Edge:
    """The admin API of one edge. Paths are those under `/api/v1`."""

    admin: str
    token: str

    def get(self, path: str, /, **query: str | int | list[str] | None) -> Json:
        given = {name: value for name, value in query.items() if value is not None}
        return self._send("GET", path + (f"?{urlencode(given, doseq=True)}" if given else ""))

    def all(self, path: str) -> list[Json]:
        """Every item of a list, page by page."""
        items: list[Json] = []
        after: str | None = None
        while True:
            answer = self.get(path, limit=PAGE, after=after)
            items += answer["items"]
            if (after := answer["next"]) is None:
                return items

    def change(self, method: str, path: str, body: Mapping[str, Any]) -> Json:
        """`body` without what is None."""
        return self._send(method, path, {name: value for name, value in body.items() if value is not None})

    def _send(self, method: str, path: str, body: Json | None = None) -> Json:
        try:
            status, answer = self._exchange(method, path, body)
        except (OSError, http.client.HTTPException) as error:
            raise _unreachable(self.admin, error) from error
        if status >= 400:
            raise No(status, *_said(status, answer), tuple(Problem(**each) for each in answer.get("problems", ())))
        return answer

    def _exchange(self, method: str, path: str, body: Json | None) -> tuple[int, Json]:
        connection = _connect(self.admin)
        headers = {"Authorization": f"Bearer {self.token}", "Accept": "application/json"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        try:
            content = json.dumps(body) if body is not None else None
            connection.request(method, f"/api/v1{path}", content, headers)
            response = connection.getresponse()
            return response.status, _parsed(self.admin, response.read())
        finally:
            connection.close()


def edge(admin: str, token: str | None) -> Edge:
    """The edge that the options name. Raises `Usage` when there is no token to be had."""
    return Edge(admin.rstrip("/"), token or _local_token(admin))


def segment(name: str) -> str:
    """A name as one segment of a path."""
    return quote(name, safe="")


def _connect(admin: str) -> http.client.HTTPConnection:
    scheme, host, port = _place(admin)
    if scheme == "https":
        return http.client.HTTPSConnection(host, port, timeout=TIMEOUT, context=ssl.create_default_context())
    return http.client.HTTPConnection(host, port, timeout=TIMEOUT)


def _place(admin: str) -> tuple[str, str, int | None]:
    """(scheme, host, port) out of `http://127.0.0.1:9900`. Raises `Usage`."""
    try:
        url = urlsplit(admin)
        host, port = url.hostname, url.port
    except ValueError:
        url, host, port = urlsplit(""), None, None
    if url.scheme not in ("http", "https") or not host or url.path.strip("/") or url.query:
        raise Usage(f"{admin!r} is not where an admin API is", f"such as {DEFAULT_ADMIN}")
    return url.scheme, host, port


def _local_token(admin: str) -> str:
    """The token that `steer run` writes for the local user. Never sent to another machine."""
    hint = "--token, STEER_TOKEN, or run this where the edge's state folder is (STEER_STATE)"
    if not _is_local(admin):
        raise Usage(f"{admin} needs a token", hint)
    path = Path(os.environ.get("STEER_STATE", "state")) / LOCAL_TOKEN
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        raise Usage(f"there is no token: no {path} here", hint) from None
    except OSError as error:
        raise Usage(f"{path} cannot be read: {error.strerror}", hint) from None


def _unreachable(admin: str, error: Exception) -> Unreachable:
    if isinstance(error, ssl.SSLCertVerificationError):
        hint = "SSL_CERT_FILE names a file with the authorities to trust"
        return Unreachable(f"{admin} is not trusted: {error.verify_message}", hint)
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return Unreachable(f"cannot reach {admin}: {reason}", "is the edge running? --admin or STEER_ADMIN says where")


def _is_local(admin: str) -> bool:
    _, host, _ = _place(admin)
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _parsed(admin: str, content: bytes) -> Json:
    try:
        value = json.loads(content)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise Unreachable(f"{admin} answers, but it is not steer's admin API", "--admin or STEER_ADMIN says where")
    return value


def _said(status: int, problem: Json) -> tuple[str, str]:
    """(what is wrong, what to do) out of a problem."""
    path = f"{problem['path']}: " if problem.get("path") else ""
    message = f"{path}{problem.get('detail') or problem.get('title') or f'HTTP {status}'}"
    hints = {401: "--token or STEER_TOKEN", 403: "use a token of that role", 421: "add the name to admin.hosts"}
    return message, hints.get(status, "")
