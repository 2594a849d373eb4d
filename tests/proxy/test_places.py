from __future__ import annotations

from steer.proxy.places import Placing, place
from steer.proxy.settings import NodeAddress, PlaneSettings, PoolSettings
from steer.steering.model import Node, Pool, Topology

Nodes = dict[str, int]
"""Name -> port."""


def configured(nodes: Nodes, manner: object = None) -> tuple[Topology, PlaneSettings]:
    members = tuple(Node(index, name, "web", "one") for index, name in enumerate(nodes))
    topology = Topology(("one",), members, {"web": Pool("web", members)}, {}, {})
    addresses = tuple(NodeAddress("127.0.0.1", port) for port in nodes.values())
    return topology, PlaneSettings("edge-a", (), {"web": PoolSettings("web", manner=manner)}, addresses)


def follow(placing: Placing, nodes: Nodes, manner: object = None, *, free: bool = False) -> Placing:
    return place(placing.topology, placing.settings, *configured(nodes, manner), is_free=lambda _: free)


def start(nodes: Nodes) -> Placing:
    return Placing(*configured(nodes), fresh=(), gone=())


def numbers(placing: Placing) -> dict[str, int]:
    found = placing.topology.pools["web"].nodes
    for node in found:
        assert placing.topology.nodes[node.index] is node
    assert [node.index for node in placing.topology.nodes] == list(range(len(placing.topology.nodes)))
    assert len(placing.settings.addresses) == len(placing.topology.nodes)
    return {node.name: node.index for node in found}


def test_nodes_that_stay_keep_their_places_whatever_their_order() -> None:
    found = follow(start({"a": 1, "b": 2, "c": 3}), {"c": 3, "a": 1, "b": 2})
    assert numbers(found) == {"a": 0, "b": 1, "c": 2}
    assert (found.fresh, found.gone) == ((), ())


def test_a_new_node_gets_a_new_place_and_one_that_goes_leaves_its_own() -> None:
    found = follow(start({"a": 1, "b": 2}), {"b": 2, "c": 3})
    assert numbers(found) == {"b": 1, "c": 2}
    assert (found.fresh, found.gone) == ((2,), (0,))
    assert found.settings.addresses[2].port == 3


def test_a_node_with_another_address_is_another_node() -> None:
    found = follow(start({"a": 1}), {"a": 9})
    assert numbers(found) == {"a": 1}
    assert [address.port for address in found.settings.addresses] == [1, 9]


def test_so_is_one_that_is_spoken_to_in_another_manner() -> None:
    found = follow(start({"a": 1}), {"a": 1}, manner="over TLS")
    assert (numbers(found), found.gone) == ({"a": 1}, (0,))


def test_a_place_is_used_again_only_when_nothing_of_its_node_is_left() -> None:
    gone = follow(start({"a": 1, "b": 2}), {"b": 2})
    busy = follow(gone, {"b": 2, "c": 3}, free=False)
    assert (numbers(busy), busy.gone) == ({"b": 1, "c": 2}, (0,))
    free = follow(gone, {"b": 2, "c": 3}, free=True)
    assert (numbers(free), free.fresh, free.gone) == ({"b": 1, "c": 0}, (0,), ())
    assert free.settings.addresses[0].port == 3


def test_a_place_is_never_used_again_at_the_reload_that_empties_it() -> None:
    found = follow(start({"a": 1}), {"c": 3}, free=True)
    assert (numbers(found), found.gone) == ({"c": 1}, (0,))


def test_a_thousand_reloads_of_a_node_that_moves_need_two_places() -> None:
    placing = start({"a": 1})
    for port in range(2, 1000):
        placing = follow(placing, {"a": port}, free=True)
    assert len(placing.topology.nodes) == 2
