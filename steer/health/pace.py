"""When to ask a node again. Pure: takes dice, tells seconds."""

from __future__ import annotations

from dataclasses import dataclass

from steer.health.expect import CheckSettings
from steer.steering.model import Dice

IN_DOUBT = 1.0
"""Seconds between checks while in doubt: three failures are then known within 3 s of the first, at one more
request a second for the node."""

JITTER = 0.1
"""Share of the interval, to both sides: edges started together do not stay in step."""


@dataclass(frozen=True, slots=True)
class Streak:
    """How the last checks of a node went: so many passed, or failed, in a row."""

    is_up: bool
    """By its own checks alone: not up after `fall` failures, up again after `rise` passes."""
    passes: int = 0
    failures: int = 0

    def after(self, passed: bool, settings: CheckSettings) -> Streak:
        if passed:
            passes = self.passes + 1
            return Streak(self.is_up or passes >= settings.rise, passes=passes)
        failures = self.failures + 1
        return Streak(self.is_up and failures < settings.fall, failures=failures)

    def is_in_doubt(self, settings: CheckSettings, suspected: bool) -> bool:
        """`suspected`: somebody else, the traffic for one, took the node out."""
        return not self.is_up or self.failures > 0 or (suspected and self.passes < settings.rise)


def first_streak(settings: CheckSettings) -> Streak:
    """A node is up until its checks say otherwise, unless it must pass first."""
    return Streak(is_up=not settings.must_pass_first)


def first_pause(settings: CheckSettings, dice: Dice) -> float:
    """Spread over the interval, so that a start does not ask all nodes at once."""
    longest = _fast(settings) if settings.must_pass_first else settings.interval
    return longest * dice.random()


def pause(settings: CheckSettings, in_doubt: bool, dice: Dice) -> float:
    """Seconds from the start of one check to the start of the next."""
    usual = _fast(settings) if in_doubt else settings.interval
    return usual * (1 + JITTER * (2 * dice.random() - 1))


def _fast(settings: CheckSettings) -> float:
    return min(IN_DOUBT, settings.interval)
