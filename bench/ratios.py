"""Medians of pairs: what one proxy costs as a multiple of another, from samples that stood next to each other."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from pydantic import BaseModel, ConfigDict


class Ratio(BaseModel):
    """`pairs`: one quotient for each round; the median is the result, least and greatest its spread."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    pairs: tuple[float, ...]
    median: float
    least: float
    greatest: float


def ratio(costs: Sequence[float], peer_costs: Sequence[float]) -> Ratio | None:
    """Costs of both, round by round. Rounds that only one of them has are left out; None without a pair."""
    pairs = tuple(cost / peer for cost, peer in zip(costs, peer_costs, strict=False))
    if not pairs:
        return None
    return Ratio(pairs=pairs, median=median(pairs), least=min(pairs), greatest=max(pairs))


def turns(names: Sequence[str], rounds: int) -> list[tuple[str, ...]]:
    """The order in each round: A B C, then B C A, then C A B, so that nobody is always first."""
    return [(*names[start:], *names[:start]) for start in (number % len(names) for number in range(rounds))]
