"""Session libraries as applications use them, told host and port and no more: on a Redis itself, and on a door."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from redis import Redis, RedisError

from bench.tools import Tools, Unavailable
from compliance.place import Place
from compliance.report import Cell, Row
from compliance.suites import Broken, Ran, Suite
from tests.kit import application
from tests.kit.application import Application
from tests.kit.edge import HOST, bind, configuration, free_port, running_edge
from tests.kit.redis import RedisServer
from tests.kit.session_checks import CHECKS, LOCKING
from tests.kit.session_checks import Place as Served
from tests.scenarios.sessions.moving import all_ask, move, settled
from tests.scenarios.sessions.sites import two_sites
from tests.scenarios.sessions.surviving import goes_on_without_its_redis, keep_apart, nodes_of, site_is_lost

REDIS_ITSELF, STEER = "backend", "steer"
VISITORS = Path(__file__).parents[1] / "visitors"
CLIENTS = 1_000
T = TypeVar("T")

Checks = Mapping[str, Callable[[Served], None]]
Offer = tuple[str, Application, Checks]
"""Name and version of the library, an application that uses it, what it must do."""


def run(place: Place, tools: Tools) -> Ran:
    """A library that cannot be had is told as missing; the others go on."""
    tools.program("redis-server")
    offers, missing = offered(tools)
    rows: list[Row] = []
    folder = place.folder / "sessions"
    with RedisServer(folder / "straight") as straight, behind_an_edge(folder) as door:
        doors = {REDIS_ITSELF: straight.port, STEER: door}
        for version, app, checks in offers:
            tools.say(f"sessions: {version} ...")
            rows += rows_of(version, checks, {name: asked(app, checks, at, folder) for name, at in doors.items()})
    for version, app, _ in offers:
        tools.say(f"sessions: {version}, without its Redis ...")
        said = survives(app, folder / f"lost-{len(rows)}")
        rows.append(row(f"{version}: goes on without its Redis, and both hold the same after", {STEER: said}))
    tools.say("sessions: a planned move ...")
    rows.append(row(f"{CLIENTS} mapped sessions are moved: none lost, none stale", {STEER: moves(folder / "move")}))
    try:
        rows.append(
            row("Chromium: a login survives the loss of its site", {STEER: stays_in(tools, folder / "browser")})
        )
    except Unavailable as error:
        missing.append(f"chromium: {error}")
    return Ran(", ".join(version for version, _, _ in offers), tuple(rows), "; ".join(missing))


def offered(tools: Tools) -> tuple[list[Offer], list[str]]:
    """What can be had, and what cannot, with the reason."""
    found, missing = [], []
    for make in (php, django, django_redis, flask, connect_redis, ioredis):
        try:
            found.append(make(tools))
        except Unavailable as error:
            missing.append(f"{make.__name__}: {error}")
    return found, missing


@contextmanager
def behind_an_edge(folder: Path) -> Iterator[int]:
    """The port of the RESP door of an edge, which seals, with a Redis of its own."""
    door = bind()
    tree = configuration({"wellington": 1, "auckland": 2})
    tree["edge"]["datacentre"] = "wellington"
    tree["sessions"] = {"doors": {"resp": {"bind": door}}, "namespaces": {"web": {"seal": True}}}
    with RedisServer(folder / "engine") as engine:
        tree["datacentres"]["wellington"]["redis"] = {"url": engine.url}
        with running_edge(folder, tree):
            yield int(door.rpartition(":")[2])


def asked(app: Application, checks: Checks, door: int, folder: Path) -> dict[str, str]:
    """By check: "ok", or what went wrong."""
    port = free_port()
    try:
        with application.running(app, door, port, folder / f"{app.name}.log"):
            served = Served(app, port, Redis(port=door))
            return {name: _outcome(check, served) for name, check in checks.items()}
    except AssertionError as error:
        raise Broken(f"{app.name}: {error}") from error


def survives(app: Application, folder: Path) -> str:
    """Two sites of its own: what was lost in one run is nothing to the next."""
    folder.mkdir()
    with two_sites(folder, seal=True) as sites:
        return _outcome(lambda both: goes_on_without_its_redis(app, both), sites)


def moves(folder: Path) -> str:
    folder.mkdir()
    return _outcome(lambda where: asyncio.run(_move(where)), folder)


async def _move(folder: Path) -> None:
    async with settled(folder, CLIENTS, workers=1) as town:
        await move(town)
        found = await all_ask(town.browsers, town.home)
        assert found == {("auckland", b"3")}, f"answered {found}"
        assert town.there.stale == [], f"{len(town.there.stale)} stale"


def stays_in(tools: Tools, folder: Path) -> str:
    """A browser that is logged in at one site finds itself logged in at the other when all of the first has gone."""
    chromium = tools.program("chromium")
    python = tools.environment("playwright", "playwright") / "python"
    tools.say("sessions: Chromium ...")
    folder.mkdir()
    with two_sites(folder, seal=True, acknowledge="all") as sites, nodes_of(application.php(), sites) as nodes:
        keep_apart(sites)
        urls = [f"http://{HOST}:{site.running.port()}" for site in sites]
        argv = [str(python), str(VISITORS / "with_session.py"), chromium, HOST, *urls]
        with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as visitor:
            assert visitor.stdout is not None
            first = visitor.stdout.readline().strip()
            site_is_lost(sites, nodes)
            second, _ = visitor.communicate("the first site is gone\n", timeout=60)
    return "ok" if (first, second.strip()) == ("ann", "ann") else f"was {first!r}, then {second.strip()!r}"


def _outcome(check: Callable[[T], None], on: T) -> str:
    try:
        check(on)
    except (AssertionError, OSError, ValueError, RedisError) as error:
        return f"{type(error).__name__}: {error}"[:200]
    return "ok"


def rows_of(version: str, checks: Checks, found: Mapping[str, Mapping[str, str]]) -> list[Row]:
    return [row(f"{version}: {check}", {target: said[check] for target, said in found.items()}) for check in checks]


def row(check: str, said: Mapping[str, str]) -> Row:
    return Row(check=check, cells={target: Cell(passed=word == "ok", words=word) for target, word in said.items()})


def php(tools: Tools) -> Offer:
    program = tools.program("php", "php-cli")
    if not application.has_phpredis():
        raise Unavailable("PHP's redis extension is not installed: apt-get install php-redis")
    said = subprocess.run([program, "-r", "echo PHP_VERSION, ' phpredis ', phpversion('redis');"], capture_output=True)
    return f"PHP {said.stdout.decode()}", application.php(program), {**CHECKS, **LOCKING}


def django(tools: Tools) -> Offer:
    folder = tools.environment("django", "django==5.2.*", "redis", "django-redis")
    app = application.django(str(folder / "python"), "django.core.cache.backends.redis.RedisCache")
    return f"{tools.version(folder, 'django')} cache sessions", app, CHECKS


def django_redis(tools: Tools) -> Offer:
    folder = tools.environment("django", "django==5.2.*", "redis", "django-redis")
    app = application.django(str(folder / "python"), "django_redis.cache.RedisCache")
    return tools.version(folder, "django-redis"), app, CHECKS


def flask(tools: Tools) -> Offer:
    folder = tools.environment("flask", "flask", "flask-session", "redis")
    return tools.version(folder, "flask-session"), application.flask(str(folder / "python")), CHECKS


def connect_redis(tools: Tools) -> Offer:
    modules = _express(tools)
    name = f"connect-redis {_version(modules, 'connect-redis')} on node-redis {_version(modules, 'redis')}"
    return name, application.express(tools.program("node", "nodejs"), modules, "redis"), CHECKS


def ioredis(tools: Tools) -> Offer:
    modules = _express(tools)
    name = f"connect-redis {_version(modules, 'connect-redis-7')} on ioredis {_version(modules, 'ioredis')}"
    return name, application.express(tools.program("node", "nodejs"), modules, "ioredis"), CHECKS


def _express(tools: Tools) -> Path:
    wanted = ("express", "express-session", "redis", "ioredis", "connect-redis", "connect-redis-7@npm:connect-redis@7")
    return tools.modules("express", *wanted)


def _version(modules: Path, package: str) -> str:
    text = (modules / package / "package.json").read_text()
    return text.partition('"version": "')[2].partition('"')[0]


SUITE = Suite(
    "sessions",
    "Session libraries",
    "Real applications, told host and port and no more. `backend alone` is a Redis itself; steer's door seals, and has "
    "a Redis of its own behind it.",
    run,
)
