"""Who is asking: `Authorization: Bearer <token>` (RFC 6750), and how often an address may be wrong."""

from __future__ import annotations

import hmac
from collections import OrderedDict, deque

from steer.clock import Clock
from steer.control.problems import ApiProblem
from steer.control.tokens import Role, Token, Tokens

WRONG_TRIES = 10
"""Wrong tokens of one address within `WINDOW` that are answered with 401; after them 429. A person who mistypes
needs a few. Nobody guesses 256 bits: this is so that a script with an old token is told to stop."""

WINDOW = 60.0

MOST_ADDRESSES = 1024
"""Remembered at once; the one that failed longest ago is forgotten first."""


class Failures:
    """Wrong tokens by address: a bounded memory, no delays, so nobody can tie up the API with bad tokens."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._tries: OrderedDict[str, deque[float]] = OrderedDict()

    def count(self, address: str) -> float:
        """Remember one more. Answers after how many seconds the address may be wrong again; 0: now."""
        now = self._clock.monotonic()
        tries = self._tries.pop(address, deque(maxlen=WRONG_TRIES))
        while len(self._tries) >= MOST_ADDRESSES:
            self._tries.popitem(last=False)
        self._tries[address] = tries
        if len(tries) == WRONG_TRIES and now - tries[0] < WINDOW:
            return WINDOW - (now - tries[0])
        tries.append(now)
        return 0.0


def authenticate(tokens: Tokens, failures: Failures, header: str | None, address: str) -> Token:
    """The token's entry. Raises 401, or 429 for an address that was wrong too often.

    A right token is never refused for the wrong ones of its address: behind one address (loopback) may be everybody.
    """
    secret = bearer(header)
    if secret is None:
        hint = "send `Authorization: Bearer <token>`; `steer token create` makes one"
        raise ApiProblem("unauthorised", hint, headers={"WWW-Authenticate": 'Bearer realm="steer"'})
    holder = tokens.holder(secret)
    if holder is not None:
        return holder
    if wait := failures.count(address):
        seconds = int(wait) + 1
        raise ApiProblem("too_many_failures", f"try again in {seconds} s", headers={"Retry-After": str(seconds)})
    challenge = 'Bearer realm="steer", error="invalid_token"'
    raise ApiProblem("unauthorised", "the token is not known or has expired", headers={"WWW-Authenticate": challenge})


def authorise(caller: Token, needed: Role) -> None:
    if not caller.role.covers(needed):
        detail = f"{caller.name!r} is {caller.role}; this needs {needed}"
        challenge = 'Bearer realm="steer", error="insufficient_scope"'
        raise ApiProblem("forbidden", detail, headers={"WWW-Authenticate": challenge})


def is_secret(header: str | None, wanted: str) -> bool:
    """One fixed secret, compared in constant time: the metrics token."""
    given = bearer(header)
    return given is not None and hmac.compare_digest(given.encode(), wanted.encode())


def bearer(header: str | None) -> str | None:
    scheme, _, secret = (header or "").partition(" ")
    return secret.strip() or None if scheme.lower() == "bearer" else None
