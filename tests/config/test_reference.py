"""`config/reference.yaml` and the schema say the same: every key, every default."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from steer.config import Config, examine
from steer.config.built import written
from steer.config.reading import Reading
from steer.config.shape import alternatives, inside
from steer.config.source import show_place

REFERENCE = Path(__file__).parents[2] / "config" / "reference.yaml"

# Written in the reference as an example, because the default is to have none, or because there is none.
EXAMPLES = {
    "version",  # must be written
    "edge",
    "edge.name",
    "edge.datacentre",
    "edges",
    "edges.edge-a.datacentre",
    "edges.edge-a.admin",
    "coordination",  # None: one edge decides for itself
    "coordination.etcd",
    "listeners",
    "listeners[0].name",
    "listeners[0].bind",
    "listeners[0].protocols",  # None: all that is built, which grows to what is written there
    "listeners[0].tls",
    "listeners[0].tls.certificates",
    "listeners[0].tls.certificates[0].certificate",
    "listeners[0].tls.certificates[0].key",
    "listeners[1].name",
    "listeners[1].bind",
    "listeners[1].tcp",
    "listeners[1].tcp.service",
    "datacentres",
    "datacentres.one.id",
    "datacentres.one.redis",
    "datacentres.one.redis.url",
    "datacentres.two.id",
    "pools",
    "pools.web.nodes",
    "pools.web.nodes.one[0].name",
    "pools.web.nodes.one[0].address",
    "pools.web.nodes.two[0].name",
    "pools.web.nodes.two[0].address",
    "pools.web.health_check",  # None: no active check
    "pools.web.ejection.consecutive_5xx.failures",  # the bare number is itself the default of the key around it
    "pools.web.ejection.consecutive_gateway_failures.failures",
    "groups",
    "groups.website.mode",
    "groups.website.weights",
    "services",
    "services.www.environment",
    "services.www.hostnames",
    "services.www.group",
    "services.www.routes",
    "services.www.routes[0].path",
    "services.www.routes[0].pool",
    "services.files.group",
    "services.files.pool",
    "sessions",  # None: no store, no doors
    "sessions.doors",
    "sessions.doors.resp",  # None: a door that is not written is not there
    "sessions.doors.http",
    "sessions.namespaces",
}

# Keys that the reference has in no comment either, with the reason.
NOT_IN_THE_REFERENCE = {
    "failures",  # the long form of consecutive_5xx: 5, which takes a mode as every detector does
    "region",  # of a rule's `when`: steering.md, "Rules and geography"
    "equals",
    "regex",
    "response_header",  # of affinity's ends_with: steering.md, "Affinity"
    "request_header",
    "exec",  # of a plan's steps: recovery.md, "Steps"
    "command",
    "method",
    "headers",
    "until",
    "check",
    "healthy_nodes",
    "fingerprints",
    "approve",
    "wait",
    "fence",
    "shift",
    "abort_if",
    "error_rate",
    "p95",
    "notify",
    "parallel",
    "on_failure",
    "on_takeover",
    "undo",
    "in_drill",
    "promotes",
}


def reference() -> Config:
    """Without a folder, so that paths stay as they are written."""
    reading = Reading(str(REFERENCE))
    reading.take(REFERENCE.read_bytes())
    return Config.model_validate(reading.data)


def differences(model: BaseModel, place: tuple[str | int, ...] = ()) -> Iterator[str]:
    """The written parts that are not what they would be if they were left out."""
    for here, value in [((), model), *written(model)]:
        if isinstance(value, BaseModel):
            for name in value.model_fields_set:
                if getattr(value, name) != default(value, name):
                    yield show_place((*here, name))


def default(model: BaseModel, name: str) -> Any:
    """What a model has where the key is left out, as it is after validation."""
    field = type(model).model_fields[name]
    if field.is_required():
        return ...
    value = field.get_default(call_default_factory=True, validated_data=dict(iter(model)))
    section = field.annotation
    if value == {} and isinstance(section, type) and issubclass(section, BaseModel):
        return section.model_validate({})
    return value


def every_key(kind: Any, seen: set[type[BaseModel]]) -> Iterator[str]:
    """Every key of the schema, by walking its models."""
    for part in alternatives(kind):
        if isinstance(part, type) and issubclass(part, BaseModel):
            if part not in seen:
                seen.add(part)
                for name, field in part.model_fields.items():
                    yield name
                    yield from every_key(field.annotation, seen)
        elif hasattr(part, "__args__"):
            for inner in inside(part, 0) or inside(part, "x"):
                yield from every_key(inner, seen)


def test_the_reference_is_right_but_for_a_pool_that_it_only_names() -> None:
    assert [str(problem) for problem in examine(REFERENCE, {}, check_files=False).problems] == [
        f'{REFERENCE}:117: services.files.pool: there is no pool "sftp" (known here: web)'
    ]


def test_each_default_that_the_reference_writes_is_the_default_of_the_schema() -> None:
    assert set(differences(reference())) == EXAMPLES


def test_each_key_of_the_schema_is_in_the_reference_or_has_a_reason_not_to_be() -> None:
    words = set(re.findall(r"\w+", REFERENCE.read_text()))
    keys = set(every_key(Config, set()))
    assert {"bind", "budget", "schedule", "max_pending", "pinned_hostnames"} <= keys
    assert keys - words == NOT_IN_THE_REFERENCE


def test_each_key_of_a_section_that_the_reference_writes_is_written_there() -> None:
    """A word in another section, or in a comment, does not count: but for `mode` and `page`, which comments tell of."""
    wanted: set[tuple[str, str]] = set()
    found: set[tuple[str, str]] = set()
    for _, section in written(reference()):
        if isinstance(section, BaseModel):
            wanted |= {(type(section).__name__, name) for name in type(section).model_fields}
            found |= {(type(section).__name__, name) for name in section.model_fields_set}
    detectors = ("HealthCheck", "Consecutive", "FailureShare", "PeerComparison")
    assert wanted - found == {*((detector, "mode") for detector in detectors), ("Page", "page")}
