"""Is a rule for this request? `When` prepared for the question: all of what is given must hold, and of each list one.

What costs most comes last: path and field are at hand, the place may have to be looked up. An address that is nowhere
is in no country: no geographic condition holds for it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Protocol

from steer.patterns import Pattern
from steer.steering.model import NOWHERE, Area, FieldTest, Place, When

MOST_ADDRESSES = 4096
"""Clients whose address is kept as a number: 0.5 MiB a process. Reading it again costs 1 us."""


class Asked(Protocol):
    """What conditions ask of a request; `Facts` has it."""

    @property
    def client(self) -> str:
        """The client's address as text."""

    @property
    def path(self) -> str:
        """Without its query and as it was sent; empty where there is none (TCP)."""

    @property
    def place(self) -> Place:
        """Where the client is."""

    def field(self, name: str) -> str | None:
        """A field of the request, by its name in lower case."""


Test = Callable[[Asked], bool]
Locate = Callable[[str], Place]
"""Where an address (text) is. Never raises, and may be slow for an address that was not asked for lately: 0.1 ms."""


def nowhere(address: str) -> Place:
    """`Locate` where nothing is known of any address."""
    return NOWHERE


class Matcher:
    """One rule's conditions, prepared. `needs_place`: some of them are about where the client is."""

    __slots__ = ("_tests", "needs_place")

    def __init__(self, tests: Sequence[Test], needs_place: bool) -> None:
        self._tests = tuple(tests)
        self.needs_place = needs_place

    def matches(self, asked: Asked) -> bool:
        """Without conditions: always."""
        return all(test(asked) for test in self._tests)


def compile_when(when: When) -> Matcher:
    """Raises ValueError for a network or a regular expression that cannot be used (`steer check` has found it)."""
    tests: list[Test] = []
    if when.paths:
        tests.append(_path_test(when.paths))
    if when.field is not None:
        tests.append(_field_test(when.field))
    tests += _area_tests(when.area)
    if when.regions:
        tests.append(_any_of([_area_tests(region) for region in when.regions]))
    return Matcher(tests, any(needs_place(area) for area in (when.area, *when.regions)))


def needs_place(area: Area) -> bool:
    """Whether it takes more than the address to know who is in it."""
    return bool(area.countries or area.subdivisions or area.continents or area.asns)


def _area_tests(area: Area) -> list[Test]:
    tests = [_network_test(area.networks)] if area.networks else []
    return [*tests, lambda asked: _is_in(asked.place, area)] if needs_place(area) else tests


def _is_in(place: Place, area: Area) -> bool:
    return (
        (not area.countries or place.country in area.countries)
        and (not area.subdivisions or place.subdivision in area.subdivisions)
        and (not area.continents or place.continent in area.continents)
        and (not area.asns or place.asn in area.asns)
    )


def _any_of(areas: Sequence[Sequence[Test]]) -> Test:
    return lambda asked: any(all(test(asked) for test in tests) for tests in areas)


def _path_test(prefixes: Sequence[str]) -> Test:
    """As routes match: `/a` is for `/a` and `/a/b`, not for `/ab`; `/` is for all."""
    bare = tuple(prefix.rstrip("/") for prefix in prefixes)
    folders = tuple(f"{prefix}/" for prefix in bare)
    return lambda asked: asked.path in bare or asked.path.startswith(folders)


def _field_test(test: FieldTest) -> Test:
    passes = _value_test(test)

    def has(asked: Asked) -> bool:
        value = asked.field(test.name)
        return value is not None and passes(value)

    return has


def _value_test(test: FieldTest) -> Callable[[str], bool]:
    if test.regex is not None:
        return Pattern(test.regex).is_in
    if test.prefix is not None:
        prefix = test.prefix
        return lambda value: value.startswith(prefix)
    return lambda value: value == test.equals


def _network_test(networks: Sequence[str]) -> Test:
    blocks = tuple(_block(network) for network in networks)

    def is_in(asked: Asked) -> bool:
        known = numbered(asked.client)
        if known is None:
            return False
        version, number = known
        return any(version == block[0] and number & block[2] == block[1] for block in blocks)

    return is_in


def _block(network: str) -> tuple[int, int, int]:
    """Version, first address, mask."""
    parsed = ip_network(network, strict=False)
    return parsed.version, int(parsed.network_address), int(parsed.netmask)


@lru_cache(MOST_ADDRESSES)
def numbered(address: str) -> tuple[int, int] | None:
    """(4 or 6, the address as a number); None: it is no address. ::ffff:192.0.2.1 counts as 192.0.2.1 (RFC 4291)."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return None
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
        return 4, int(parsed.ipv4_mapped)
    return parsed.version, int(parsed)
