"""How sure a difference of two shares is: Newcombe's interval, made of two of Wilson's.

E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22 (1927), 209-212.
R. G. Newcombe, "Interval estimation for the difference between independent proportions: comparison of eleven methods",
Statistics in Medicine 17 (1998), 873-890: method 10, the hybrid score interval without continuity correction.
"""

from __future__ import annotations

from math import sqrt
from typing import NamedTuple

Z = 1.959963984540054
"""The standard normal deviate of a two-sided 95 % interval."""


class Interval(NamedTuple):
    low: float
    high: float


def wilson(events: int, of: int) -> Interval:
    """The 95 % interval of a share of which `events` of `of` trials were seen; of 0 trials, anything.

    With p = events / of and n = of:

        (2np + z^2 -+ z sqrt(z^2 + 4np(1 - p))) / (2 (n + z^2))
    """
    if of == 0:
        return Interval(0.0, 1.0)
    middle = 2 * events + Z * Z
    half = Z * sqrt(Z * Z + 4 * events * (1 - events / of))
    scale = 2 * (of + Z * Z)
    return Interval(max(0.0, (middle - half) / scale), min(1.0, (middle + half) / scale))


def newcombe(events: int, of: int, other_events: int, of_others: int) -> Interval:
    """The 95 % interval of the first share less the second; both `of` are over 0.

    With the shares p and q, their Wilson intervals (l, u) and (m, v), and d = p - q:

        d - sqrt((p - l)^2 + (v - q)^2)    to    d + sqrt((u - p)^2 + (q - m)^2)
    """
    p, q = events / of, other_events / of_others
    own, others = wilson(events, of), wilson(other_events, of_others)
    difference = p - q
    low = difference - sqrt((p - own.low) ** 2 + (others.high - q) ** 2)
    high = difference + sqrt((own.high - p) ** 2 + (q - others.low) ** 2)
    return Interval(low, high)
