"""The WebSocket handshake's proof (RFC 6455 section 4.2.2): a tunnel is opened only for the answer to our question."""

from __future__ import annotations

import base64
import hashlib

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def accept_for(key: bytes) -> bytes:
    """The Sec-WebSocket-Accept that belongs to a Sec-WebSocket-Key."""
    return base64.b64encode(hashlib.sha1(key + _GUID, usedforsecurity=False).digest())
