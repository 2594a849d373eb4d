"""Networks that the configuration places itself."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

from hypothesis import given
from hypothesis import strategies as st

from steer.geo.networks import Networks
from steer.steering.model import Place


def find(networks: Networks, address: str) -> Place | None:
    parsed = ip_address(address)
    return networks.find(parsed.version, int(parsed))


def test_the_longest_prefix_counts_whatever_the_order() -> None:
    office, country, world = Place("NZ", "WGN"), Place("NZ"), Place("AU")
    for order in ([0, 1, 2], [2, 1, 0]):
        entries = [("192.0.2.0/24", country), ("192.0.2.64/26", office), ("0.0.0.0/0", world)]
        networks = Networks([entries[index] for index in order])
        assert find(networks, "192.0.2.65") == office
        assert find(networks, "192.0.2.1") == country
        assert find(networks, "198.51.100.1") == world


def test_versions_do_not_mix() -> None:
    networks = Networks([("0.0.0.0/0", Place("NZ")), ("2001:db8::/32", Place("AU")), ("::1/128", Place("US"))])
    assert find(networks, "2001:db8::9") == Place("AU")
    assert find(networks, "::1") == Place("US")
    assert find(networks, "2001:db9::9") is None


def test_of_a_network_that_is_there_twice_the_first_counts() -> None:
    assert find(Networks([("192.0.2.0/24", Place("NZ")), ("192.0.2.9/24", Place("AU"))]), "192.0.2.1") == Place("NZ")


def test_none_is_nothing() -> None:
    assert not Networks([])
    assert find(Networks([]), "192.0.2.1") is None


NETWORKS = st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 32)).map(
    lambda pair: ip_network((pair[0], pair[1]), strict=False)
)


@given(st.lists(NETWORKS, max_size=8), st.integers(0, 2**32 - 1))
def test_what_is_found_is_what_a_search_through_all_finds(networks: list[object], number: int) -> None:
    placed = {str(network): Place(asn=index) for index, network in enumerate(networks, 1) if network}
    fitting = [text for text in placed if ip_address(number) in ip_network(text)]
    best = max(fitting, key=lambda text: ip_network(text).prefixlen, default=None)
    assert Networks(list(placed.items())).find(4, number) == (placed[best] if best else None)
