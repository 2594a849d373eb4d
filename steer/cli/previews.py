"""`--preview` of the commands that change something, and `steer apply`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import typer

from steer.cli.client import Json, segment
from steer.cli.command import Call, asks_edge
from steer.cli.output import duration, number, percent, print_json, say, show_table, time


def register(app: typer.Typer) -> None:
    @asks_edge(app)
    def apply(
        call: Call,
        preview: Annotated[str, typer.Argument(metavar="PREVIEW-ID", help="What --preview printed.")],
    ) -> None:
        """Make just the change that a preview has shown: once, within 15 minutes, while nothing has changed since.

        Example: steer apply 01hzx3k9m
        """
        done = call.edge.change("POST", f"/previews/{segment(preview)}/apply", {})
        call.tell(done, f"applied {preview}")


def show_preview(call: Call, wanted: Json) -> None:
    """`wanted` is the change as the API takes it. Exit status 1: a safety rule refuses it."""
    found = call.edge.change("POST", "/previews", wanted)
    if call.json:
        print_json(found)
    else:
        _show(found)
    if found["verdict"] == "refused":
        raise typer.Exit(1)


def _show(found: Json) -> None:
    for group in found["groups"]:
        say(f"{group['name']}: {_basis(found, group)}")
        show_table(("datacentre", "now", "without", "with", "share without", "share with"), _rows(group))
        for line in _movers(group):
            say(line)
    for line in (*_headroom(found["headroom"]), *_rules(found)):
        say(line)
    say(f"nothing is changed; until {time(found['expires'])}: steer apply {found['id']}")


def _basis(found: Json, group: Json) -> str:
    """`812 samples of 310 clients, the oldest 2 min 10 s old, 50.2 requests a second`."""
    if not group["samples"]:
        return f"too few samples: none of the last minutes, {_rate(group['requests_per_second'])}"
    old = duration(found["samples"]["oldest"])
    few = "" if group["enough"] else "too few samples: "
    seen = f"{group['samples']} samples of {group['clients']['sampled']} clients"
    return f"{few}{seen}, the oldest {old} old, {_rate(group['requests_per_second'])}"


def _rows(group: Json) -> Iterator[tuple[str, ...]]:
    for place in group["datacentres"]:
        yield (place["name"], _per_second(place["measured"]), *_sides(place))
    if group["refused"]["share_before"] or group["refused"]["share_after"]:
        yield ("(refused)", "-", *_sides(group["refused"]))


def _sides(place: Json) -> tuple[str, ...]:
    rates = _per_second(place["before"]), _per_second(place["after"])
    return (*rates, _share(place["share_before"]), _share(place["share_after"]))


def _movers(group: Json) -> Iterator[str]:
    clients, sessions = group["clients"], group["sessions"]
    if clients["move"] is not None:
        yield f"{percent(clients['move'])} of the clients move (give or take {clients['margin'] * 100:.0f} points)"
    if sessions["move"] is not None:
        later = f", {percent(sessions['leave'])} may stay until the drain ends" if sessions["leave"] else ""
        yield f"{percent(sessions['move'])} of {sessions['sampled']} sessions move{later}"


def _headroom(places: list[Json]) -> Iterator[str]:
    for place in places:
        if place["headroom"] is not None and place["requests_per_second"]:
            name = f"{place['pool']} in {place['datacentre']}"
            carries = f"{number(place['without_one'])} of {_rate(place['requests_per_second'])}"
            short = "short" if place["headroom"] < 0 else "headroom"
            yield f"{name}, if one more node dies: carries {carries}, {short} {number(abs(place['headroom']))}"


def _rules(found: Json) -> Iterator[str]:
    passed = [f"{rule['rule']} ({rule['group']})" for rule in found["rules"] if rule["passes"]]
    if passed:
        yield f"safety rules that pass: {', '.join(passed)}"
    for rule in found["rules"]:
        if not rule["passes"]:
            verb = "would refuse, and is overridden" if found["verdict"] == "forced" else "refuses"
            yield f"{rule['rule']} {verb}: {rule['says']}"


def _rate(rate: float) -> str:
    return f"{rate:.1f} requests a second"


def _per_second(rate: float | None) -> str:
    return "?" if rate is None else f"{rate:.1f}/s"


def _share(share: float | None) -> str:
    return "?" if share is None else percent(share)
