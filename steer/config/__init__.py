"""What was asked for: a YAML file becomes one frozen value, or a list of everything that is wrong with it.

    file ─ reading ─▶ data + lines ─ filling ─▶ data ─ schema ─▶ Config ─ checks ─▶ Config
                │                      │                 │                  │
                └──────── Problem: file, line, path, what must be, what may have been meant ───▶ ConfigError

*reading* takes YAML 1.2 and keeps the line of every key. *filling* brings in `${NAME}` and `${file:path}`, and
remembers where, so that what came in is never shown. The *schema* is pydantic models, frozen, that refuse unknown
keys; attribute names are the keys of the file, durations are seconds (float), shares 0 to 1, sizes bytes, paths start
at the file's folder. *messages* puts pydantic's errors into the words of a person. The *checks* look at what no single
part can know: names that refer to nothing, hostnames that overlap, certificates that do not fit.

A wrong part does not hide the others: *partial* takes it out and the rest is checked all the same. What the schema has
and this release does not do is in the table of *built*: `unbuilt(config)`. What is right but should be known is
`advice(config)`.

*changes* says what a reload would change, and what of it needs a restart; a *parcel* takes a configuration to another
process.

`config/reference.yaml` in the repository has every key with its default; a test holds it to the schema.
"""

from steer.config.advice import advice
from steer.config.built import unbuilt
from steer.config.changes import Change, changes
from steer.config.loading import Examination, examine, load
from steer.config.network import canonical_hostname, host_port, is_loopback
from steer.config.parcel import from_parcel, to_parcel
from steer.config.schema import Config
from steer.config.schema_edge import Coordination, Edge, EdgeMember, Log
from steer.config.schema_ejection import Consecutive, Ejection
from steer.config.schema_groups import Failback, Group, Rule, When
from steer.config.schema_listeners import Admin, Certificate, Limits, Listener, ListenerTls, ServerTls
from steer.config.schema_places import Datacentre, GeoNetwork, Redis, Region
from steer.config.schema_pools import (
    Expect,
    HashBy,
    HealthCheck,
    Keepalive,
    NodeConfig,
    Page,
    Pool,
    Retries,
    Timeouts,
    UpstreamTls,
)
from steer.config.schema_services import Affinity, Pinned, Route, Service
from steer.config.schema_sessions import DoorUser, Sessions
from steer.config.schema_sessions import Namespace as SessionNamespace
from steer.config.showing import digest, redacted, schema_json

__all__ = [
    "Admin",
    "Affinity",
    "Certificate",
    "Change",
    "Config",
    "Consecutive",
    "Coordination",
    "Datacentre",
    "DoorUser",
    "Edge",
    "EdgeMember",
    "Ejection",
    "Examination",
    "Expect",
    "Failback",
    "GeoNetwork",
    "Group",
    "HashBy",
    "HealthCheck",
    "Keepalive",
    "Limits",
    "Listener",
    "ListenerTls",
    "Log",
    "NodeConfig",
    "Page",
    "Pinned",
    "Pool",
    "Redis",
    "Region",
    "Retries",
    "Route",
    "Rule",
    "ServerTls",
    "Service",
    "SessionNamespace",
    "Sessions",
    "Timeouts",
    "UpstreamTls",
    "When",
    "advice",
    "canonical_hostname",
    "changes",
    "digest",
    "examine",
    "from_parcel",
    "host_port",
    "is_loopback",
    "load",
    "redacted",
    "schema_json",
    "to_parcel",
    "unbuilt",
]
