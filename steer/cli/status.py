"""`steer status`: what goes where now."""

from __future__ import annotations

import typer

from steer.cli.client import Json
from steer.cli.command import Call, asks_edge
from steer.cli.moving import stay
from steer.cli.output import aligned, duration, milliseconds, number, percent, print_json, say


def register(app: typer.Typer) -> None:
    @asks_edge(app)
    def status(call: Call) -> None:
        """What goes where now, a line for each group.

        Example: steer status
        """
        found = call.edge.get("/status")
        if call.json:
            print_json(found)
            return
        for line in (edge_line(found), *group_lines(found["groups"])):
            say(line)


def edge_line(status: Json) -> str:
    serving = sum(worker["state"] == "serving" for worker in status["workers"])
    latency = status["latency"]
    parts = [
        status["edge"],
        f"steer {status['version']}",
        f"up {duration(status['uptime'])}",
        f"{serving} of {len(status['workers'])} workers serving",
        f"{status['requests_per_second']:.1f} requests/s",
        f"p50 {milliseconds(latency['p50'])}",
        f"p99 {milliseconds(latency['p99'])}",
        f"configuration {status['config_hash'][:12]}",
    ]
    if status["overrides"]:
        parts.append(f"{status['overrides']} override{'s' if status['overrides'] > 1 else ''}")
    if status["isolated"]:
        parts.append("ISOLATED: nothing outside answers, nothing is ejected")
    parts += overload(status["overload"])
    return "  ".join(parts)


def overload(found: Json) -> list[str]:
    """Only where something is, or was, too much."""
    parts = []
    if found["level"]:
        refused = "new connections and requests are" if found["level"] > 1 else "new connections are"
        parts.append(f"OVERLOADED: {refused} refused by worker {', '.join(found['workers'])}")
    if found["refused"]:
        reasons = ", ".join(f"{n} {reason}" for reason, n in sorted(found["refused"].items()))
        parts.append(f"refused: {reasons}")
    return parts


def group_lines(groups: list[Json]) -> list[str]:
    return aligned(
        [[group["name"], group["mode"], *map(place, group["datacentres"]), *notes(group)] for group in groups]
    )


def notes(group: Json) -> list[str]:
    """What is not usual: where it is if not at home, who is left where no new clients go, what holds it."""
    said = [f"at {group['at']}"] if group["at"] is not None else []
    said += [f"{number(share)} % to {name}" for name, share in group["arriving"].items()]
    said += map(stay, group["stays"])
    if group["held"]:
        said.append(f"HELD by {group['held']}: {group['held_because']}")
    elif group["blocked"]:
        said.append("a failover is due, and no datacentre is ready")
    return [", ".join(said)] if said else []


def place(datacentre: Json) -> str:
    """`wellington 50 % serving (1 of 1)`; drained nodes are named where there are any."""
    nodes = datacentre["nodes"]
    drained = f", {nodes['drained']} drained" if nodes["drained"] else ""
    share = percent(datacentre["share"])
    return f"{datacentre['name']} {share} {datacentre['state']} ({nodes['serving']} of {nodes['expected']}{drained})"
