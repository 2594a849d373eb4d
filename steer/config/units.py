"""Durations, shares and sizes: text in the file, plain numbers in the program.

    500ms 5s 10m 8h 7d   seconds (float)
    20%                  0 to 1 (float)
    64KiB 10MiB 0        bytes (int); a bare number is bytes

Each has a `parse_*` and a `format_*` that gives back the shortest text of the same value.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema

from steer.config.base import wrong

# Nine digits keep every product exact as a float and stop nobody: 999999999d are 2.7 million years.
_NUMBER = r"[0-9]{1,9}(?:\.[0-9]{1,9})?"
_DURATION = rf"^({_NUMBER})(ms|s|m|h|d)$"
_SHARE = rf"^({_NUMBER})%$"
_SIZE = r"^([0-9]{1,9})(B|KiB|MiB|GiB)$"

_SECONDS = {"d": Decimal(86400), "h": Decimal(3600), "m": Decimal(60), "s": Decimal(1), "ms": Decimal("0.001")}
_BYTES = {"GiB": 1 << 30, "MiB": 1 << 20, "KiB": 1 << 10, "B": 1}


def parse_duration(value: Any) -> float:
    """Seconds out of `500ms`, `5s`, `10m`, `8h` or `7d`."""
    found = re.fullmatch(_DURATION, value) if isinstance(value, str) else None
    if found is None:
        raise wrong("must be a duration such as 500ms, 5s, 10m or 8h")
    return float(Decimal(found[1]) * _SECONDS[found[2]])


def format_duration(seconds: float) -> str:
    """The text of a duration in the largest unit that holds it whole."""
    exact = Decimal(repr(seconds))
    for unit, length in _SECONDS.items():
        if exact and exact % length == 0:
            return f"{exact / length:.0f}{unit}"
    return f"{exact.normalize():f}s"


def parse_share(value: Any) -> float:
    """0 to 1 out of `20%`."""
    found = re.fullmatch(_SHARE, value) if isinstance(value, str) else None
    share = Decimal(found[1]) / 100 if found else Decimal(-1)
    if not 0 <= share <= 1:
        raise wrong("must be a share from 0% to 100%, such as 20%")
    return float(share)


def format_share(share: float) -> str:
    return f"{(Decimal(repr(share)) * 100).normalize():f}%"


def parse_size(value: Any) -> int:
    """Bytes out of `512B`, `64KiB`, `10MiB`, `1GiB` or a bare number of bytes."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    found = re.fullmatch(_SIZE, value) if isinstance(value, str) else None
    if found is None:
        raise wrong("must be a size such as 64KiB or 10MiB, or a number of bytes")
    return int(found[1]) * _BYTES[found[2]]


def format_size(size: int) -> str:
    """The text of a size in the largest unit that holds it whole."""
    for unit, length in _BYTES.items():
        if size and size % length == 0:
            return f"{size // length}{unit}"
    return "0B"


def _schema(unit: str, pattern: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": pattern, "x-unit": unit})


Seconds = Annotated[
    float,
    BeforeValidator(parse_duration),
    PlainSerializer(format_duration, return_type=str, when_used="json"),
    _schema("duration", _DURATION),
]
PositiveSeconds = Annotated[Seconds, Field(gt=0)]

Share = Annotated[
    float,
    BeforeValidator(parse_share),
    PlainSerializer(format_share, return_type=str, when_used="json"),
    _schema("share", _SHARE),
]

Size = Annotated[
    int,
    BeforeValidator(parse_size),
    PlainSerializer(format_size, return_type=str, when_used="json"),
    WithJsonSchema({"type": ["string", "integer"], "minimum": 0, "pattern": _SIZE, "x-unit": "size"}),
]
PositiveSize = Annotated[Size, Field(ge=1)]

FORMATS: dict[str, Callable[[Any], str]] = {"duration": format_duration, "share": format_share, "size": format_size}
"""How a default of each unit is written in the JSON Schema."""
