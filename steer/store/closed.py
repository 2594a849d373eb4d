"""How the event loop of the store process says that a connection is closed."""

from __future__ import annotations

Closed = RuntimeError
"""What uvloop says of a connection that was reset before something is sent over it; it is no OSError."""
