"""Which fault begins when, where, and for how long: made from a seed, which makes the same again.

Faults follow one another with a pause in between, and every third time the next one begins while the last still lasts.
A site is lost at most twice in a run, always the same one, and with nothing beside it: what is promised is the loss of
*one* site.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from random import Random

SITES = (1, 2)
SECOND, HOUR = 1.0, 3600.0


class Fault(StrEnum):
    KILL_ENGINE = "kill engine"
    STOP_ENGINE = "stop engine"
    KILL_STORE = "kill store"
    SPLIT_SITES = "split sites"
    SPLIT_ENGINE = "split engine"
    STEP_CLOCK = "step clock"
    JUMP_CLOCK = "jump clock"
    TRIM = "trim"
    FLUSH_SCRIPTS = "flush scripts"
    ROTATE_KEY = "rotate key"
    MOVE = "move"
    LOSE_SITE = "lose site"


CLOCKS = (Fault.STEP_CLOCK, Fault.JUMP_CLOCK)
NEEDS_RELAY = (Fault.SPLIT_SITES, Fault.SPLIT_ENGINE)
USUAL = tuple(fault for fault in Fault if fault is not Fault.LOSE_SITE)
LASTS: dict[Fault, tuple[float, float]] = {
    # Seconds. Engines and processes come back as a service manager brings them, or after somebody was called.
    Fault.KILL_ENGINE: (0.2, 3.0),
    Fault.STOP_ENGINE: (0.5, 4.5),
    Fault.KILL_STORE: (0.0, 1.5),
    Fault.SPLIT_SITES: (1.0, 5.0),
    Fault.SPLIT_ENGINE: (0.5, 4.0),
    Fault.STEP_CLOCK: (1.0, 4.0),
    Fault.JUMP_CLOCK: (0.5, 3.0),
    Fault.TRIM: (0.0, 0.0),
    Fault.FLUSH_SCRIPTS: (0.0, 0.0),
    Fault.ROTATE_KEY: (0.5, 1.5),
    Fault.MOVE: (0.5, 1.5),
    Fault.LOSE_SITE: (1.0, 4.0),
}
PAUSE = (0.3, 2.0)
AFTER_LOSS = 6.0
"""Seconds for the site to be built anew, before anything else happens to it."""


@dataclass(frozen=True, slots=True)
class Step:
    """`how`: cut or held, of a way; "out" (ours to theirs), "in" or "both". `ahead`: seconds, of a clock."""

    at: float
    lasts: float
    fault: Fault
    site: int
    how: str = ""
    ahead: float = 0.0

    @property
    def ends(self) -> float:
        return self.at + self.lasts

    def __str__(self) -> str:
        more = " ".join(part for part in (self.how, f"{self.ahead:+g} s" if self.ahead else "") if part)
        return f"{self.fault} of site {self.site}{': ' + more if more else ''}, for {self.lasts:.1f} s"


@dataclass
class _Maker:
    """What is needed while a schedule is made. `brisk` shortens everything by so much."""

    dice: Random
    brisk: float
    lost_site: int
    steps: list[Step] = field(default_factory=list)
    at: float = 0.0

    def pause(self) -> float:
        return self.dice.uniform(*PAUSE) * self.brisk

    def add(self, fault: Fault) -> None:
        """One more, and then the next comes after a pause: from its end, or from its beginning."""
        step = made(fault, self.at, self.dice.choice(SITES), self.dice, self.brisk)
        self.steps.append(step)
        self.at = (step.at if self.dice.random() < 0.33 else step.ends) + self.pause()

    def add_loss(self, *, may_split: bool) -> None:
        """Of the same site as before, when all else has healed. Half of the times the sites were split a little before,
        so that what it had acknowledged `local` goes with it."""
        self.at = max([self.at, *(step.ends + 1.0 for step in self.steps)])
        if may_split and self.dice.random() < 0.5:
            split = Step(
                self.at, self.dice.uniform(1.5, 2.5) * self.brisk, Fault.SPLIT_SITES, self.lost_site, "held both"
            )
            self.steps.append(split)
            self.at = split.ends - 0.2
        step = made(Fault.LOSE_SITE, self.at, self.lost_site, self.dice, self.brisk)
        self.steps.append(step)
        self.at = step.ends + AFTER_LOSS * self.brisk


def schedule(seed: int, seconds: float, faults: Sequence[Fault], brisk: float = 1.0) -> list[Step]:
    """Each fault once before any comes again, in an order of its own each time."""
    dice = Random(seed)
    maker = _Maker(dice, brisk, dice.choice(SITES))
    maker.at = maker.pause()
    bag: list[Fault] = []
    while maker.at < seconds - 1.0:
        if not bag:
            bag = dice.sample(list(faults), len(faults))
        fault = bag.pop()
        if fault is not Fault.LOSE_SITE:
            maker.add(fault)
        elif sum(step.fault is Fault.LOSE_SITE for step in maker.steps) < 2:
            maker.add_loss(may_split=Fault.SPLIT_SITES in faults)
    return [step for step in maker.steps if step.ends < seconds]


def made(fault: Fault, at: float, site: int, dice: Random, brisk: float) -> Step:
    """One step, with what its fault leaves to chance."""
    how, ahead = "", 0.0
    if fault in NEEDS_RELAY:
        how = dice.choice(("cut", "held"))
    if fault is Fault.SPLIT_SITES:
        how += " " + dice.choice(("out", "in", "both", "both"))
    if fault is Fault.STEP_CLOCK:
        ahead = dice.choice((-3, -1, 1, 3)) * SECOND
    if fault is Fault.JUMP_CLOCK:
        ahead = dice.choice((-HOUR, HOUR))
    return Step(at, dice.uniform(*LASTS[fault]) * brisk, fault, site, how, ahead)


def offset(steps: Sequence[Step], began: float, ended: float, echo: float = 3.5) -> float:
    """How far any engine's stamps may have been from the machine's clock in this time. A clock that is set back keeps
    its stamps ahead, until time has caught up: so a step has an echo. An hour is refused, and moves no stamp."""
    near = (
        abs(step.ahead)
        for step in steps
        if step.fault is Fault.STEP_CLOCK and step.at - 0.1 <= ended and began <= step.ends + echo
    )
    return max(near, default=0.0)
