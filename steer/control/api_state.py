"""Reading: what stands where and how it is now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from aiohttp import web

from steer.control import views, views_groups
from steer.control.api_call import PAGE, Call, Endpoint, Query, answer, etag_of, page
from steer.control.api_input import address_of, header_of
from steer.control.moments import moment
from steer.control.problems import ApiProblem, not_found
from steer.control.shares import current_weights
from steer.steering.model import Group, Node
from steer.steering.snapshot import GroupStatus, Snapshot

T = TypeVar("T")


def find(what: str, name: str, among: Mapping[str, T]) -> T:
    """Raises the 404 that lists what there is."""
    if name not in among:
        raise not_found(what, name, tuple(among))
    return among[name]


def find_group(call: Call) -> Group:
    return find("group", call.named("group"), call.context.keeper.topology.groups)


def find_node(call: Call) -> Node:
    return find("node", call.named("node"), {node.name: node for node in call.context.keeper.topology.nodes})


def group_etag(snapshot: Snapshot, group: Group) -> str:
    """Moves on when its weights or its position do, and when a datacentre comes or goes: it changes what they mean."""
    status = snapshot.groups.get(group.name, GroupStatus())
    states = {name: str(datacentre.state) for name, datacentre in status.datacentres.items()}
    rules = {name: dict(weights) for name, weights in status.rules.items()}
    position = [status.at, status.leaving, dict(status.arriving), status.held]
    return etag_of([group.name, current_weights(snapshot, group), status.override, states, rules, position])


async def show_status(call: Call) -> web.Response:
    return answer(views.status(call.context))


async def list_datacentres(call: Call) -> web.Response:
    names = call.context.keeper.topology.datacentres
    return page(call, (views.datacentre(call.context, name) for name in names))


async def list_groups(call: Call) -> web.Response:
    groups = call.context.keeper.topology.groups.values()
    return page(call, (views.group(call.context, group) for group in groups))


async def show_group(call: Call) -> web.Response:
    group = find_group(call)
    return answer(views.group(call.context, group), etag=group_etag(call.context.keeper.snapshot, group))


async def list_pools(call: Call) -> web.Response:
    return page(call, (views.pool(call.context, pool) for pool in call.context.keeper.topology.pools.values()))


async def show_pool(call: Call) -> web.Response:
    pool = find("pool", call.named("pool"), call.context.keeper.topology.pools)
    return answer(views.pool(call.context, pool))


async def list_nodes(call: Call) -> web.Response:
    return page(call, (views.node(call.context, node) for node in call.context.keeper.topology.nodes))


async def show_node(call: Call) -> web.Response:
    node = find_node(call)
    return answer({**views.node(call.context, node), "checks": call.context.keeper.checks(node.name)})


async def list_services(call: Call) -> web.Response:
    return page(call, map(views.service, call.context.keeper.topology.services.values()))


async def show_sessions(call: Call) -> web.Response:
    """404 where nothing is kept."""
    found = call.context.sessions()
    if not found:
        raise ApiProblem("not_found", "this edge keeps no sessions, or its store has not spoken yet")
    return answer({**found, "at": moment(found["at"])})


async def list_certificates(call: Call) -> web.Response:
    now = call.context.clock.wall()
    items = (
        {
            "file": certificate.file,
            "names": list(certificate.names),
            "expires": moment(certificate.expires),
            "expires_in": round(certificate.expires - now),
            "listeners": list(certificate.listeners),
        }
        for certificate in call.context.certificates()
    )
    return page(call, items, "file")


async def explain_node(call: Call) -> web.Response:
    return answer(views.explained_node(call.context.keeper.explain_node(find_node(call).name)))


async def explain_request(call: Call) -> web.Response:
    query = call.request.query
    if not query.get("host"):
        raise ApiProblem("malformed", "is needed: the host name that a client would ask for", "host")
    client = address_of(query.get("client", "127.0.0.1"), "client")
    headers = dict(header_of(text) for text in query.getall("header", []))
    context, path = call.context, query.get("path", "/")
    found = context.keeper.explain_request(query["host"], path, client, headers, context.totals.fullest())
    group = context.keeper.topology.groups[found["group"]]
    where = views_groups.position(context, group)
    return answer({**found, "held": where["held"], "held_because": where["held_because"]})


EXPLAIN = (
    Query("host", "the host name", required=True),
    Query("path", "the path (/)"),
    Query("client", "the client's address (127.0.0.1)"),
    Query("header", "a field of the request, `Name: value`", several=True),
)

ENDPOINTS = (
    Endpoint("GET", "/api/v1/status", show_status, "The edge, and each group in one line"),
    Endpoint("GET", "/api/v1/datacentres", list_datacentres, "Datacentres, as each group sees them", query=PAGE),
    Endpoint("GET", "/api/v1/groups", list_groups, "Groups: weights, shares, states and rates", query=PAGE),
    Endpoint("GET", "/api/v1/groups/{group}", show_group, "One group; its ETag is for changes of weights and moves"),
    Endpoint("GET", "/api/v1/pools", list_pools, "Pools with their nodes", query=PAGE),
    Endpoint("GET", "/api/v1/pools/{pool}", show_pool, "One pool"),
    Endpoint("GET", "/api/v1/nodes", list_nodes, "Nodes: state, since when, why, rates and latencies", query=PAGE),
    Endpoint("GET", "/api/v1/nodes/{node}", show_node, "One node, with its last active checks"),
    Endpoint("GET", "/api/v1/nodes/{node}/explain", explain_node, "Why a node is as it is, and what brings it back"),
    Endpoint("GET", "/api/v1/services", list_services, "Services: hostnames and routes", query=PAGE),
    Endpoint("GET", "/api/v1/explain", explain_request, "Where a request would go, with every step", query=EXPLAIN),
    Endpoint("GET", "/api/v1/sessions", show_sessions, "The store: its engine, what waits for other sites, its doors"),
    Endpoint("GET", "/api/v1/certificates", list_certificates, "Certificates in use and their expiry", query=PAGE),
)
