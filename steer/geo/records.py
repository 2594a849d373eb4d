"""What a record of a database says, as a `Place`; and two places that are of the same address put together.

MaxMind's own databases nest (`country.iso_code`); others in the same format are flat (`country_code`, `asn: AS64500`).
Both are read. Whatever is of another type than it should be, or makes no sense, counts as left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import isfinite
from typing import Any

from steer.steering.model import NOWHERE, Location, Place

LARGEST_ASN = 2**32 - 1
"""RFC 6793."""


def place_of(record: object) -> Place:
    """Of one record, whatever it is."""
    if not isinstance(record, Mapping):
        return NOWHERE
    return Place(
        country=_code(record, ("country", "iso_code"), ("country_code",), ("country",), longest=2),
        subdivision=_subdivision(record),
        continent=_code(record, ("continent", "code"), ("continent_code",), ("continent",), longest=2),
        asn=_asn(record),
        location=_location(record.get("location")),
    )


def put_together(first: Place, second: Place) -> Place:
    """`first` counts; `second` fills in what that left out, where it does not speak of somewhere else."""
    asn = first.asn or second.asn
    if not _agree(first, second):
        return replace(first, asn=asn)
    return Place(
        country=first.country or second.country,
        subdivision=first.subdivision or second.subdivision,
        continent=first.continent or second.continent,
        asn=asn,
        location=first.location or second.location,
    )


def _agree(first: Place, second: Place) -> bool:
    pairs = (
        (first.country, second.country),
        (first.subdivision, second.subdivision),
        (first.continent, second.continent),
    )
    return all(not one or not other or one == other for one, other in pairs)


def _code(record: Mapping[Any, Any], *paths: tuple[str, ...], longest: int) -> str:
    """The first of the paths that leads to a code such as `NZ`."""
    for path in paths:
        found: object = record
        for key in path:
            found = found.get(key) if isinstance(found, Mapping) else None
        if isinstance(found, str) and 0 < len(found) <= longest and found.isascii() and found.isalnum():
            return found.upper()
    return ""


def _subdivision(record: Mapping[Any, Any]) -> str:
    """The largest one: `subdivisions` goes from the largest to the smallest."""
    listed = record.get("subdivisions")
    first = listed[0] if isinstance(listed, list) and listed else None
    return _code(first, ("iso_code",), longest=3) if isinstance(first, Mapping) else ""


def _asn(record: Mapping[Any, Any]) -> int:
    traits = record.get("traits")
    inner = traits.get("autonomous_system_number") if isinstance(traits, Mapping) else None
    for found in (record.get("autonomous_system_number"), record.get("asn"), inner):
        if isinstance(found, str):
            digits = found.upper().removeprefix("AS")
            found = int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= 10 else None
        if isinstance(found, int) and not isinstance(found, bool) and 0 < found <= LARGEST_ASN:
            return found
    return 0


def _location(found: object) -> Location | None:
    if not isinstance(found, Mapping):
        return None
    north, east = _degrees(found.get("latitude"), 90), _degrees(found.get("longitude"), 180)
    return (north, east) if north is not None and east is not None else None


def _degrees(found: object, most: int) -> float | None:
    if isinstance(found, bool) or not isinstance(found, int | float):
        return None
    return float(found) if isfinite(found) and -most <= found <= most else None
