"""What takes a node out, and for how long: `pools.*.ejection` (steering.md, "Ejection of nodes")."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from steer.config.base import Count, Model, PositiveCount, PositiveNumber, section, wrong
from steer.config.units import PositiveSeconds, Seconds, Share

Mode = Literal["on", "off", "observe"]
"""`observe` counts and says what it would do."""


class Consecutive(Model):
    """So many failures in a row; 0 is the same as `off`. Written as a bare number where `mode` is on."""

    failures: Count
    mode: Mode = "on"

    @model_validator(mode="before")
    @classmethod
    def _bare_number(cls, value: Any) -> Any:
        if isinstance(value, int) and not isinstance(value, bool):
            return {"failures": value}
        if not isinstance(value, dict):
            raise wrong("must be a whole number, or {failures, mode}")
        return value

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"anyOf": [{"type": "integer", "minimum": 0}, handler(core)]}


def _in_a_row(failures: int) -> Any:
    """The default, which the JSON Schema shows as the bare number."""
    return Field(default=Consecutive(failures=failures), json_schema_extra={"default": failures})


class FailureShare(Model):
    percent: Share = 0.5
    window: PositiveSeconds = 10.0
    requests: PositiveCount = 20
    mode: Mode = "on"


class PeerComparison(Model):
    """`points`: percentage points between a node's failure share and its peers'."""

    points: PositiveNumber = 20
    window: PositiveSeconds = 30.0
    requests: PositiveCount = 50
    mode: Mode = "on"


class Slowness(Model):
    """p95 over `times` the peers' median and over `floor`, for so many `windows`."""

    times: PositiveNumber = 3
    floor: Seconds = 1.0
    windows: PositiveCount = 3
    mode: Mode = "observe"


class Ejection(Model):
    """`base_time` x n, at most `max_time`; back in service a node grows to its weight over `ramp`."""

    consecutive_gateway_failures: Consecutive = _in_a_row(3)
    consecutive_5xx: Consecutive = _in_a_row(5)
    share: FailureShare = section()
    peers: PeerComparison = section()
    slow: Slowness = section()
    base_time: PositiveSeconds = 30.0
    max_time: PositiveSeconds = 300.0
    ramp: Seconds = 30.0
