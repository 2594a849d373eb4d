"""The text that says what is there, what to try and what to watch."""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from steer.demo import adapt
from steer.demo.children import RETURNS_AFTER
from steer.demo.scene import Scene, in_words


def guide(scene: Scene, pids: Mapping[str, int]) -> str:
    """`pids` by node name."""
    listener = next(iter(scene.tree["listeners"]))
    port = int(listener["bind"].rpartition(":")[2])
    services = scene.tree["services"]
    parts = [
        _headline(listener, port, services),
        _places(scene.nodes, pids),
        _left_out(scene),
        *(_ask(scene, listener, port, name, service) for name, service in services.items()),
        _watch(scene, listener, port, services),
        _break(scene, pids),
        _steer(scene, services),
        "Ctrl-C ends it and leaves nothing behind.",
    ]
    return "\n\n".join(part for part in parts if part)


def _headline(listener: adapt.Tree, port: int, services: Mapping[str, adapt.Tree]) -> str:
    first = next((service["hostnames"][0] for service in services.values() if service.get("hostnames")), "127.0.0.1")
    return f"steer serves {_scheme(listener)}://{first}:{port} from two simulated datacentres."


def _places(nodes: Iterable[adapt.Node], pids: Mapping[str, int]) -> str:
    lines = [f"  {node.datacentre:<14} {node.name:<14} pid {pids[node.name]:<8} port {node.port}" for node in nodes]
    return "\n".join(sorted(lines))


def _left_out(scene: Scene) -> str:
    return "\n".join(f"  left out: {in_words(each)}" for each in scene.left_out)


def _ask(scene: Scene, listener: adapt.Tree, port: int, name: str, service: adapt.Tree) -> str:
    """One balanced hostname, and every debug hostname."""
    balanced = [(hostname, "any node") for hostname in service.get("hostnames", ())[:1]]
    debug = [(each.hostname, f"always {each.datacentre}") for each in adapt.pinned(service)]
    lines = [f"  {_curl(scene, listener, port, hostname)}   # {which}" for hostname, which in balanced + debug]
    return "\n".join([f"Ask {name}; the answer names its node:", *lines]) if lines else ""


def _watch(scene: Scene, listener: adapt.Tree, port: int, services: Mapping[str, adapt.Tree]) -> str:
    hostname = next((service["hostnames"][0] for service in services.values() if service.get("hostnames")), None)
    if hostname is None:
        return ""
    shown = "-o /dev/null -w '%{http_code} %header{x-steer-node}\\n'"
    ask = _curl(scene, listener, port, hostname).replace("curl -s", f"curl -s {shown}", 1)
    return f"Watch, in another terminal, who answers:\n  while sleep 0.1; do {ask}; done"


def _break(scene: Scene, pids: Mapping[str, int]) -> str:
    """A node whose traffic others take over; where there is none, the first, and what it takes then."""
    node = next((each for each in scene.nodes if _is_covered(scene, each)), None)
    follows = "and see the others take over without a failed request:"
    if node is None:
        node = scene.nodes[0]
        follows = "the only one of its datacentre: requests fail until its group is moved (below):"
    pid, origin = pids[node.name], f"{'https' if node.https else 'http'}://127.0.0.1:{node.port}/.origin"
    curl = "curl -sk -X POST" if node.https else "curl -s -X POST"
    return "\n".join(
        (
            f"Break {node.name}, {follows}",
            f"  kill -KILL {pid}   # it is gone; after {RETURNS_AFTER:.0f} s it comes back, as another process",
            f"  kill -STOP {pid}   # it hangs; kill -CONT {pid} lets it go on",
            f"  {curl} '{origin}/break?status=503'   # it fails; {curl} {origin}/mend mends it",
        )
    )


def _is_covered(scene: Scene, node: adapt.Node) -> bool:
    """Is there another node of its pool where its traffic may go at once?"""
    others = [each for each in scene.nodes if each.pool == node.pool and each.name != node.name]
    if any(each.datacentre == node.datacentre for each in others):
        return True
    services = scene.tree["services"].values()
    groups = (
        each["group"] for each in services if any(route["pool"] == node.pool for route in each.get("routes") or ())
    )
    return bool(others) and all(scene.tree["groups"][name]["mode"] == "active-active" for name in groups)


def _steer(scene: Scene, services: Mapping[str, adapt.Tree]) -> str:
    group, service = next((each["group"], each) for each in services.values())
    hostname = next(iter(service.get("hostnames", ())), "127.0.0.1")
    return "\n".join(
        (
            "Steer (a group takes one change every 5 s):",
            f"  export STEER_ADMIN={scene.admin} STEER_TOKEN=$(cat {shlex.quote(str(scene.token))})",
            f"  {command()} status",
            f"  {command()} explain https://{hostname}/",
            *(f"  {command()} {change}" for change in _changes(group, scene.tree["groups"][group])),
            f"  tail -f {shlex.quote(str(scene.access_log))}",
        )
    )


def _changes(name: str, group: adapt.Tree) -> list[str]:
    """What can be done with the group, and undone."""
    weights = group.get("weights") or {}
    if len(weights) > 1:
        shares = " ".join(f"{place}={weight}" for place, weight in zip(weights, (90, 10), strict=False))
        place = next(iter(weights))
        return [
            f"weights {name} {shares} --reason 'try it'",
            f"drain {place} --group {name} --reason 'try it'",
            f"restore {place} --group {name} --reason 'tried it'",
        ]
    if len(group.get("order") or ()) > 1:
        return [
            f"failover {name} --no-wait --reason 'try it'",
            f"failback {name} --no-wait --reason 'tried it'",
        ]
    return []


def command() -> str:
    """How to call steer from here: as short as it can be."""
    ours = Path(sys.executable).with_name("steer")
    if shutil.which("steer") == str(ours):
        return "steer"
    return shlex.quote(str(ours.relative_to(Path.cwd()) if ours.is_relative_to(Path.cwd()) else ours))


def _curl(scene: Scene, listener: adapt.Tree, port: int, hostname: str) -> str:
    trust = f" --cacert {shlex.quote(str(scene.authority))}" if "tls" in listener else ""
    return f"curl -s{trust} --resolve {hostname}:{port}:127.0.0.1 {_scheme(listener)}://{hostname}:{port}/"


def _scheme(listener: adapt.Tree) -> str:
    return "https" if "tls" in listener else "http"
