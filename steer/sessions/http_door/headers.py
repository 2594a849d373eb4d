"""What the fields of a request ask for. All raise `Problem` for what makes no sense."""

from __future__ import annotations

import re

from aiohttp import web

from steer.sessions.http_door.problems import Problem
from steer.store.model import LONGEST, Acknowledge, Condition

STAMP = re.compile(r'"([0-9]{20})"')
MOST_REQUEST_ID = 64
"""Bytes that the store keeps of a request's id. An Idempotency-Key is usually a UUID of 36."""

_ENTITY_TAG = re.compile(r'(?:W/)?"[\x21\x23-\x7e]*"')
_SECONDS = re.compile(r"[0-9]{1,10}")


def _only(request: web.Request, name: str) -> str | None:
    values = request.headers.getall(name, [])
    if len(values) > 1:
        raise Problem("malformed", f"{name} comes more than once")
    return values[0].strip() if values else None


def ttl_of(request: web.Request) -> float:
    """`TTL: 1800` in seconds (as in RFC 8030, section 5.2); without it the longest there is."""
    text = _only(request, "TTL")
    if text is None:
        return LONGEST
    if not _SECONDS.fullmatch(text) or int(text) == 0:
        raise Problem("malformed", "TTL must be a whole number of seconds over 0")
    return float(text)


def condition_of(request: web.Request) -> Condition | None:
    """RFC 9110, section 13.1: `If-Match` with one tag or `*`, `If-None-Match` with `*` only."""
    match, none_match = _only(request, "If-Match"), _only(request, "If-None-Match")
    if match is not None and none_match is not None:
        raise Problem("malformed", "If-Match and If-None-Match together make no condition")
    if none_match is not None and none_match != "*":
        raise Problem("malformed", "a write takes If-None-Match: * only")
    if none_match is not None:
        return "absent"
    return _matched(match) if match is not None else None


def _matched(text: str) -> Condition:
    if text == "*":
        return "present"
    found = STAMP.fullmatch(text)
    if found:
        return found[1]
    if not _ENTITY_TAG.fullmatch(text):
        raise Problem("malformed", "If-Match must be one entity tag, or *")
    raise Problem("moved_on", "no record has such an entity tag")


def is_unchanged(request: web.Request, stamp: str) -> bool:
    """Does `If-None-Match` of a GET name this stamp? (RFC 9110, section 13.1.2; weak comparison.)"""
    tags = ",".join(request.headers.getall("If-None-Match", []))
    return tags.strip() == "*" or f'"{stamp}"' in tags


def acknowledge_of(request: web.Request) -> Acknowledge | None:
    """`Prefer: acknowledge=all` (RFC 7240); other preferences are passed over, as they must be."""
    for preference in ",".join(request.headers.getall("Prefer", [])).split(","):
        name, _, value = preference.strip().partition("=")
        if name.strip().lower() == "acknowledge":
            match value.strip().strip('"'):
                case "all":
                    return "all"
                case "local":
                    return "local"
    return None


def request_id_of(request: web.Request) -> bytes | None:
    """The `Idempotency-Key`, 1 to 64 bytes."""
    text = _only(request, "Idempotency-Key")
    if text is None:
        return None
    if not 0 < len(text) <= MOST_REQUEST_ID or not text.isascii():
        raise Problem("malformed", f"Idempotency-Key must have 1 to {MOST_REQUEST_ID} ASCII characters")
    return text.encode()
