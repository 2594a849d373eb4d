"""What HTTP/1.1 allows, as expressions over bytes, each with its source; where steer is stricter, it says so."""

from __future__ import annotations

import re

TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
"""RFC 9110 section 5.6.2. Methods and field names."""

FIELD = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):([\t\x20-\x7e\x80-\xff]*)")
"""RFC 9112 section 5: no space before the colon, no control characters in the value (so no bare CR or LF, no NUL).
Obsolete line folding does not match, since its second line has no name."""

TARGET = re.compile(rb"[!\"$-~]+")
"""Visible ASCII, and no fragment (RFC 9112 section 3.2)."""

EMPTY_LINES = re.compile(rb"\A(?:\r\n)+")
"""What a careless client sends between two requests (RFC 9112 section 2.2)."""

CONTENT_LENGTH = re.compile(rb"[0-9]{1,18}")
"""RFC 9110 section 8.6, one value only. 18 digits stay below 2**63, where nodes' own counters end."""

AUTHORITY = re.compile(rb"([A-Za-z0-9](?:[A-Za-z0-9._-]{0,253})?|\[[0-9A-Fa-f:.]{2,45}\])(?::([0-9]{1,5}))?")
"""RFC 3986 section 3.2, without user information: names and addresses of real hosts only. No percent-encoding."""

ABSOLUTE_FORM = re.compile(rb"[Hh][Tt][Tt][Pp][Ss]?://([^/?#@\\]+)((?:[/?].*)?)")
"""RFC 9112 section 3.2.2: the authority ends with the target, at a slash or at a question mark, and nowhere else."""

DOT_SEGMENT = re.compile(rb"(?i:(?:[/\\]|%2f|%5c)(?:\.|%2e){1,2}(?:[/\\;]|%2f|%5c|$))")
"""A segment that is `.` or `..`, plain or encoded. Back-slashes, encoded slashes and `;` end it too: some nodes see
them so, and would leave the route that the path was matched with."""

STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9]{2})(?: ([\t\x20-\x7e\x80-\xff]*))?")
"""RFC 9112 section 4; other statuses are invalid (RFC 9110 section 15). The space after the status may be missing where
there is no reason: common, harmless."""

CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]{1,15})(?:[ \t]*;[\t\x20-\x7e\x80-\xff]*)?")
"""RFC 9112 section 7.1. Extensions are read and dropped. 15 hexadecimal digits stay below 2**63."""

WEBSOCKET_KEY = re.compile(rb"[A-Za-z0-9+/]{22}==")
"""RFC 6455 section 4.1: 16 bytes in base 64."""


def has_bare_line_end(data: bytes) -> bool:
    """Is there a CR or an LF that is no CRLF (RFC 9112 section 2.2)? The last byte may be a CR whose LF is to come.

    Counts, because what has come of a message is looked at again with every piece.
    """
    pairs = data.count(b"\r\n")
    return data.count(b"\n") != pairs or data.count(b"\r", 0, len(data) - 1) != pairs
