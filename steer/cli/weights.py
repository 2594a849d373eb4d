"""`steer weights`: show or set what share each datacentre of a group gets."""

from __future__ import annotations

import math
from typing import Annotated

import typer

from steer.cli.client import Json, No, Usage, segment
from steer.cli.command import Call, ExpiresOption, ForceOption, PreviewOption, ReasonOption, asks_edge, need_reason
from steer.cli.output import number, percent, print_json, say, show_table, until
from steer.cli.previews import show_preview


def register(app: typer.Typer) -> None:
    @asks_edge(app)
    def weights(
        call: Call,
        group: Annotated[str, typer.Argument(help="The group's name.")],
        settings: Annotated[
            list[str] | None, typer.Argument(metavar="[DC=W]...", help="New weights; none: show those of now.")
        ] = None,
        rule: Annotated[str | None, typer.Option("--rule", metavar="NAME", help="Of this rule of the group.")] = None,
        reason: ReasonOption = None,
        expires: ExpiresOption = None,
        preview: PreviewOption = False,
        force: ForceOption = False,
    ) -> None:
        """Show the weights of a group or of one of its rules, or set them.

        Example: steer weights website wellington=90 auckland=10 --reason "patching auckland" --expires 2h
        """
        if preview and not settings:
            raise Usage("a preview needs weights", "DATACENTRE=NUMBER, such as wellington=90")
        if not settings:
            found = call.edge.get(f"/groups/{segment(group)}")
            _tell(call, found, found, rule)
            return
        wanted = {"weights": parse(settings), "reason": need_reason(reason), "expires_in": expires, "force": force}
        if preview:
            target = {"group": group} | ({"rule": rule} if rule is not None else {})
            show_preview(call, {"kind": "weights", "target": target, **wanted})
            return
        answer = call.edge.change("PUT", f"/groups/{segment(group)}/weights", {**wanted, "rule": rule})
        _tell(call, answer, answer["group"], rule)


def _tell(call: Call, answer: Json, group: Json, rule: str | None) -> None:
    if call.json:
        print_json(answer)
    elif rule is not None:
        show_rule(group, rule)
    else:
        show(group)


def parse(settings: list[str]) -> dict[str, float]:
    """`wellington=90` -> {"wellington": 90.0}. Raises `Usage`."""
    found: dict[str, float] = {}
    for setting in settings:
        name, _, text = setting.partition("=")
        weight = _weight(text)
        if not name or weight is None:
            raise Usage(f"{setting!r} is no weight", "DATACENTRE=NUMBER, 0 or more, such as wellington=90")
        if name in found:
            raise Usage(f"{name} comes twice")
        found[name] = weight
    return found


def _weight(text: str) -> float | None:
    try:
        weight = float(text)
    except ValueError:
        return None
    return weight if math.isfinite(weight) and weight >= 0 else None


def show(group: Json) -> None:
    rows = (
        (
            datacentre["name"],
            number(datacentre["weight"]),
            number(group["configured_weights"].get(datacentre["name"], 0)),
            percent(datacentre["share"]),
            datacentre["state"],
            f"{datacentre['nodes']['serving']} of {datacentre['nodes']['expected']}",
        )
        for datacentre in group["datacentres"]
    )
    show_table(("datacentre", "weight", "configured", "share", "state", "nodes"), rows)
    _say_who(group["override"])
    for rule in group["rules"]:
        weights = "the nearest" if rule["nearest"] else " ".join(f"{n}={number(w)}" for n, w in rule["weights"].items())
        say(f"rule {rule['name']}: {weights}{' (overridden)' if rule['override'] else ''}")


def show_rule(group: Json, name: str) -> None:
    """Raises `No` where the group has no such rule."""
    rules = {rule["name"]: rule for rule in group["rules"]}
    if name not in rules:
        raise No(404, f"no rule of {group['name']} is called {name!r}", f"there are: {', '.join(rules) or 'none'}")
    rule = rules[name]
    if rule["nearest"]:
        say(f"rule {name} goes to the nearest datacentre")
        return
    configured = rule["configured_weights"]
    rows = ((place, number(weight), number(configured.get(place, 0))) for place, weight in rule["weights"].items())
    show_table(("datacentre", "weight", "configured"), rows)
    _say_who(rule["override"])


def _say_who(override: Json | None) -> None:
    if override:
        say(f"set by {override['owner']} {until(override['expires'])}: {override['reason']} ({override['id']})")
