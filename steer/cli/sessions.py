"""`steer sessions`: how the store stands. `steer store check`: what is wrong with the engines of a configuration."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from steer.cli.client import Json
from steer.cli.command import Call, DebugOption, JsonOption, asks_edge, reporting
from steer.cli.output import aligned, print_json, say
from steer.config import Config, load
from steer.store.engine import Finding
from steer.store.errors import StoreError
from steer.store_places import EnginePlace, engine_at, sites

ConfigFile = Annotated[Path, typer.Argument(metavar="CONFIG", help="The file that names the engines.")]


def register(app: typer.Typer) -> None:
    _register_sessions(app)
    store = typer.Typer(help="The engines of the store.", no_args_is_help=True)
    store.command("check")(check)
    app.add_typer(store, name="store")


def _register_sessions(app: typer.Typer) -> None:
    @asks_edge(app)
    def sessions(call: Call) -> None:
        """The store of this edge: its engine, its doors, what waits for other datacentres.

        Example: steer sessions
        """
        found = call.edge.get("/sessions")
        if call.json:
            print_json(found)
            return
        lines = (engine_line(found), *peer_lines(found["peers"]), *space_lines(found["spaces"]))
        for line in (*lines, *door_lines(found["doors"])):
            say(line)


def engine_line(found: Json) -> str:
    parts = [f"site {found['site']}", f"engine {found['engine']}", found["problem"] or "answers"]
    if found["standing"] != "home":
        parts.append(f"{found['standing'].upper()}: the engine of another site answers in its place")
    if abs(found["skew"]) >= 0.001:
        parts.append(f"its clock is {found['skew']:+.3f} s from this edge's")
    if found["keys_alarm"]:
        parts.append(f"KEYS: {found['keys_alarm']}")
    parts += [f"CERTIFICATE: {alarm}" for alarm in found["certificate_alarms"]]
    return "  ".join(parts)


def peer_lines(peers: list[Json]) -> list[str]:
    """How far this site is behind the others."""
    return aligned([["from site", str(peer["site"]), *_incoming(peer)] for peer in peers])


def _incoming(peer: Json) -> list[str]:
    behind = "never heard" if peer["behind"] is None else f"{peer['behind']:.1f} s behind"
    waiting = "" if peer["waiting"] is None else f"{peer['waiting']} of its writes are not here"
    skew = "" if peer["skew"] is None else f"its clock is {peer['skew']:+.3f} s from this edge's"
    return [behind, waiting, skew, peer["problem"]]


def space_lines(spaces: list[Json]) -> list[str]:
    """How far the others are behind this site, and what was done about it."""
    rows = []
    for space in spaces:
        rows.append(["namespace", space["name"], *([""] * 3)])
        rows += [["  to site", str(link["peer"]), *_outgoing(link)] for link in space["links"]]
    return aligned(rows)


def _outgoing(link: Json) -> list[str]:
    lag, done = link["out"], link["tally"]
    waits = f"{lag['writes']} writes wait, {lag['seconds']:.1f} s" if lag["writes"] else "has everything"
    counts = f"{done['shipped']} shipped, {done['conflicts']} conflicts, {done['repaired']} repaired"
    return [waits, counts, link["problem"] or ("" if link["is_ours"] else "another edge of this site ships")]


def door_lines(doors: Json) -> list[str]:
    return aligned([["door", name, door["bind"]] for name, door in doors.items()])


def check(config: ConfigFile, json: JsonOption = False, debug: DebugOption = False) -> None:
    """Ask every engine that CONFIG names what in its set-up breaks the promises: eviction, persistence, version, clock.

    Example: steer store check config/active-active.yaml

    Exit status 0: nothing does, 1: something does, or an engine does not answer.
    """
    with reporting(debug):
        found = asyncio.run(findings(load(config)))
    if json:
        print_json({name: [asdict(each) for each in of_engine] for name, of_engine in found.items()})
    elif not found:
        say("no datacentre has a redis: each edge keeps sessions in its own memory, and there is nothing to ask")
    else:
        for name, of_engine in found.items():
            say_findings(name, of_engine)
    raise typer.Exit(any(each.is_fatal for of_engine in found.values() for each in of_engine))


async def findings(config: Config) -> dict[str, list[Finding]]:
    """By datacentre; those without a Redis have the memory of their edges, of which nothing can be set up wrongly."""
    it = sites(config)
    engines = {**it.others, it.here: it.engine}
    places = {name: place for name, each in config.datacentres.items() if (place := engines.get(each.id))}
    asked: list[Any] = await asyncio.gather(*map(_ask, places.values()))
    return dict(zip(places, asked, strict=True))


async def _ask(place: EnginePlace) -> list[Finding]:
    engine = engine_at(place)
    try:
        return await engine.check()
    except StoreError as error:
        return [Finding(is_fatal=True, message=str(error), hint="is it running, and reachable from here?")]
    finally:
        await engine.close()


def say_findings(name: str, of_engine: list[Finding]) -> None:
    if not of_engine:
        say(f"{name}: fine")
    for each in of_engine:
        hint = f" ({each.hint})" if each.hint else ""
        say(f"{name}: {'WRONG' if each.is_fatal else 'note'}: {each.message}{hint}")
