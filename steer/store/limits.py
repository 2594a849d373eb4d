"""What a record may be, whichever door it comes through. Doors may allow less."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from steer.store.errors import TooLarge

KEY_BYTES = 1024
"""Session ids are 16 to 256 characters, with a prefix; memcached allows 250, and 1,024 is generous."""
VALUE_BYTES = 1 << 20
"""Of a plain value, or of a hash in all. A script that handles it holds the engine for about 2 ms."""
FIELDS = 4096
"""Of a hash, with those that were removed: a merge walks them all inside the engine."""
REQUEST_BYTES = 64
"""An Idempotency-Key is usually a UUID of 36."""


def check_key(key: bytes) -> None:
    """Raises TooLarge."""
    if not 0 < len(key) <= KEY_BYTES:
        raise TooLarge(f"a key has 1 to {KEY_BYTES} bytes, this one {len(key)}")


def check_value(value: bytes | Mapping[bytes, bytes]) -> None:
    """Raises TooLarge."""
    if isinstance(value, bytes):
        check_size(len(value))
    else:
        check_fields(value, ())


def check_fields(fields: Mapping[bytes, bytes], removed: Collection[bytes]) -> None:
    """Of one write. What a hash comes to in all is checked by the engine. Raises TooLarge."""
    if len(fields) + len(removed) > FIELDS:
        raise TooLarge(f"a hash has at most {FIELDS} fields")
    check_size(sum(len(name) + len(value) for name, value in fields.items()) + sum(map(len, removed)))


def check_size(size: int) -> None:
    """Raises TooLarge."""
    if size > VALUE_BYTES:
        raise TooLarge(f"a record has at most {VALUE_BYTES} bytes, this one {size}")


def check_request(request: bytes | None) -> None:
    """Raises TooLarge."""
    if request is not None and not 0 < len(request) <= REQUEST_BYTES:
        raise TooLarge(f"a request id has 1 to {REQUEST_BYTES} bytes, this one {len(request)}")
