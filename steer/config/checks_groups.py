"""Does each group know where its traffic goes, and who may move it?"""

from __future__ import annotations

from steer.config.findings import Finding, Findings, Seen, all_known, each_known, known
from steer.config.schema import Config
from steer.config.schema_groups import Group, Rule, When
from steer.config.schema_places import Region
from steer.config.source import Place


def check_references(config: Config) -> Findings:
    datacentres, plans = config.source.keys("datacentres"), config.source.keys("plans")
    for name, group in config.groups.items():
        place: Place = ("groups", name)
        yield from all_known((*place, "weights"), "datacentre", group.weights, datacentres)
        yield from each_known((*place, "order"), "datacentre", group.order, datacentres)
        yield from known((*place, "on_out"), "plan", group.on_out, plans)
        yield from known((*place, "failover", "plan"), "plan", group.failover.plan, plans)
        yield from known((*place, "failback", "plan"), "plan", group.failback.plan, plans)
        yield from _check_critical(config, name, group)


def _check_critical(config: Config, name: str, group: Group) -> Findings:
    """`critical` names pools of the group's own services: others would take it out for nothing."""
    pools = config.source.keys("pools")
    used = {pool for service in config.services.values() if service.group == name for pool in service.pools}
    for index, pool in enumerate(group.critical):
        place: Place = ("groups", name, "critical", index)
        yield from known(place, "pool", pool, pools)
        if pool in pools and used and pool not in used:
            yield Finding(place, f"no service of this group uses pool {pool}")


def check_modes(config: Config) -> Findings:
    for name, group in config.groups.items():
        place: Place = ("groups", name)
        if group.mode == "active-active":
            yield from _check_weights(group.weights, (*place, "weights"))
            if group.order:
                yield Finding((*place, "order"), "is for active-passive and pilot-light", "active-active has weights")
            yield from _check_no_standby(group, place)
        else:
            yield from _check_order(group, place)
            yield from _check_warm(group, place)


def _check_no_standby(group: Group, place: Place) -> Findings:
    asked = {"spill": group.spill, "trickle": group.trickle > 0, "standby": group.standby == "cold"}
    for key in (key for key, is_asked in asked.items() if is_asked):
        yield Finding((*place, key), "is for active-passive and pilot-light", "active-active has no standby")


def _check_warm(group: Group, place: Place) -> Findings:
    asked = {"spill": group.spill, "trickle": group.trickle > 0}
    for key in (key for key, is_asked in asked.items() if is_asked and group.standby == "cold"):
        yield Finding((*place, key), "needs a standby that runs", "standby: warm")


def _check_weights(weights: dict[str, float], place: Place) -> Findings:
    if not weights:
        yield Finding(place, "is missing", "active-active needs a weight for each datacentre")
    elif not any(weights.values()):
        yield Finding(place, "must have one that is over 0")


def _check_order(group: Group, place: Place) -> Findings:
    if not group.order:
        yield Finding((*place, "order"), "is missing", f"{group.mode} needs its datacentres, the first one first")
    if group.weights:
        yield Finding((*place, "weights"), "is for active-active", f"{group.mode} has order")
    seen = Seen("the datacentre")
    for index, datacentre in enumerate(group.order):
        yield from seen.again(datacentre, (*place, "order", index), "an earlier place in the order")


def check_automatic(config: Config) -> Findings:
    """Two edges that cannot ask each other must not both move a group (recovery.md)."""
    if len(config.edges) < 2 or config.coordination is not None:
        return
    for name, group in config.groups.items():
        for move, automatic in (("failover", group.failover.automatic), ("failback", group.failback.automatic)):
            if automatic:
                message = "must be false with several edges and no coordination"
                yield Finding(("groups", name, move, "automatic"), message, "coordination: {etcd: [...]}")


def check_ramps(config: Config) -> Findings:
    for name, group in config.groups.items():
        place: Place = ("groups", name, "failback", "ramp")
        yield from rising(group.failback.ramp, place)
        if group.penalty.reuse >= group.penalty.suspend:
            yield Finding(("groups", name, "penalty", "reuse"), "must be less than suspend")


def rising(ramp: tuple[int, ...], place: Place) -> Findings:
    if list(ramp) != sorted(set(ramp)) or ramp[-1] != 100:
        yield Finding(place, "must rise, and end with 100")


def check_rules(config: Config) -> Findings:
    for name, group in config.groups.items():
        if group.rules and group.mode != "active-active":
            yield Finding(("groups", name, "rules"), "is for active-active", f"{group.mode} is at one datacentre")
        names = Seen("the name")
        for index, rule in enumerate(group.rules):
            place: Place = ("groups", name, "rules", index)
            yield from names.again(rule.name, (*place, "name"), "an earlier rule")
            yield from _check_rule(config, rule, place)
            yield from _check_members(config, name, rule, place)
            yield from _check_geography(config, group, rule, place)


def _check_rule(config: Config, rule: Rule, place: Place) -> Findings:
    datacentres = config.source.keys("datacentres")
    regions = config.source.keys("geo", "regions")
    yield from each_known((*place, "when", "region"), "region", rule.when.region, regions)
    yield from all_known((*place, "bias"), "datacentre", rule.bias, datacentres)
    if rule.bias and not rule.nearest:
        yield Finding((*place, "bias"), "is for nearest: true", "a rule with weights has no use for distances")
    if rule.weights is not None:
        yield from all_known((*place, "weights"), "datacentre", rule.weights, datacentres)
        yield from _check_weights(rule.weights, (*place, "weights"))


def _check_members(config: Config, name: str, rule: Rule, place: Place) -> Findings:
    """The group's own weights say where it may go at all."""
    members = config.groups[name].weights
    for key, named in (("weights", rule.weights or {}), ("bias", rule.bias)):
        for datacentre in named:
            if members and datacentre in config.datacentres and datacentre not in members:
                hint = f"weight 0 in groups.{name}.weights keeps others away"
                yield Finding((*place, key, datacentre), "is no datacentre of this group", hint)


def _check_geography(config: Config, group: Group, rule: Rule, place: Place) -> Findings:
    """A rule that asks where clients are is for nobody when nothing says it."""
    asks: list[When | Region] = [rule.when]
    asks += (config.geo.regions[name] for name in rule.when.region if name in config.geo.regions)
    is_asked = any(part.country or part.subdivisions or part.continent or part.asn for part in asks)
    if (is_asked or rule.nearest) and not config.geo.database and not config.geo.networks:
        yield Finding(place, "can match nobody: nothing says where clients are", "geo.database, or geo.networks")
    for name in group.order or group.weights if rule.nearest else ():
        datacentre = config.datacentres.get(name)
        if datacentre is not None and datacentre.location is None:
            yield Finding((*place, "nearest"), f"needs to know where {name} is", f"datacentres.{name}.location")


CHECKS = (check_references, check_modes, check_automatic, check_ramps, check_rules)
