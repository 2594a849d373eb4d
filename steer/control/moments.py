"""Wall times as the admin API shows them."""

from __future__ import annotations

from datetime import UTC, datetime


def moment(wall: float | None) -> str | None:
    """RFC 3339 in UTC. None and 0 (never): null."""
    return datetime.fromtimestamp(wall, UTC).isoformat(timespec="milliseconds") if wall else None
