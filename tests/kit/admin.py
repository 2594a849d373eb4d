"""A small edge for the tests of the admin API and its command line: two datacentres, three nodes, a real keeper."""

from __future__ import annotations

import random
import socket
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from io import StringIO
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from multidict import CIMultiDictProxy

from steer.config import Change
from steer.control.api import serve_admin
from steer.control.audit import Audit
from steer.control.context import AdminContext, CertificateView, WorkerView
from steer.control.databases import DatabaseView
from steer.control.events import Events
from steer.control.keeper import Keeper
from steer.control.metrics import Totals
from steer.control.state_file import StateFile
from steer.control.tokens import Role, Tokens, create_token, write_local_token
from steer.errors import ConfigError, Problem
from steer.steering.model import Affinity, Group, GroupMode, Node, Pinned, Pool, Route, Service, Topology
from tests.kit.clock import ManualClock


def topology() -> Topology:
    nodes = (
        Node(0, "wlg-1", "web", "wellington"),
        Node(1, "wlg-2", "web", "wellington"),
        Node(2, "akl-1", "web", "auckland"),
    )
    weights = {"wellington": 50.0, "auckland": 50.0}
    return Topology(
        datacentres=("wellington", "auckland"),
        nodes=nodes,
        pools={"web": Pool("web", nodes)},
        groups={"website": Group("website", weights, ("web",), ("web",), pause=0.0)},
        services={
            "www": Service(
                "www",
                "website",
                ("www.agency.example",),
                (Route("/", "web"),),
                {"stack-dr.cwp.example": Pinned("auckland", ("10.0.0.0/8",))},
            )
        },
    )


def portal_topology(**changes: Any) -> Topology:
    """The same with a second group, `portal`, that is at one datacentre and whose service has affinity."""
    places = topology()
    rules = {"mode": GroupMode.ACTIVE_PASSIVE, "order": places.datacentres, "drain_sessions": 300.0, "pause": 0.0}
    portal = replace(Group("portal", {}, ("web",), ("web",)), **{**rules, **changes})
    affinity = Affinity("cookie", "steer", idle=60.0)
    service = Service("portal", "portal", ("portal.example",), (Route("/", "web"),), affinity=affinity)
    return replace(places, groups={**places.groups, "portal": portal}, services={**places.services, "portal": service})


@dataclass(frozen=True)
class Answer:
    status: int
    headers: CIMultiDictProxy[str]
    body: Any
    """What the JSON says, or the text."""


@dataclass(frozen=True)
class RunningAdmin:
    """An admin API on a real socket. `secrets` has a token for each role."""

    url: str
    context: AdminContext
    clock: ManualClock
    folder: Path
    secrets: Mapping[Role, str]
    session: aiohttp.ClientSession

    async def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        role: Role | None = Role.ADMIN,
        headers: Mapping[str, str] | None = None,
        data: bytes | None = None,
    ) -> Answer:
        fields = {"Authorization": f"Bearer {self.secrets[role]}"} if role is not None else {}
        if data is not None:
            fields["Content-Type"] = "application/json"
        fields |= dict(headers or {})
        async with self.session.request(method, self.url + path, json=body, data=data, headers=fields) as response:
            is_json = response.content_type.endswith("json")
            found = await response.json(content_type=None) if is_json else await response.text()
            return Answer(response.status, response.headers, found)

    async def get(self, path: str, *, role: Role | None = Role.VIEWER, **headers: str) -> Answer:
        return await self.call("GET", path, role=role, headers=headers)


async def _no_file() -> tuple[Change, ...]:
    raise ConfigError((Problem("steer.yaml", 3, "pools.web", "is not there"), Problem("steer.yaml", 4, "", "is odd")))


def admin_context(folder: Path, clock: ManualClock, state: StateFile, places: Topology) -> AdminContext:
    totals = Totals(places, clock)
    events = Events(clock, stream=StringIO())
    return AdminContext(
        keeper=Keeper(places, clock, random.Random(1), totals.saw, state, events),
        totals=totals,
        tokens=Tokens(folder / "tokens.yaml", write_local_token(folder / "state" / "local-token"), clock),
        audit=Audit(folder / "state" / "audit.jsonl", clock),
        name="edge-a",
        version="0.1.0",
        config_hash="c0ffee" * 10,
        started=clock.wall(),
        workers=lambda: (WorkerView(0, 4711, "serving", clock.wall()),),
        certificates=lambda: (
            CertificateView("certs/www.pem", ("www.agency.example",), clock.wall() + 86400, ("https",)),
        ),
        databases=lambda: (DatabaseView("geo/city.mmdb", "City", clock.wall() - 86400, "is broken"),),
        reload=_no_file,
        diff=_no_file,
        redacted_config=lambda: {"version": 1, "admin": {"metrics_token": "hidden"}},
        clock=clock,
    )


@asynccontextmanager
async def running_admin(
    folder: Path, tls: ssl.SSLContext | None = None, places: Topology | None = None, **changes: Any
) -> AsyncIterator[RunningAdmin]:
    """`changes` are fields of the context that are to be otherwise."""
    clock = ManualClock()
    state = StateFile(folder / "state", pytest.fail)
    secrets = {role: create_token(folder / "tokens.yaml", f"a-{role}", role)[1] for role in Role}
    context = replace(admin_context(folder, clock, state, places or topology()), **changes)
    with socket.create_server(("127.0.0.1", 0)) as sock:
        runner = await serve_admin(context, sock, tls)
        url = f"{'https' if tls else 'http'}://127.0.0.1:{sock.getsockname()[1]}"
        try:
            async with aiohttp.ClientSession() as session:
                yield RunningAdmin(url, context, clock, folder, secrets, session)
        finally:
            await runner.cleanup()
            context.audit.close()
            state.close()
