"""`steer explain`: where a request would go and why, or why a node is as it is and what brings it back."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

import typer

from steer.cli.client import Edge, Json, Usage, segment
from steer.cli.command import Call, asks_edge
from steer.cli.output import aligned, milliseconds, number, percent, print_json, say, show_table, time, until


def register(app: typer.Typer) -> None:
    @asks_edge(app)
    def explain(
        call: Call,
        url: Annotated[str | None, typer.Argument(help="What a client would ask for.")] = None,
        node: Annotated[str | None, typer.Option("--node", help="Explain this node instead.")] = None,
        client: Annotated[str | None, typer.Option("--client", metavar="IP", help="The client's address.")] = None,
        header: Annotated[
            list[str] | None, typer.Option("-H", "--header", metavar="'K: V'", help="A field of the request.")
        ] = None,
    ) -> None:
        """The verdict for a request and every step to it; or a node's state, evidence and way back.

        Exit status 1: no node would be tried. Example: steer explain https://www.agency.example/ --client 192.0.2.7
        """
        if (url is None) == (node is None):
            raise Usage("give a URL or --node", "such as https://www.agency.example/")
        if node is not None:
            found = call.edge.get(f"/nodes/{segment(node)}/explain")
        else:
            found = explain_url(call.edge, url or "", client, header)
        if call.json:
            print_json(found)
        else:
            (show_node if node is not None else show_request)(found)
        if "refused" in found.get("verdict", {}):
            raise typer.Exit(1)


def explain_url(edge: Edge, url: str, client: str | None, header: list[str] | None) -> Json:
    host, path = split(url)
    return edge.get("/explain", host=host, path=path, client=client, header=header or None)


def split(url: str) -> tuple[str, str]:
    """Host and path; the scheme may be left out: `www.agency.example/news`. Raises `Usage`."""
    try:
        parts = urlsplit(url if "://" in url else f"https://{url}")
    except ValueError:
        parts = urlsplit("")
    if not parts.hostname or parts.scheme not in ("http", "https"):
        raise Usage(f"{url!r} is no URL", "such as https://www.agency.example/")
    query = f"?{parts.query}" if parts.query else ""
    return parts.hostname, (parts.path or "/") + query


def show_request(found: Json) -> None:
    for line in (*verdict_lines(found), ""):
        say(line)
    for line in aligned([["*" if s["taken"] else "-", s["step"], s["because"]] for s in found["steps"]]):
        say(line)
    say("")
    _show_datacentres(found["datacentres"])


def verdict_lines(found: Json) -> list[str]:
    """The verdict, whose it is, and what is unusual of the group or the client's place."""
    verdict = found["verdict"]
    if "refused" in verdict:
        told = [f"no node: {verdict['refused']}{': ' if verdict.get('why') else ''}{verdict.get('why', '')}"]
    else:
        told = [f"{verdict['node']} in {verdict['datacentre']}: {verdict['reason']}"]
    told.append(f"service {found['service']}, group {found['group']}, pool {found['pool']}")
    if found["held"]:
        told.append(f"{found['group']} is held: {found['held']} ({found['held_because']})")
    return [*told, found["place"]["says"]] if found["place"]["says"] else told


def _show_datacentres(places: list[Json]) -> None:
    rows = (
        (
            place["datacentre"],
            place["state"],
            percent(place["share"]),
            number(place["weight"]),
            percent(place["health"]),
            percent(place["ramp"]),
            nodes_of(place),
            place["skipped"],
        )
        for place in places
    )
    show_table(("datacentre", "state", "share", "weight", "health", "ramp", "nodes", "skipped"), rows)
    for place in places:
        if place["cause"] and place["state"] != "serving":
            say(f"{place['datacentre']} is {place['state']}: {place['cause']}")


def nodes_of(place: Json) -> str:
    """`2 of 3`; of a cold standby none is expected, and some may run."""
    available, expected = place["available"], place["expected"]
    return f"{available} of {expected}" if expected else f"{available}, none expected"


def show_node(found: Json) -> None:
    for line in (state_line(found), *because(found), *ways(found)):
        say(line)
    for line in aligned([[seen["detector"], seen["mode"], seen["says"]] for seen in found["detectors"]]):
        say(line)
    if found["evidence"]:
        rows = (
            (
                time(failure["at"]),
                failure["outcome"],
                str(failure["status"] or "-"),
                milliseconds(failure["latency"]),
                failure["path"] or "-",
                failure.get("detail", ""),
            )
            for failure in found["evidence"]
        )
        show_table(("at", "outcome", "status", "latency", "path", "detail"), rows)


def state_line(found: Json) -> str:
    """`wlg-1 (web, wellington) ejected since ... by active_check, 2 times, until ...`."""
    parts = [f"{found['node']} ({found['pool']}, {found['datacentre']}) {found['state']}"]
    if found["since"]:
        parts[0] += f" since {time(found['since'])}"
    if found["detector"]:
        parts[0] += f" by {found['detector']}"
    if found["times"]:
        parts.append(f"{found['times']} time{'s' if found['times'] > 1 else ''}")
    if found["until"]:
        parts.append(until(found["until"]))
    return ", ".join([*parts, *(word for word in ("drained", "held") if found[word])])


def because(found: Json) -> list[str]:
    """What its state rests on, as it was when it came about."""
    told = [f"because {found['because']}"] if found["because"] else []
    if found["held"]:
        told.append(f"held: {found['held_because']}")
    if found["protected"]:
        told.append(f"5xx, share, peers and slow may not eject it: {found['protected']}")
    return told


def ways(found: Json) -> list[str]:
    """What brings it back, and what an operator can do."""
    back = [f"comes back by {found['returns']}"] if found["returns"] else []
    return [*back, f"an operator can: {', '.join(found['operator'])}"]
