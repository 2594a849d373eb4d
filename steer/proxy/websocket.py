"""The WebSocket handshake's proof (RFC 6455 section 4.2.2): a tunnel is opened only for the answer to our question."""

from __future__ import annotations

import base64
import hashlib

from steer.proxy.http.head import ResponseHead

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def is_accepted(key: bytes, head: ResponseHead) -> bool:
    """Whether a 101 answers the question with this Sec-WebSocket-Key."""
    return head.upgrade == b"websocket" and head.websocket_accept == accept_for(key)


def accept_for(key: bytes) -> bytes:
    """The Sec-WebSocket-Accept that belongs to a Sec-WebSocket-Key."""
    return base64.b64encode(hashlib.sha1(key + _GUID, usedforsecurity=False).digest())
