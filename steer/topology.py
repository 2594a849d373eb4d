"""Configuration -> topology: what stands where, and by which rules traffic is steered, as steering takes it."""

from __future__ import annotations

from typing import Literal

from steer.config import Affinity, Config, Consecutive, Failback, HashBy, Pool, Region, Rule, Service, When
from steer.steering import model


def topology(config: Config) -> model.Topology:
    """What stands where. Nodes are numbered in the order of the file."""
    nodes: list[model.Node] = []
    pools = {name: _pool(name, pool, nodes) for name, pool in config.pools.items()}
    return model.Topology(
        datacentres=tuple(config.datacentres),
        nodes=tuple(nodes),
        pools=pools,
        groups={name: _group(config, name) for name in config.groups},
        services={name: _service(name, service) for name, service in config.services.items()},
        locations={name: place.location for name, place in config.datacentres.items() if place.location is not None},
        ids={name: place.id for name, place in config.datacentres.items()},
    )


def _pool(name: str, pool: Pool, nodes: list[model.Node]) -> model.Pool:
    first = len(nodes)
    for datacentre, members in pool.nodes.items():
        for node in members:
            nodes.append(model.Node(len(nodes), node.name, name, datacentre, node.weight, node.capacity))
    check = pool.health_check
    acts = check is not None and check.mode == "on"
    return model.Pool(
        name=name,
        nodes=tuple(nodes[first:]),
        min_nodes=pool.min_nodes,
        needed=pool.needed,
        algorithm="hash" if isinstance(pool.algorithm, HashBy) else pool.algorithm,
        hash_by=_hash_by(pool.algorithm) if isinstance(pool.algorithm, HashBy) else None,
        max_connections=pool.max_connections,
        max_pending=0 if pool.protocol == "tcp" else pool.max_pending,  # a TCP connection waits for no other's end
        checked=acts,
        check_mode=model.Mode(check.mode) if check is not None else model.Mode.OFF,
        must_pass_first=check is not None and acts and check.must_pass_first,
        fall=check.fall if check is not None else 3,
        rise=check.rise if check is not None else 2,
        ejection=_ejection(pool),
        retries=retries(pool),
        try_all=pool.when_none.page is None,
    )


def _hash_by(algorithm: HashBy) -> model.HashBy:
    """`client`, `header:NAME` or `cookie:NAME`; only the names of cookies tell capitals from small letters."""
    kind, _, name = algorithm.hash.partition(":")
    if kind == "client":
        return model.HashBy("client")
    return model.HashBy("header", name.lower()) if kind == "header" else model.HashBy("cookie", name)


def _ejection(pool: Pool) -> model.Ejection:
    ejection = pool.ejection
    share, peers, slow = ejection.share, ejection.peers, ejection.slow
    return model.Ejection(
        consecutive_gateway_failures=ejection.consecutive_gateway_failures.failures,
        gateway_mode=_mode(ejection.consecutive_gateway_failures),
        consecutive_5xx=ejection.consecutive_5xx.failures,
        server_error_mode=_mode(ejection.consecutive_5xx),
        share=model.ShareRule(share.percent, share.window, share.requests, model.Mode(share.mode)),
        peers=model.PeersRule(peers.points / 100, peers.window, peers.requests, model.Mode(peers.mode)),
        slow=model.SlowRule(slow.times, slow.floor, slow.windows, model.Mode(slow.mode)),
        base_time=ejection.base_time,
        max_time=ejection.max_time,
        ramp=ejection.ramp,
    )


def _mode(detector: Consecutive) -> model.Mode:
    return model.Mode(detector.mode)


def retries(pool: Pool) -> model.RetryRules:
    rules = pool.retries
    return model.RetryRules(
        attempts=rules.attempts,
        budget=rules.budget,
        floor=rules.floor,
        on_status=frozenset(rules.on_status),
        on_timeout=rules.on_timeout,
        post=rules.post,
        body=rules.body,
    )


def _group(config: Config, name: str) -> model.Group:
    group = config.groups[name]
    used = [pool for service in config.services.values() if service.group == name for pool in service.pools]
    pools = tuple(dict.fromkeys(used))
    return model.Group(
        name=name,
        weights=group.weights,
        pools=pools,
        critical=group.critical or pools,
        out_after=group.out_after,
        back_after=group.back_after,
        at_least=group.safety.at_least,
        pause=group.safety.pause,
        mode=model.GroupMode(group.mode),
        order=group.order,
        rules=tuple(_rule(config, rule) for rule in group.rules),
        stable=group.stable == "client",
        spill=group.spill,
        trickle=group.trickle,
        cold=group.standby == "cold",
        drain_sessions=group.drain.sessions,
        failover=model.FailoverRules(group.failover.automatic, group.failover.after, group.failover.most_per_day),
        failback=_failback(group.failback),
        penalty=model.PenaltyRules(group.penalty.half_life, group.penalty.suspend, group.penalty.reuse),
    )


def _failback(failback: Failback) -> model.FailbackRules:
    return model.FailbackRules(failback.automatic, failback.after, failback.ramp, failback.hold)


def _rule(config: Config, rule: Rule) -> model.Rule:
    return model.Rule(rule.name, _when(config, rule.when), rule.weights or {}, rule.nearest, rule.bias)


def _when(config: Config, when: When) -> model.When:
    header = when.header
    return model.When(
        regions=tuple(_area(config.geo.regions[name]) for name in when.region),
        area=_area(when),
        field=model.FieldTest(header.name.lower(), header.equals, header.prefix, header.regex) if header else None,
        paths=when.path,
    )


def _area(part: When | Region) -> model.Area:
    return model.Area(
        countries=frozenset(part.country),
        subdivisions=frozenset(part.subdivisions),
        continents=frozenset(part.continent),
        asns=frozenset(part.asn),
        networks=tuple(str(network) for network in part.cidr),
    )


def _service(name: str, service: Service) -> model.Service:
    return model.Service(
        name=name,
        group=service.group,
        hostnames=service.hostnames,
        routes=_routes(service),
        pinned={
            hostname: model.Pinned(pinned.datacentre, tuple(str(network) for network in pinned.allow))
            for hostname, pinned in service.pinned_hostnames.items()
        },
        affinity=_affinity(service.affinity) if service.affinity is not None else None,
    )


def _affinity(affinity: Affinity) -> model.Affinity:
    ends = affinity.ends_with
    return model.Affinity(
        *_kind_and_name(affinity),
        idle=affinity.idle,
        longest=affinity.longest,
        ends_with_request=(ends.request_header or "").lower() if ends else "",
        ends_with_response=(ends.response_header or "").lower() if ends else "",
        on_loss=model.OnLoss(affinity.on_loss),
    )


def _kind_and_name(affinity: Affinity) -> tuple[Literal["cookie", "header", "query"], str]:
    """The schema has made sure that it is one of the three."""
    if affinity.cookie is not None:
        return "cookie", affinity.cookie
    return ("header", affinity.header.lower()) if affinity.header is not None else ("query", affinity.query or "")


def _routes(service: Service) -> tuple[model.Route, ...]:
    """All of a TCP service goes to its pool."""
    if service.pool is not None:
        return (model.Route("/", service.pool),)
    return tuple(model.Route(route.path, route.pool) for route in service.routes)
