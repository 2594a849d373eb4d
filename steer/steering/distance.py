"""How far datacentres are: along the surface of a sphere, shortened or lengthened by a bias."""

from __future__ import annotations

from collections.abc import Mapping
from math import asin, cos, radians, sin, sqrt

from steer.steering.model import Location

EARTH_RADIUS_KM = 6371.0088
"""Mean radius (IUGG). The Earth is no sphere: what comes out is right to 0.6 %."""


def nearest(location: Location, locations: Mapping[str, Location], bias: Mapping[str, float]) -> tuple[str, ...]:
    """The datacentres, the nearest first; as near as each other: in the order given.

    `bias` (-99 to 99) makes a distance count as x (1 - bias / 100): 50 halves it, -50 adds half of it.
    """
    lengths = {
        name: distance_km(location, there) * (1 - bias.get(name, 0.0) / 100) for name, there in locations.items()
    }
    return tuple(sorted(locations, key=lengths.__getitem__))


def distance_km(one: Location, other: Location) -> float:
    """Great-circle distance by the haversine formula, which stays exact for places that are close together."""
    (north, east), (to_north, to_east) = ((radians(p[0]), radians(p[1])) for p in (one, other))
    half = sin((to_north - north) / 2) ** 2 + cos(north) * cos(to_north) * sin((to_east - east) / 2) ** 2
    return 2 * EARTH_RADIUS_KM * asin(sqrt(min(1.0, half)))
