"""What is printed for each way to get a configuration wrong: line for line."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from steer.config import examine


class Bad(NamedTuple):
    """The right configuration with one text replaced, and every line that must be printed for it."""

    old: str
    new: str
    lines: tuple[str, ...]


def bad(name: str, old: str, new: str, *lines: str) -> object:
    return pytest.param(Bad(old, new, lines), id=name)


NODE = '{name: one-1, address: "http://127.0.0.1:8101"}'
POOL_END = "    timeouts: {connect: 1s}\n"
GROUP = "{mode: active-active, weights: {one: 50, two: 50}}"
ROUTES = "routes: [{path: /, pool: web}]"

SHAPES = [
    bad(
        "an unknown key",
        "timeouts: {connect",
        "timeouts: {conect",
        "steer.yaml:24: pools.web.timeouts.conect: unknown key (did you mean connect?)",
    ),
    bad(
        "an unknown key that is like no other",
        "bind: 127.0.0.1:9900",
        "zzz: 1",
        "steer.yaml:14: admin.zzz: unknown key (known here: bind, tokens, tls, hosts, metrics_token)",
    ),
    bad("a missing key", "{id: 1}", "{}", "steer.yaml:16: datacentres.one.id: is missing"),
    bad("no version", "version: 1\n", "", "steer.yaml: version: is missing"),
    bad("another version", "version: 1", "version: 2", "steer.yaml:1: version: must be 1, got 2"),
    bad(
        "text for a number",
        "{id: 1}",
        "{id: first}",
        'steer.yaml:16: datacentres.one.id: must be a whole number, got "first"',
    ),
    bad(
        "true for a number",
        "one: 50",
        "one: true",
        "steer.yaml:26: groups.website.weights.one: must be a number, got true",
    ),
    bad(
        "a number for text",
        "name: edge-a",
        "name: 7",
        "steer.yaml:2: edge.name: must be text, got 7 (put it in quotes)",
    ),
    bad(
        "a word of old YAML for true",
        "redirect_to_https: true",
        "redirect_to_https: yes",
        'steer.yaml:12: listeners[1].redirect_to_https: must be true or false, got "yes"',
    ),
    bad("a list for a mapping", "{id: 2}", "[2]", "steer.yaml:17: datacentres.two: must be a mapping, got a list"),
    bad(
        "one value for a list",
        "[www.example]",
        "www.example",
        'steer.yaml:29: services.www.hostnames: must be a list, got "www.example"',
    ),
    bad("nothing", "  bind: 127.0.0.1:9900\n", "", "steer.yaml:13: admin: must be a mapping, got nothing"),
    bad(
        "a section of the wrong shape, without complaints of what it would have had",
        f"  website: {GROUP}\n",
        "  - website\n",
        "steer.yaml:25: groups: must be a mapping, got a list",
    ),
    bad(
        "a negative weight",
        "one: 50",
        "one: -1",
        "steer.yaml:26: groups.website.weights.one: must be 0 or more, got -1",
    ),
    bad(
        "an id past the last",
        "{id: 2}",
        "{id: 1000}",
        "steer.yaml:17: datacentres.two.id: must be 999 or less, got 1000",
    ),
    bad(
        "a word that is none of those",
        "active-active",
        "active-activ",
        "steer.yaml:26: groups.website.mode: must be active-active, active-passive or pilot-light, "
        'got "active-activ" (did you mean active-active?)',
    ),
    bad(
        "a version of TLS without quotes",
        "tls: {",
        "tls: {minimum: 1.2, ",
        "steer.yaml:9: listeners[0].tls.minimum: must be 1.2 or 1.3, got 1.2 (put it in quotes)",
    ),
    bad(
        "a name with a space",
        "name: https",
        "name: my listener",
        "steer.yaml:7: listeners[0].name: must be a name of letters, digits, dots, hyphens and underscores, "
        'at most 63, got "my listener"',
    ),
    bad(
        "an empty list",
        "[{certificate: www.pem, key: www.key}]",
        "[]",
        "steer.yaml:9: listeners[0].tls.certificates: must not be empty",
    ),
]

UNITS = [
    bad(
        "a duration without a unit",
        "connect: 1s",
        "connect: 1",
        "steer.yaml:24: pools.web.timeouts.connect: must be a duration such as 500ms, 5s, 10m or 8h, got 1",
    ),
    bad(
        "a duration of nothing where it must be something",
        "connect: 1s",
        "connect: 0s",
        'steer.yaml:24: pools.web.timeouts.connect: must be more than 0, got "0s"',
    ),
    bad(
        "a share past the whole",
        POOL_END,
        "    retries: {budget: 120%}\n",
        'steer.yaml:24: pools.web.retries.budget: must be a share from 0% to 100%, such as 20%, got "120%"',
    ),
    bad(
        "a size in the wrong unit",
        POOL_END,
        "    retries: {body: 64kb}\n",
        "steer.yaml:24: pools.web.retries.body: must be a size such as 64KiB or 10MiB, or a number of bytes, "
        'got "64kb"',
    ),
    bad(
        "a network with bits past its prefix",
        "{one.example: one}",
        "{one.example: {datacentre: one, allow: [10.1.2.3/8]}}",
        "steer.yaml:30: services.www.pinned_hostnames[one.example].allow[0]: must be a network such as 10.0.0.0/8, "
        'got "10.1.2.3/8" (did you mean 10.0.0.0/8?)',
    ),
    bad(
        "a bind without a port",
        "bind: 127.0.0.1:8080",
        "bind: 127.0.0.1",
        "steer.yaml:11: listeners[1].bind: must be an IP address and a port such as 0.0.0.0:443 or [::]:443, "
        'got "127.0.0.1"',
    ),
    bad(
        "an address without a scheme",
        '"http://127.0.0.1:8101"',
        '"127.0.0.1:8101"',
        "steer.yaml:21: pools.web.nodes.one[0].address: must be an address such as http://10.0.0.1:8080, "
        'https://name:443 or tcp://10.0.0.1:22, got "127.0.0.1:8101"',
    ),
    bad(
        "an address with a password, which is not shown",
        '"http://127.0.0.1:8101"',
        '"http://me:hush@127.0.0.1:8101"',
        "steer.yaml:21: pools.web.nodes.one[0].address: must be scheme, host and port only, "
        'got "http://me:***@127.0.0.1:8101" (no user, path or query)',
    ),
    bad(
        "a canary without a port",
        "edge: {name: edge-a}",
        'edge: {name: edge-a, canaries: ["192.0.2.1:53", www.example]}',
        "steer.yaml:2: edge.canaries[1]: must be a host and a port such as 192.0.2.1:53 or name.example:443, "
        'got "www.example"',
    ),
    bad(
        "a status that is none",
        "{path: /healthz}",
        "{path: /healthz, expect: {status: [7xx]}}",
        "steer.yaml:23: pools.web.health_check.expect.status[0]: must be a status such as 200, or a class such as 2xx, "
        'got "7xx"',
    ),
    bad(
        "a regular expression that is none",
        "{path: /healthz}",
        '{path: /healthz, expect: {body: "(up"}}',
        "steer.yaml:23: pools.web.health_check.expect.body: is no regular expression: missing ), unterminated "
        'subpattern, got "(up"',
    ),
]

NAMES = [
    bad(
        "a route to no pool",
        "pool: web}",
        "pool: wbe}",
        'steer.yaml:32: services.www.routes[0].pool: there is no pool "wbe" (did you mean web?)',
    ),
    bad(
        "a service of no group",
        "group: website",
        "group: other",
        'steer.yaml:31: services.www.group: there is no group "other" (known here: website)',
    ),
    bad(
        "a weight for no datacentre",
        "weights: {one: 50",
        "weights: {onne: 50",
        'steer.yaml:26: groups.website.weights.onne: there is no datacentre "onne" (did you mean one?)',
    ),
    bad(
        "nodes in no datacentre",
        "      two: [",
        "      too: [",
        'steer.yaml:22: pools.web.nodes.too: there is no datacentre "too" (did you mean two?)',
    ),
    bad(
        "a hostname pinned to no datacentre",
        "{one.example: one}",
        "{one.example: three}",
        'steer.yaml:30: services.www.pinned_hostnames[one.example]: there is no datacentre "three" '
        "(known here: one, two)",
    ),
    bad(
        "an edge that is not one of the edges",
        "edge: {name: edge-a}",
        "edge: {name: edge-aa}",
        'steer.yaml:2: edge.name: there is no edge "edge-aa" (did you mean edge-a?)',
    ),
    bad(
        "an edge that is said to be in two places",
        "edge: {name: edge-a}",
        "edge: {name: edge-a, datacentre: two}",
        "steer.yaml:2: edge.datacentre: must be one, got two (that is where edges.edge-a says that it is)",
    ),
    bad(
        "a plan that is not there",
        GROUP,
        "{mode: active-active, weights: {one: 50, two: 50}, on_out: move}",
        'steer.yaml:26: groups.website.on_out: there is no plan "move" (there are none)',
    ),
    bad(
        "a critical pool that the group does not use",
        f"groups:\n  website: {GROUP}",
        "  api: {nodes: {one: [{name: api-1, address: 'http://127.0.0.1:1'}]}}\n"
        "groups:\n  website: {mode: active-active, weights: {one: 1}, critical: [api]}",
        "steer.yaml:27: groups.website.critical[0]: no service of this group uses pool api",
    ),
    bad(
        "a region that is not there",
        GROUP,
        "{mode: active-active, weights: {one: 1}, rules: [{name: r, when: {region: nz}, weights: {one: 1}}]}",
        'steer.yaml:26: groups.website.rules[0].when.region[0]: there is no region "nz" (there are none)',
    ),
    bad(
        "a rule about countries, and nothing that knows of any",
        GROUP,
        "{mode: active-active, weights: {one: 1}, rules: [{name: r, when: {country: NZ}, weights: {one: 1}}]}",
        "steer.yaml:26: groups.website.rules[0]: can match nobody: nothing says where clients are"
        " (geo.database, or geo.networks)",
    ),
    bad(
        "the nearest of datacentres that are nobody knows where",
        f"groups:\n  website: {GROUP}",
        "geo: {networks: [{cidr: 10.0.0.0/8, location: [1, 2]}]}\n"
        "groups:\n  website: {mode: active-active, weights: {one: 1}, rules: [{name: r, when: {}, nearest: true}]}",
        "steer.yaml:27: groups.website.rules[0].nearest: needs to know where one is (datacentres.one.location)",
    ),
    bad(
        "rules of a group that is at one datacentre",
        GROUP,
        "{mode: active-passive, order: [one, two], rules: [{name: r, when: {}, weights: {one: 1}}]}",
        "steer.yaml:26: groups.website.rules: is for active-active (active-passive is at one datacentre)",
    ),
    bad(
        "a bias without distances",
        GROUP,
        "{mode: active-active, weights: {one: 1}, rules: [{name: r, when: {}, weights: {one: 1}, bias: {one: 5}}]}",
        "steer.yaml:26: groups.website.rules[0].bias: is for nearest: true (a rule with weights has no use for"
        " distances)",
    ),
    bad(
        "a regular expression that looks back",
        GROUP,
        "{mode: active-active, weights: {one: 1}, rules:"
        " [{name: r, when: {header: {name: x, regex: '(a)\\1'}}, weights: {one: 1}}]}",
        'steer.yaml:26: groups.website.rules[0].when.header.regex: may not refer back to a group (\\1), got "(a)\\1"',
    ),
]

HOSTNAMES = [
    bad(
        "one hostname of two services, spelt otherwise",
        "services:\n",
        "services:\n  old: {hostnames: [WWW.Example.], group: website, routes: [{path: /, pool: web}]}\n",
        "steer.yaml:30: services.www.hostnames[0]: the hostname www.example is already that of service old",
    ),
    bad(
        "a hostname that is pinned too",
        "{one.example: one}",
        "{WWW.example: one}",
        "steer.yaml:30: services.www.pinned_hostnames[WWW.example]: the hostname www.example is already that of "
        "service www",
    ),
    bad(
        "a wildcard",
        "[www.example]",
        '["*.example"]',
        'steer.yaml:29: services.www.hostnames[0]: must be a hostname such as www.example, got "*.example" '
        "(wildcards are not known here: list each name)",
    ),
    bad(
        "a hostname with a port",
        "[www.example]",
        "['www.example:8443']",
        'steer.yaml:29: services.www.hostnames[0]: must be a hostname such as www.example, got "www.example:8443" '
        "(leave out the port: a listener has it)",
    ),
    bad(
        "a pinned hostname with an underscore",
        "{one.example: one}",
        "{one_1.example: one}",
        "steer.yaml:30: services.www.pinned_hostnames[one_1.example]: must be a hostname such as www.example, "
        'got "one_1.example" (letters, digits and hyphens, at most 63 of them between two dots)',
    ),
    bad(
        "a hostname that old and new IDNA read differently",
        "[www.example]",
        "[stra\u00dfe.example]",
        'steer.yaml:29: services.www.hostnames[0]: must be a hostname such as www.example, got "stra\u00dfe.example" '
        "(write this name in its xn-- form)",
    ),
]

CONTRADICTIONS = [
    bad(
        "two nodes of one name",
        "name: two-1",
        "name: one-1",
        "steer.yaml:22: pools.web.nodes.two[0].name: the name one-1 is already that of a node of pool web",
    ),
    bad(
        "two datacentres of one id",
        "{id: 2}",
        "{id: 1}",
        "steer.yaml:17: datacentres.two.id: the id 1 is already that of one",
    ),
    bad(
        "two listeners at one address",
        "127.0.0.1:8080",
        "127.0.0.1:8443",
        "steer.yaml:11: listeners[1].bind: the address 127.0.0.1:8443 is already that of listener https",
    ),
    bad(
        "two listeners of one name",
        "name: http\n",
        "name: https\n",
        "steer.yaml:10: listeners[1].name: the name https is already that of another listener",
    ),
    bad(
        "a listener where the admin API is",
        "bind: 127.0.0.1:9900",
        "bind: 127.0.0.1:8080",
        "steer.yaml:14: admin.bind: the address 127.0.0.1:8080 is already that of listener http",
    ),
    bad(
        "an admin API for everybody, in the clear",
        "bind: 127.0.0.1:9900",
        "bind: 0.0.0.0:9900",
        "steer.yaml:14: admin.bind: must be a loopback address without admin.tls, got 0.0.0.0:9900",
    ),
    bad(
        "a session cookie without its value, of records that stay at home",
        "services:\n",
        "sessions: {namespaces: {web: {replicate: false, session_cookie: {name: SID, key: sess}}}}\nservices:\n",
        "steer.yaml:27: sessions.namespaces.web.session_cookie: needs replicate: true (other datacentres have no such "
        "records)",
        'steer.yaml:27: sessions.namespaces.web.session_cookie.key: must have {value} once, got "sess"',
    ),
    bad(
        "ids that are hidden beside values that are not",
        "services:\n",
        "sessions: {namespaces: {web: {hash_keys: true}}}\nservices:\n",
        "steer.yaml:27: sessions.namespaces.web.hash_keys: needs seal: true (ids alone tell little, values tell all)",
    ),
    bad(
        "a door for other sites whose address nobody is told, in the clear",
        "services:\n",
        "replication: {bind: '0.0.0.0:9901'}\nservices:\n",
        "steer.yaml:27: replication: needs tls where sites replicate through edges",
        "steer.yaml:27: replication.bind: needs edges.edge-a.replication (the host and port by which other sites reach "
        "it)",
    ),
    bad(
        "a door for other sites that asks nobody who he is",
        "  edge-b: {datacentre: two}\n",
        "  edge-b: {datacentre: two, replication: 'b.example:9901'}\nreplication: {tls: {certificate: a, key: b}}\n",
        "steer.yaml:6: replication.tls: needs client_ca (the CA that is for edges alone: who has its certificate may "
        "read and write every session)",
    ),
    bad(
        "an address for other sites at which nobody listens",
        "edge-a: {datacentre: one}",
        "edge-a: {datacentre: one, replication: 'a.example:9901'}",
        "steer.yaml:4: edges.edge-a.replication: needs replication.bind (where this edge listens for others)",
    ),
    bad(
        "two edges that would each replicate a memory of its own",
        "  edge-b: {datacentre: two}\n",
        "  edge-b: {datacentre: two, replication: 'b.example:9901'}\n  edge-c: {datacentre: two}\n"
        "replication: {tls: {certificate: a, key: b, client_ca: c}}\n",
        "steer.yaml:19: datacentres.two: needs a redis: edge-b and edge-c would each replicate a memory of its own",
    ),
    bad(
        "a listener that is called as something else is",
        "name: http\n",
        "name: replication\n",
        "steer.yaml:10: listeners[1].name: must not be replication (edges.*.bind means replication.bind by it)",
    ),
    bad(
        "a pool of HTTP with a node of TCP",
        '"http://127.0.0.1:8101"',
        '"tcp://127.0.0.1:8101"',
        "steer.yaml:21: pools.web.nodes.one[0].address: must begin with http:// or https:// in a pool of protocol "
        "http, got tcp://",
    ),
    bad(
        "weights that are all nothing",
        "{one: 50, two: 50}",
        "{one: 0, two: 0}",
        "steer.yaml:26: groups.website.weights: must have one that is over 0",
    ),
    bad(
        "a passive group with weights and no order",
        "active-active",
        "active-passive",
        "steer.yaml:26: groups.website.order: is missing (active-passive needs its datacentres, the first one first)",
        "steer.yaml:26: groups.website.weights: is for active-active (active-passive has order)",
    ),
    bad(
        "an active group with an order",
        GROUP,
        "{mode: active-active, weights: {one: 1}, order: [one]}",
        "steer.yaml:26: groups.website.order: is for active-passive and pilot-light (active-active has weights)",
    ),
    bad(
        "an active group that has no standby",
        GROUP,
        "{mode: active-active, weights: {one: 1, two: 1}, spill: true, trickle: 2%, standby: cold}",
        *(
            f"steer.yaml:26: groups.website.{key}: is for active-passive and pilot-light (active-active has no standby)"
            for key in ("spill", "standby", "trickle")
        ),
    ),
    bad(
        "traffic for a standby that does not run",
        GROUP,
        "{mode: pilot-light, order: [one, two], spill: true, trickle: 2%, standby: cold}",
        "steer.yaml:26: groups.website.spill: needs a standby that runs (standby: warm)",
        "steer.yaml:26: groups.website.trickle: needs a standby that runs (standby: warm)",
    ),
    bad(
        "a rule for a datacentre that the group does not use",
        GROUP,
        "{mode: active-active, weights: {one: 1}, rules: [{name: r, when: {}, weights: {two: 1}}]}",
        "steer.yaml:26: groups.website.rules[0].weights.two: is no datacentre of this group"
        " (weight 0 in groups.website.weights keeps others away)",
    ),
    bad(
        "two edges that move a group without asking each other",
        GROUP,
        "{mode: active-passive, order: [one, two], failover: {automatic: true}}",
        "steer.yaml:26: groups.website.failover.automatic: must be false with several edges and no coordination "
        "(coordination: {etcd: [...]})",
    ),
    bad(
        "a listener that redirects to itself",
        "    bind: 127.0.0.1:8443\n",
        "    bind: 127.0.0.1:8443\n    redirect_to_https: true\n",
        "steer.yaml:9: listeners[0].redirect_to_https: must be false where there is tls (it would redirect to itself)",
    ),
    bad(
        "a redirect to nowhere",
        "    tls: {certificates: [{certificate: www.pem, key: www.key}]}\n",
        "",
        "steer.yaml:11: listeners[1].redirect_to_https: needs a listener with tls to redirect to",
    ),
    bad(
        "a client's address from anybody's header",
        "    redirect_to_https: true\n",
        "    client_address: forwarded\n",
        "steer.yaml:10: listeners[1].trusted_proxies: must not be empty with client_address: forwarded "
        "(the networks that may say who the client is)",
    ),
    bad(
        "two routes for one path",
        ROUTES,
        "routes: [{path: /a, pool: web}, {path: /a/, pool: web}]",
        "steer.yaml:32: services.www.routes[1].path: the path /a is already that of an earlier route",
    ),
    bad(
        "a route that begins with no slash",
        "path: /, pool",
        "path: a, pool",
        'steer.yaml:32: services.www.routes[0].path: must be a path that begins with / and has no spaces, got "a"',
    ),
    bad(
        "a service without routes",
        f"    {ROUTES}\n",
        "",
        "steer.yaml:28: services.www.routes: is missing (such as [{path: /, pool: web}])",
    ),
    bad(
        "nodes that are checked by a certificate authority that is not named",
        POOL_END,
        "    upstream_tls: {verify: ca}\n",
        "steer.yaml:24: pools.web.upstream_tls: needs ca where verify is ca",
    ),
    bad(
        "affinity by two things",
        ROUTES,
        f"{ROUTES}\n    affinity: {{cookie: a, header: b}}",
        "steer.yaml:33: services.www.affinity: needs exactly one of cookie, header and query",
    ),
    bad(
        "a prefix that the edge gives",
        ROUTES,
        f"{ROUTES}\n    affinity: {{cookie: __Host-steer}}",
        "steer.yaml:33: services.www.affinity.cookie: must be the name without its prefix, got __Host-steer "
        "(steer: over TLS it is __Host-steer)",
    ),
    bad(
        "a step that does two things",
        "services:\n",
        "plans:\n  go:\n    steps:\n      - {name: both, wait: 1s, plan: go}\nservices:\n",
        "steer.yaml:30: plans.go.steps[0]: needs exactly one of exec, http, check, approve, wait, drain, fence, shift, "
        "notify, plan, parallel",
    ),
    bad(
        "a ramp that falls",
        "services:\n",
        "plans:\n  go:\n    steps:\n      - {name: move, shift: {to: one, ramp: [50, 10, 100]}}\nservices:\n",
        "steer.yaml:30: plans.go.steps[0].shift.ramp: must rise, and end with 100",
    ),
]

TEXT = [
    bad(
        "a key written twice",
        "version: 1",
        "version: 1\nversion: 1",
        "steer.yaml:2: version: is written twice (first on line 1)",
    ),
    bad(
        "an alias",
        "{one: 50, two: 50}",
        "&w {one: 50, two: *w}",
        "steer.yaml:26: is an alias, which is not known here (write it out)",
    ),
    bad(
        "a tag",
        "name: edge-a",
        "name: !secret edge-a",
        "steer.yaml:2: edge.name: has a tag, which is not known here (leave out the !)",
    ),
    bad(
        "lists in lists in lists",
        "{id: 2}",
        "[" * 40 + "]" * 40,
        "steer.yaml:17: is nested too deeply (at most 32)",
    ),
    bad("a tab", "admin:\n", "admin:\n\t", "steer.yaml:14: found character '\\t' that cannot start any token"),
    bad(
        "a reference in braces without quotes",
        "{name: edge-a}",
        "{name: ${NAME}}",
        "steer.yaml:2: expected ',' or '}', but got '{' (inside { } or [ ], text with ${...}, : or { needs quotes)",
    ),
    bad(
        "a reference to nothing",
        "bind: 127.0.0.1:9900",
        "metrics_token: ${NOT_SET}",
        "steer.yaml:14: admin.metrics_token: ${NOT_SET} is not set in the environment",
    ),
    bad(
        "a reference to no file",
        "bind: 127.0.0.1:9900",
        "metrics_token: ${file:gone}",
        "steer.yaml:14: admin.metrics_token: ${file:gone} cannot be read: No such file or directory",
    ),
    bad(
        "a reference without an end",
        "bind: 127.0.0.1:9900",
        "metrics_token: ${NAME",
        "steer.yaml:14: admin.metrics_token: has ${ without its } ($${ stands for ${ itself)",
    ),
    bad(
        "a reference that is no name",
        "bind: 127.0.0.1:9900",
        "metrics_token: ${1+1}",
        "steer.yaml:14: admin.metrics_token: ${1+1} is not a reference (${NAME} or ${file:path}, and $${ for ${)",
    ),
]


@pytest.mark.parametrize("case", SHAPES + UNITS + NAMES + HOSTNAMES + CONTRADICTIONS + TEXT)
def test_a_bad_configuration_is_told_with_its_line_its_path_and_a_hint(case: Bad, right: str, folder: Path) -> None:
    assert right.count(case.old) == 1
    Path("steer.yaml").write_text(right.replace(case.old, case.new))
    found = examine(Path("steer.yaml"), {}, check_files=False)
    assert tuple(map(str, found.problems)) == case.lines
