"""Who a client is, as a trusted proxy in front of the edge tells it in a request's fields.

`client_address: x_forwarded_for` or `forwarded` (RFC 7239) names the one field that is read. Each proxy on the way has
added at its end whom it heard from, so the list is read from the end: the proxies that are trusted are passed over, and
the first address that is not theirs is the client's. What stands before that is hearsay. It decides nothing, but the
node gets it: the list is passed on with the peer's address behind it, while the other fields of this kind are made
anew. So a client can write in front of the list whatever it likes, and it changes neither its address nor anybody's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import IPv6Address, ip_address
from typing import Literal, NamedTuple

from steer.proxy.http import fields
from steer.proxy.http.forwarding import forwarding_fields, in_forwarded
from steer.proxy.http.head import RequestHead
from steer.proxy.proxy_protocol import plain
from steer.steering.hosts import Network, is_in

Source = Literal["forwarded", "x_forwarded_for"]
KINDS = {"forwarded": fields.FORWARDED, "x_forwarded_for": fields.X_FORWARDED_FOR}

MAX_HOPS = 32
"""Entries that are looked at; every way through real networks is shorter, and the head could hold thousands."""
MAX_COMMAS = 8
"""Commas within one entry of Forwarded: they are allowed in quoted strings, and nobody has a use for them."""

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._~:/+=@-]{1,128}")
"""Fit to stand in the log, in a field and on an error page as it is."""
_TRACEPARENT = re.compile(rb"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
"""W3C Trace Context, section 3.2, version 00."""
_TRACESTATE = re.compile(rb"[\x20-\x7e]{0,512}")

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_PAIR = rf"({_TOKEN})=(?:({_TOKEN})|\"((?:[\t !#-\[\]-~]|\\[\t -~])*)\")"
_ELEMENT = re.compile(rf"[ \t]*{_PAIR}(?:[ \t]*;[ \t]*{_PAIR})*[ \t]*")
"""RFC 7239 section 4, with the white space that is seen."""
_PAIRS = re.compile(_PAIR)
_WITH_PORT = re.compile(r"\[([^\[\]]*)\](?::[0-9]{1,5})?|([0-9.]+):[0-9]{1,5}")
"""An address with a port behind it, as some balancers write; IPv6 in brackets."""


class Introduction(NamedTuple):
    """`lines` are all forwarding fields for the node, each ended, with X-Request-Id and the trace."""

    client: str
    request_id: bytes
    lines: bytes


class Guide:
    """For one connection, whose `peer` is trusted: reads what it says of each request's client."""

    __slots__ = ("_kind", "_peer", "_scheme", "_trusted", "_version", "_via")

    def __init__(
        self, source: Source, trusted: tuple[Network, ...], peer: str, scheme: str, via: bytes, version: str = "1.1"
    ) -> None:
        """`scheme`, `via` and `version` as for `Forwarding`."""
        self._kind = KINDS[source]
        self._trusted = trusted
        self._peer = peer
        self._scheme = scheme
        self._via = via
        self._version = version

    def introduce(self, head: RequestHead, request_id: bytes) -> Introduction:
        """`request_id` is taken where the proxy has none that is fit."""
        told = _only(head, fields.X_REQUEST_ID, _REQUEST_ID) or request_id
        trace = _only(head, fields.TRACEPARENT, _TRACEPARENT)
        chain = ", ".join(value.decode("ascii", "replace") for kind, value in head.told if kind == self._kind)
        client = self._find_client(chain)
        lines = self._fields(head, client, _printable(chain)) + b"X-Request-Id: %b\r\n" % told
        if trace:
            lines += b"traceparent: %b\r\n" % trace + _states(head)
        else:
            lines += b"traceparent: 00-%b-%b-00\r\n" % (request_id, request_id[16:])
        return Introduction(client, told, lines)

    def _find_client(self, chain: str) -> str:
        """The last address that is not trusted; where all are, the first. What is no address ends the search."""
        found = self._peer
        addresses = _forwarded(chain) if self._kind == fields.FORWARDED else _x_forwarded_for(chain)
        for address in addresses:
            found = address
            if not is_in(address, self._trusted):
                break
        return found

    def _fields(self, head: RequestHead, client: str, chain: str) -> bytes:
        host, before = head.authority.decode("ascii"), f"{chain}, " if chain else ""
        version = "1.0" if head.http10 else self._version
        if self._kind == fields.FORWARDED:
            elements = f"{before}for={in_forwarded(self._peer)}"
            return forwarding_fields(client, elements, self._scheme, host, version, self._via)
        elements = f"for={in_forwarded(client)}"
        return forwarding_fields(before + self._peer, elements, self._scheme, host, version, self._via)


def _only(head: RequestHead, kind: int, grammar: re.Pattern[bytes]) -> bytes:
    """The value of a field that stands there once and is fit; else empty."""
    values = [value for found, value in head.told if found == kind]
    return values[0] if len(values) == 1 and grammar.fullmatch(values[0]) else b""


def _states(head: RequestHead) -> bytes:
    """W3C Trace Context, section 3.3: whoever takes no part in a trace passes its state on as it is."""
    states = [value for kind, value in head.told if kind == fields.TRACESTATE and _TRACESTATE.fullmatch(value)]
    return b"".join(b"tracestate: %b\r\n" % state for state in states)


def _printable(chain: str) -> str:
    """What the node gets of it: obsolete bytes (RFC 9110 section 5.5) have no place in a list of addresses."""
    return "".join(letter for letter in chain if " " <= letter <= "~")


def _x_forwarded_for(chain: str) -> Iterator[str]:
    """The addresses from the last to the first, up to what is none."""
    for entry in reversed(chain.rsplit(",", MAX_HOPS)[-MAX_HOPS:]):
        address = _address(entry.strip(" \t"))
        if not address:
            return
        yield address


def _forwarded(chain: str) -> Iterator[str]:
    """The same for RFC 7239.

    The shortest text behind a comma that is an element of the grammar is the last element: so one that is broken, an
    open quote for instance, cannot swallow those that proxies added behind it.
    """
    for _ in range(MAX_HOPS):
        chain, element = _split_last(chain)
        pairs = {pair[1].lower(): pair[2] or pair[3] for pair in _PAIRS.finditer(element)}
        address = _address(pairs.get("for", ""))
        if not address:
            return
        yield address


def _split_last(chain: str) -> tuple[str, str]:
    """All before the last element, and the last element; empty where it is none."""
    comma = len(chain)
    for _ in range(MAX_COMMAS + 1):
        comma = chain.rfind(",", 0, comma)
        if _ELEMENT.fullmatch(chain, comma + 1) is not None:
            return chain[: max(comma, 0)], chain[comma + 1 :]
        if comma < 0:
            break
    return "", ""


def _address(text: str) -> str:
    """An address, with a port perhaps, in its one spelling; empty where it is none."""
    match = _WITH_PORT.fullmatch(text)
    try:
        address = ip_address((match[1] or match[2] or "") if match is not None else text)
    except ValueError:
        return ""
    return "" if isinstance(address, IPv6Address) and address.scope_id else plain(address)
