"""The configuration of an edge of the rig: read by steer itself, and past no relay."""

from __future__ import annotations

from pathlib import Path

import pytest

from chaos.child import Spot
from chaos.edge_child import EdgeChild
from chaos.joining import Joining
from chaos.keys import FileKeys
from chaos.relay import Relay
from steer.config import load
from steer.store.redis_link import RedisPlace
from steer.store.remote.link import RemotePlace
from steer.store_parameters import StoreSettings, store_settings

EDGES = {"edge-1a": 1, "edge-1b": 1, "edge-2a": 2}


async def settings_of(folder: Path, name: str, joining: Joining | None) -> tuple[Spot, StoreSettings]:
    """Of this edge, as its store process would have them."""
    site = EDGES[name]
    counts = {other: 1 if joining is None or other == site else len(joining.ports_at(other)) for other in (1, 2)}
    relays = {other: [Relay(9) for _ in range(count)] for other, count in counts.items()}
    for relay in [*relays[1], *relays[2]]:
        await relay.start()
    spot = Spot(site, name, folder, relays, {}, "", 400, "all")
    FileKeys(folder / "keys.yaml")
    EdgeChild(spot, folder / "keys.yaml", joining)
    found = store_settings(load(folder / name / "steer.yaml"))
    assert found is not None
    for relay in [*relays[1], *relays[2]]:
        await relay.close()
    return spot, found


async def test_an_edge_goes_to_each_redis_through_a_relay(tmp_path: Path) -> None:
    spot, found = await settings_of(tmp_path, "edge-1a", None)
    assert found.sites.engine is not None
    assert found.sites.engine.url.endswith(f":{spot.relays[1][0].port}/0")
    other = found.sites.others[2]
    assert isinstance(other, RedisPlace)
    assert other.url.endswith(f":{spot.relays[2][0].port}/0")


async def test_an_error_in_its_log_is_a_crash_unless_the_rig_has_killed_its_child(tmp_path: Path) -> None:
    FileKeys(tmp_path / "keys.yaml")
    relay = Relay(9)
    edge = EdgeChild(Spot(1, "edge-1a", tmp_path, {1: [relay]}, {}, "", 400, "all"), tmp_path / "keys.yaml", None)
    lines = [
        '{"level": "error", "event": "asyncio", "what": "Task exception was never retrieved"}',
        '{"level": "error", "event": "steer.runtime", "what": "store (pid 7) was killed by SIGKILL; starting another"}',
        '{"level": "warning", "event": "steer.store", "what": "the engine does not answer"}',
    ]
    (tmp_path / "edge-1a.log").write_text("\n".join(lines))
    assert edge.crashes() == lines[:1]


@pytest.mark.parametrize("name", EDGES)
async def test_an_edge_goes_to_each_edge_of_the_other_site_through_a_relay(name: str, tmp_path: Path) -> None:
    joining = Joining(tmp_path, EDGES)
    spot, found = await settings_of(tmp_path, name, joining)
    (other,) = found.sites.others.values()
    assert isinstance(other, RemotePlace)
    assert [door.port for door in other.doors] == [relay.port for relay in spot.relays[3 - spot.site]]
    assert found.peers is not None
    assert int(found.peers.bind.rpartition(":")[2]) in joining.ports_at(spot.site)
