"""Replies as bytes. What RESP2 and RESP3 write differently takes the protocol's number, the rest is the same."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

OK = b"+OK\r\n"
PONG = b"+PONG\r\n"
QUEUED = b"+QUEUED\r\n"
ZERO = b":0\r\n"
ONE = b":1\r\n"
EMPTY = b"*0\r\n"

MOST_SHOWN = 128
"""Bytes of the client's own words that an error repeats, as in Redis."""

_NULLS = {2: b"$-1\r\n", 3: b"_\r\n"}
_NULL_ARRAYS = {2: b"*-1\r\n", 3: b"_\r\n"}


def bulk(value: bytes) -> bytes:
    return b"$%d\r\n%b\r\n" % (len(value), value)


def integer(number: int) -> bytes:
    return b":%d\r\n" % number


def boolean(is_true: bool) -> bytes:
    """As Redis says it in the commands of this door: an integer in both protocols."""
    return ONE if is_true else ZERO


def simple(text: str) -> bytes:
    return b"+%b\r\n" % text.encode()


def error(text: str) -> bytes:
    """`text` starts with its code in capitals (`ERR`). Ends of lines in it would be a reply of their own."""
    return b"-%b\r\n" % text.replace("\r", " ").replace("\n", " ").encode("utf-8", "replace")


def shown(word: bytes) -> str:
    """A client's word in an error: printable, and not endless."""
    return ascii(word[:MOST_SHOWN].decode("latin-1"))[1:-1]


def null(protocol: int) -> bytes:
    return _NULLS[protocol]


def null_array(protocol: int) -> bytes:
    return _NULL_ARRAYS[protocol]


def bulk_or_null(value: bytes | None, protocol: int) -> bytes:
    return _NULLS[protocol] if value is None else bulk(value)


def array(replies: Sequence[bytes]) -> bytes:
    """Of replies that are encoded already."""
    return b"*%d\r\n%b" % (len(replies), b"".join(replies))


def bulks(values: Iterable[bytes]) -> bytes:
    return array([bulk(value) for value in values])


def mapping(pairs: Mapping[bytes, bytes], protocol: int) -> bytes:
    """Bulk strings to replies that are encoded already: a map in RESP3, a flat array in RESP2."""
    head = b"%%%d\r\n" % len(pairs) if protocol == 3 else b"*%d\r\n" % (2 * len(pairs))
    return head + b"".join(bulk(name) + reply for name, reply in pairs.items())


def members(values: Sequence[bytes], protocol: int) -> bytes:
    """Encoded replies in no order: a set in RESP3, an array in RESP2."""
    return array(values) if protocol == 2 else b"~%d\r\n%b" % (len(values), b"".join(values))
