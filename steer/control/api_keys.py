"""Rings of keys: what is in them, never the keys themselves, and the two steps of a rotation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from aiohttp import web

from steer.control.api_bodies import KeyRotation
from steer.control.api_call import PAGE, Call, Endpoint, answer, etag_of, page
from steer.control.api_input import body_of
from steer.control.moments import moment
from steer.control.problems import not_found
from steer.control.tokens import Role
from steer.sessions.keyring import KNOWN_AFTER, Key, Ring


def _key_view(key: Key) -> dict[str, Any]:
    """Never the secret."""
    return {"id": key.id, "state": str(key.state), "made": moment(key.made), "until": moment(key.until)}


def _ring_view(name: str, file: Path | None, ring: Ring) -> dict[str, Any]:
    """`next_step`: what a rotation does now, and from when on."""
    coming = ring.next
    may_begin = moment(coming.made + KNOWN_AFTER) if coming is not None else None
    next_step = {"step": "activate" if coming is not None else "add", "from": may_begin}
    keys = [_key_view(key) for key in ring.keys]
    return {"name": name, "file": str(file), "keys": keys, "next_step": next_step}


def _rings(call: Call) -> list[dict[str, Any]]:
    found = ((name, keys.file, keys.ring()) for name, keys in call.context.rings.items())
    return [_ring_view(name, file, ring) for name, file, ring in found if ring is not None]


def keys_etag(call: Call) -> str:
    return etag_of(_rings(call))


async def list_keys(call: Call) -> web.Response:
    return page(call, _rings(call), etag=keys_etag(call))


async def rotate(call: Call) -> web.Response:
    wanted = await body_of(call.request, KeyRotation)
    name = call.named("name")
    keys = call.context.rings.get(name)
    if keys is None:
        raise not_found("ring of keys", name, tuple(call.context.rings))
    call.require_unmoved(keys_etag(call))
    before, after = keys.rotate()
    shown = _ring_view(name, keys.file, after)
    done = {"step": "added" if after.next is not None else "activated", "key": (after.next or after.active).id}
    earlier = _ring_view(name, keys.file, before)["keys"]
    call.record("keys.rotate", {"keys": name}, wanted.reason, earlier, shown["keys"])
    return answer({**done, **shown})


ENDPOINTS = (
    Endpoint("GET", "/api/v1/keys", list_keys, "Rings of keys: ids, states and ages", query=PAGE),
    Endpoint(
        "POST",
        "/api/v1/keys/{name}/rotate",
        rotate,
        "The next step of a rotation: add a key that opens, then make it the one that seals",
        Role.ADMIN,
        body=KeyRotation,
    ),
)
