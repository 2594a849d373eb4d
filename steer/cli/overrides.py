"""`steer drain`, `eject`, `restore` and `overrides`: what an operator sets, and takes back."""

from __future__ import annotations

from typing import Annotated

import typer

from steer.cli.client import Edge, Json, No, Usage, segment
from steer.cli.command import Call, ExpiresOption, ForceOption, PreviewOption, ReasonOption, asks_edge, need_reason
from steer.cli.moving import stay
from steer.cli.output import number, print_json, say, show_table, time, until
from steer.cli.previews import show_preview

TargetArgument = Annotated[str, typer.Argument(metavar="NODE-or-DC", help="A node, or a datacentre.")]
GroupOption = Annotated[str | None, typer.Option("--group", help="The datacentre, for this group only.")]

DONE = {"drain": "drained", "eject": "ejected", "restore": "restored"}


def register(app: typer.Typer) -> None:
    _register_change(app, "drain", "No new clients: what is under way goes on.", "steer drain wlg-1 --reason patching")
    _register_change(app, "eject", "Out at once, whatever the checks say.", "steer eject wlg-1 --reason 'disk broken'")
    _register_change(app, "restore", "Take back a drain or an ejection.", "steer restore wlg-1 --reason 'patched'")
    _register_list(app)


def _register_change(app: typer.Typer, kind: str, meaning: str, example: str) -> None:
    @asks_edge(app, kind, help=f"{meaning}\n\nExample: {example}")
    def change(
        call: Call,
        target: TargetArgument,
        group: GroupOption = None,
        reason: ReasonOption = None,
        expires: ExpiresOption = None,
        preview: PreviewOption = False,
        force: ForceOption = False,
    ) -> None:
        wanted: Json = {"kind": kind, "reason": need_reason(reason), "expires_in": expires, "force": force}
        wanted["target"] = find_target(call.edge, target, group)
        if preview:
            show_preview(call, wanted)
            return
        override = call.edge.change("POST", "/overrides", wanted)
        call.tell(override, told(override))


def _register_list(app: typer.Typer) -> None:
    @asks_edge(app)
    def overrides(
        call: Call,
        lift: Annotated[str | None, typer.Option("--lift", metavar="ID", help="Take this one back.")] = None,
        preview: PreviewOption = False,
        reason: ReasonOption = None,
    ) -> None:
        """What is overridden, by whom, why, until when; or lift one.

        Example: steer overrides --lift 01HZX3K9M --reason "patched"
        """
        if lift is None:
            _show_all(call)
        elif preview:
            show_preview(call, {"kind": "lift", "target": {"override": lift}, "reason": need_reason(reason)})
        else:
            gone = call.edge.change("DELETE", f"/overrides/{segment(lift)}", {"reason": need_reason(reason)})
            call.tell(gone, f"lifted {gone['id']}: {gone['kind']} {target_of(gone)}")


def _show_all(call: Call) -> None:
    found = call.edge.all("/overrides")
    if call.json:
        print_json(found)
        return
    show(found)
    if any("datacentre" in override["target"] for override in found):
        for line in counted_down(call.edge.all("/groups")):
            say(line)


def find_target(edge: Edge, name: str, group: str | None) -> Json:
    """What the API calls the target. Raises `Usage` for a name that means both, `No` for one that means nothing."""
    if group is not None:
        return {"datacentre": name, "group": group}
    is_node = any(node["name"] == name for node in edge.all("/nodes"))
    is_datacentre = any(datacentre["name"] == name for datacentre in edge.all("/datacentres"))
    if is_node and is_datacentre:
        raise Usage(f"{name} is a node and a datacentre", "--group says that you mean the datacentre")
    if not is_node and not is_datacentre:
        raise No(404, f"no node and no datacentre is called {name!r}", "`steer status` shows what there is")
    return {"node": name} if is_node else {"datacentre": name}


def target_of(override: Json) -> str:
    """`wlg-1`, `auckland (website)`, `website`, `website wellington=90`, `website rule canary west=20`."""
    target = override["target"]
    if override["kind"] == "weights":
        settings = [f"{name}={number(weight)}" for name, weight in override["value"].items()]
        rule = [f"rule {target['rule']}"] if target.get("rule") else []
        return " ".join([target.get("group", ""), *rule, *settings])
    if "datacentre" not in target and "node" not in target:
        return str(target["group"])
    if "node" in target:
        return str(target["node"])
    return f"{target['datacentre']} ({target['group']})" if target.get("group") else str(target["datacentre"])


def told(override: Json) -> str:
    done = f"{DONE[override['kind']]} {target_of(override)}"
    return done if override["kind"] == "restore" else f"{done} {until(override['expires'])} ({override['id']})"


def counted_down(groups: list[Json]) -> list[str]:
    """A line for each datacentre that drains and still has clients, or may have."""
    return [f"{group['name']}: {stay(each)}" for group in groups for each in group["stays"]]


def show(overrides: list[Json]) -> None:
    if not overrides:
        say("nothing is overridden")
        return
    rows = (
        (o["id"], o["kind"], target_of(o), o["owner"], time(o["since"]), time(o["expires"]), o["reason"])
        for o in overrides
    )
    show_table(("id", "kind", "target", "owner", "since", "expires", "reason"), rows)
