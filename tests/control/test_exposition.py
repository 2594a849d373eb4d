"""/metrics: the names that were promised, in the format that Prometheus reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from steer.steering.latencies import BUCKETS
from tests.kit.admin import RunningAdmin, portal_topology, running_admin

PROMISED = {
    "steer_requests": {"service", "group", "datacentre", "code_class"},
    "steer_request_seconds": {"le"},
    "steer_phase_seconds": {"phase", "le"},
    "steer_upstream_seconds": {"node", "le"},
    "steer_retries": {"reason"},
    "steer_ejections": {"node", "detector"},
    "steer_node_state": {"node", "state"},
    "steer_datacentre_state": {"group", "datacentre", "state"},
    "steer_weight": {"group", "datacentre"},
    "steer_connections": set[str](),
    "steer_session_arrivals": {"result"},
    "steer_overload_refused": {"reason"},
    "steer_overload_level": {"worker"},
    "steer_overload_lag_seconds": {"worker"},
    "steer_overload_memory": {"worker"},
    "steer_tls_handshakes": {"version", "resumed"},
    "steer_certificate_expiry_seconds": {"certificate"},
    "steer_database_refused": {"file"},
    "steer_database_age_seconds": {"file"},
    "steer_group_at": {"group", "datacentre"},
    "steer_group_held": {"group", "reason"},
    "steer_group_penalty": {"group"},
    "steer_clients_left": {"group", "datacentre"},
    "steer_isolated": set[str](),
    "steer_build_info": {"version", "python"},
}


async def scraped(admin: RunningAdmin) -> dict[str, Any]:
    answer = await admin.get("/metrics", role=None)
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    return {family.name: family for family in text_string_to_metric_families(answer.body)}


def value(families: dict[str, Any], name: str, **labels: str) -> float:
    (found,) = (
        sample.value
        for family in families.values()
        for sample in family.samples
        if sample.name == name and sample.labels == labels
    )
    return float(found)


async def count_something(admin: RunningAdmin) -> None:
    seconds = [2, 3, *[0] * (BUCKETS - 2), 0.0125]
    admin.context.totals.add(
        {
            "worker": 0,
            "requests": [["www", "website", "wellington", "2xx", 5]],
            "seconds": {"total": seconds, "connect": seconds, "response_head": seconds},
            "upstream": {"wlg-1": seconds},
            "retries": {"status_503": 1},
            "refused": {"penalty": 3, "a reason of nobody": 2},
            "arrivals": {"brought": 6},
            "gauges": {"connections": 7, "in_flight": {}, "overload": {"level": 1, "lag": 0.75, "memory": 0.5}},
            "handshakes": [["TLSv1.3", True, 4]],
        }
    )
    await admin.call(
        "POST", "/api/v1/overrides", {"kind": "eject", "target": {"node": "akl-1"}, "reason": "r", "force": True}
    )
    admin.context.totals.saw(admin.context.keeper.snapshot)


async def test_every_promised_name_is_there_with_its_labels_and_no_other(tmp_path: Path) -> None:
    async with running_admin(tmp_path, places=portal_topology()) as admin:
        await count_something(admin)
        admin.context.keeper.failover("portal", "auckland", ungraceful=False, owner="ops", reason="r", force=True)
        families = await scraped(admin)
    assert families.keys() == PROMISED.keys()
    for name, labels in PROMISED.items():
        seen = {label for sample in families[name].samples for label in sample.labels}
        assert seen == labels, name


async def test_the_numbers_are_those_that_were_counted(admin: RunningAdmin) -> None:
    await count_something(admin)
    families = await scraped(admin)
    labels = {"service": "www", "group": "website", "datacentre": "wellington", "code_class": "2xx"}
    assert value(families, "steer_requests_total", **labels) == 5
    assert value(families, "steer_request_seconds_bucket", le="0.001") == 2
    assert value(families, "steer_request_seconds_bucket", le="0.0025") == 5
    assert value(families, "steer_request_seconds_bucket", le="+Inf") == 5
    assert value(families, "steer_request_seconds_sum") == 0.0125
    assert value(families, "steer_request_seconds_count") == 5
    assert value(families, "steer_upstream_seconds_count", node="akl-1") == 0
    assert value(families, "steer_retries_total", reason="status_503") == 1
    assert value(families, "steer_tls_handshakes_total", version="TLSv1.3", resumed="true") == 4
    assert value(families, "steer_connections") == 7
    assert value(families, "steer_session_arrivals_total", result="brought") == 6
    assert value(families, "steer_overload_refused_total", reason="penalty") == 3
    assert value(families, "steer_overload_refused_total", reason="other") == 2
    assert value(families, "steer_overload_level", worker="0") == 1
    assert value(families, "steer_overload_lag_seconds", worker="0") == 0.75
    assert value(families, "steer_certificate_expiry_seconds", certificate="certs/www.pem") == 86400


async def test_a_state_is_one_series_of_1_among_zeros_and_a_weight_is_the_share_of_now(admin: RunningAdmin) -> None:
    await count_something(admin)
    families = await scraped(admin)
    states = {s.labels["state"]: s.value for s in families["steer_node_state"].samples if s.labels["node"] == "akl-1"}
    assert states == {"serving": 0, "ejected": 1, "probing": 0, "standby": 0}
    assert value(families, "steer_ejections_total", node="akl-1", detector="override") == 1
    assert value(families, "steer_weight", group="website", datacentre="auckland") == 0
    assert value(families, "steer_weight", group="website", datacentre="wellington") == 1


async def test_where_a_group_is_what_holds_it_and_who_is_left_are_series(tmp_path: Path) -> None:
    async with running_admin(tmp_path, places=portal_topology()) as admin:
        keeper = admin.context.keeper
        keeper.failover("portal", "auckland", ungraceful=False, owner="ops", reason="r", force=False)
        keeper.override(
            "hold",
            node=None,
            datacentre=None,
            group="portal",
            owner="ops",
            reason="r",
            expires_in=None,
            force=False,
        )
        families = await scraped(admin)
        assert value(families, "steer_group_at", group="portal", datacentre="auckland") == 1
        assert value(families, "steer_group_at", group="portal", datacentre="wellington") == 0
        assert value(families, "steer_group_held", group="portal", reason="hold") == 1
        assert value(families, "steer_group_held", group="website", reason="hold") == 0
        assert value(families, "steer_group_penalty", group="portal") == 0
        assert value(families, "steer_clients_left", group="portal", datacentre="wellington") == 0
        assert value(families, "steer_isolated") == 0
