"""What a store process is told, as JSON: where the engines are, and whether one of its guards is to be taken away."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

Control = Literal["", "replica", "double-write", "no-tombstones", "wall-clock", "no-not-after"]
NAME = "web"
BUCKETS = 64
"""Of 1,024: the same scripts with more keys in each bucket, and a load that two CPUs can carry."""


class Engine(BaseModel):
    """`url` of a standalone Redis, or the ports of Sentinels."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str = ""
    sentinels: tuple[int, ...] = ()
    timeout: float = 0.25


class Settings(BaseModel):
    """One process. `engines` by site: how this process reaches them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    site: int
    port: int
    engines: dict[int, Engine]
    control: Control = ""
    max_pending: int = 400
    keys: tuple[tuple[str, str, str], ...] = ()
    """The ring that seals: id, secret in hexadecimal, state."""
