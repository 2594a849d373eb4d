"""A request read strictly: a wrong key or value is a problem that names its place. Bodies are in `api_bodies.py`."""

from __future__ import annotations

import asyncio
import ipaddress
import json
from typing import Any, NoReturn, TypeVar

from aiohttp import web
from pydantic import BaseModel, ValidationError

from steer.control.api_bodies import Removal
from steer.control.problems import ApiProblem

MOST_BODY = 64 * 1024
"""Bytes. The largest sensible change names every datacentre of a group: a few KiB."""

BODY_TIME = 10.0
"""Seconds for a body to arrive whole."""

MOST_ITEMS, USUAL_ITEMS = 1000, 100

M = TypeVar("M", bound=BaseModel)


async def read_body(request: web.Request) -> bytes:
    """Raises a problem when it is too large or too slow."""
    try:
        async with asyncio.timeout(BODY_TIME):
            return await request.read()
    except TimeoutError:
        raise ApiProblem("too_slow", f"the body must arrive within {BODY_TIME:.0f} s") from None


async def body_of(request: web.Request, model: type[M]) -> M:
    raw = await read_body(request)
    if request.content_type != "application/json":
        raise ApiProblem("unsupported_media_type", "send the body as Content-Type: application/json")
    return _validated(model, _strict_json(raw))


async def removal_of(request: web.Request) -> Removal:
    if await read_body(request):
        return await body_of(request, Removal)
    return _validated(Removal, {"reason": request.query["reason"]} if "reason" in request.query else {})


def _strict_json(raw: bytes) -> Any:
    try:
        return json.loads(raw, object_pairs_hook=_without_twins, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise ApiProblem("malformed", f"the body is not JSON: {error}") from None


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Two keys of one name are read differently by different readers: refused (RFC 8259 section 4)."""
    names = [name for name, _ in pairs]
    if len(set(names)) < len(names):
        raise ValueError("a key comes twice")
    return dict(pairs)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def _validated(model: type[M], value: Any) -> M:
    try:
        return model.model_validate(value)
    except ValidationError as error:
        wrong = [{"path": _path(e["loc"]), "detail": _detail(e["type"], e["msg"])} for e in error.errors()]
        first = wrong[0]
        raise ApiProblem("unacceptable", first["detail"], first["path"], extra={"errors": wrong}) from None


def _path(place: tuple[int | str, ...]) -> str:
    return ".".join(map(str, place))


def _detail(kind: str, message: str) -> str:
    """pydantic's sentences, in our words where theirs speak of Python."""
    ours = {"missing": "is needed", "extra_forbidden": "is not known here", "model_type": "must be an object"}
    return ours.get(kind, message.removeprefix("Value error, ").removeprefix("Input should be ").strip())


def require_known(what: str, name: str, known: tuple[str, ...], path: str) -> None:
    """Raises a problem with what there is."""
    if name not in known:
        raise ApiProblem("unacceptable", f"no {what} is called {name!r}; there are: {', '.join(known)}", path)


# Queries.


def page_of(request: web.Request) -> tuple[int, str]:
    """`?limit=` (1 to 1000, usually 100) and `?after=`, the last name of the page before."""
    text = request.query.get("limit", str(USUAL_ITEMS))
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= MOST_ITEMS):
        raise ApiProblem("malformed", f"limit must be 1 to {MOST_ITEMS}, got {text[:40]!r}", "limit")
    return int(text), request.query.get("after", "")


def address_of(text: str, parameter: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise ApiProblem("malformed", f"{text[:60]!r} is no IP address", parameter) from None


def header_of(text: str) -> tuple[str, str]:
    """`Name: value`, as curl writes it; names compare in lower case."""
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        raise ApiProblem("malformed", f"{text[:60]!r} is no `Name: value`", "header")
    return name.strip().lower(), value.strip()
