from __future__ import annotations

from pathlib import Path

import pytest

from steer.config import Config, NodeConfig, canonical_hostname, examine, host_port, is_loopback, load
from steer.errors import ConfigError


@pytest.fixture
def config(folder: Path, right: str) -> Config:
    (folder / "steer.yaml").write_text(right)
    return load(folder / "steer.yaml", {}, check_files=False)


def loaded(text: str, environ: dict[str, str] | None = None) -> Config:
    Path("steer.yaml").write_text(text)
    return load(Path("steer.yaml"), environ or {}, check_files=False)


def problems(text: str | bytes) -> list[str]:
    Path("steer.yaml").write_bytes(text.encode() if isinstance(text, str) else text)
    return [str(problem) for problem in examine(Path("steer.yaml"), {}, check_files=False).problems]


def test_values_come_in_the_units_of_the_program(config: Config) -> None:
    pool = config.pools["web"]
    assert pool.timeouts.connect == 1.0
    assert pool.retries.budget == 0.2
    assert pool.retries.body == 65_536
    assert config.listeners[0].limits.head == 32_768
    assert config.groups["website"].weights == {"one": 50, "two": 50}
    assert pool.ejection.consecutive_5xx.failures == 5


def test_paths_start_at_the_folder_of_the_file_also_where_they_are_defaults(config: Config, folder: Path) -> None:
    assert config.listeners[0].tls is not None
    assert config.listeners[0].tls.certificates[0].key == folder / "www.key"
    assert config.admin.tokens == folder / "certs/admin-tokens.yaml"
    assert config.edge.state == folder / "state"


def test_a_configuration_cannot_be_changed(config: Config) -> None:
    with pytest.raises(ValueError, match="frozen"):
        config.edge.name = "other"  # type: ignore[misc]  # that is the point


def test_some_defaults_depend_on_the_mode(folder: Path, right: str) -> None:
    active = "{mode: active-active, weights: {one: 50, two: 50}}"
    found = {
        mode: loaded(right.replace(active, f"{{mode: {mode}, order: [one]}}")).groups["website"]
        for mode in ("active-passive", "pilot-light")
    }
    found["active-active"] = loaded(right).groups["website"]
    assert {mode: group.out_after for mode, group in found.items()} == {
        "active-active": 0.0,
        "active-passive": 30.0,
        "pilot-light": 30.0,
    }
    assert {mode: group.writes for mode, group in found.items()} == {
        "active-active": "any-site",
        "active-passive": "any-site",
        "pilot-light": "one-site",
    }


def test_all_problems_are_told_at_once_in_the_order_of_the_file(folder: Path, right: str) -> None:
    text = right.replace("{id: 1}", "{id: first}").replace("connect: 1s", "conect: 1s").replace("one: 50", "one: -1")
    text = text.replace("pool: web}", "pool: wbe}").replace("[www.example]", "[www.example, one.example]")
    with pytest.raises(ConfigError) as caught:
        loaded(text.replace("bind: 127.0.0.1:9900", "metrics_token: ${GONE}"))
    assert str(caught.value).splitlines() == [
        "steer.yaml:14: admin.metrics_token: ${GONE} is not set in the environment",
        'steer.yaml:16: datacentres.one.id: must be a whole number, got "first"',
        "steer.yaml:24: pools.web.timeouts.conect: unknown key (did you mean connect?)",
        "steer.yaml:26: groups.website.weights.one: must be 0 or more, got -1",
        "steer.yaml:30: services.www.pinned_hostnames[one.example]: the hostname one.example is already that of "
        "service www",
        'steer.yaml:32: services.www.routes[0].pool: there is no pool "wbe" (did you mean web?)',
    ]


def test_an_item_after_a_wrong_one_keeps_its_index_and_line(folder: Path, right: str) -> None:
    text = right.replace("    bind: 127.0.0.1:8443\n", "    bind: everywhere\n").replace(
        "    redirect_to_https: true\n", "    client_address: forwarded\n"
    )
    assert problems(text) == [
        "steer.yaml:8: listeners[0].bind: must be an IP address and a port such as 0.0.0.0:443 or [::]:443, "
        'got "everywhere"',
        "steer.yaml:10: listeners[1].trusted_proxies: must not be empty with client_address: forwarded (the networks "
        "that may say who the client is)",
    ]


def test_a_reference_to_a_part_that_is_wrong_is_not_a_second_problem(folder: Path, right: str) -> None:
    text = right.replace("mode: active-active, ", "mode: both, ").replace("{id: 2}", "{id: 0}")
    assert [line.split(": ")[1] for line in problems(text)] == ["datacentres.two.id", "groups.website.mode"]


def test_a_problem_shows_the_file_as_it_was_named(folder: Path) -> None:
    path = folder / "other.yaml"
    path.write_text("version: [1")
    assert str(examine(path, {}).problems[0]).startswith(f"{path}:1: ")


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"", "steer.yaml: must be a mapping that begins with version: 1"),
        (b"- version: 1", "steer.yaml: must be a mapping that begins with version: 1"),
        (b"version: 1\nedge: {name: \xff}", "steer.yaml:2: is not text in UTF-8"),
        (b"version: \x00", "steer.yaml: has a control character in it (YAML allows none but tab and line ends)"),
        (b"#" * (1024 * 1024 + 1), "steer.yaml: is larger than 1024 KiB"),
        (b"version: 1\n---\nversion: 1", "steer.yaml:2: but found another document"),
        (b"? [a]\n: 1", "steer.yaml:1: has a key that is not text"),
    ],
    ids=["empty", "a list", "not UTF-8", "a control character", "too large", "two documents", "a list for a key"],
)
def test_a_file_that_is_no_configuration_is_one_problem(folder: Path, content: bytes, line: str) -> None:
    assert problems(content) == [line]


def test_a_file_that_is_not_there_is_a_problem() -> None:
    with pytest.raises(ConfigError, match=r"^gone\.yaml: cannot be read: No such file or directory$"):
        load(Path("gone.yaml"))


def test_words_that_old_yaml_took_for_true_and_dates_are_text(folder: Path, right: str) -> None:
    text = right.replace("edge: {name: edge-a}", "edge: {name: edge-a, log: {access: off}}")
    text += 'notifications: [{url: "http://a", on: [out]}]\ndrills: {d: {group: website, blocked_on: [2026-12-24]}}\n'
    config = loaded(text)
    assert config.edge.log.access == "off"
    assert config.notifications[0].on == ("out",)
    assert config.drills["d"].blocked_on == ("2026-12-24",)


def test_a_problem_is_one_line_whatever_is_written(folder: Path, right: str) -> None:
    assert problems(right.replace("one: 50", '"a\\nb\\e[31m": 50').replace("group: website", 'group: "c\\nd"')) == [
        'steer.yaml:26: groups.website.weights[a?b?[31m]: there is no datacentre "a?b?[31m" (known here: one, two)',
        'steer.yaml:31: services.www.group: there is no group "c?d" (known here: website)',
    ]


# One file for every edge.


def test_the_environment_says_which_edge_this_is(folder: Path, right: str) -> None:
    config = loaded(right, {"STEER_EDGE": "edge-b"})
    assert (config.edge.name, config.edge.datacentre) == ("edge-b", "two")


def test_an_edge_needs_no_section_where_the_environment_names_it(folder: Path, right: str) -> None:
    assert loaded(right.replace("edge: {name: edge-a}\n", ""), {"STEER_EDGE": "edge-b"}).edge.name == "edge-b"


def test_an_edge_without_a_name_is_told_of_both_ways_to_have_one(folder: Path, right: str) -> None:
    assert problems(right.replace("{name: edge-a}", "{drain: 5s}")) == [
        "steer.yaml:2: edge.name: is missing (or set STEER_EDGE)"
    ]


def test_an_edge_binds_where_the_list_of_edges_says(folder: Path, right: str) -> None:
    text = right.replace("{datacentre: two}", '{datacentre: two, bind: {https: "[::1]:443", admin: "127.0.0.1:9901"}}')
    at_a, at_b = loaded(text), loaded(text, {"STEER_EDGE": "edge-b"})
    assert (at_a.listeners[0].bind, at_a.admin.bind) == ("127.0.0.1:8443", "127.0.0.1:9900")
    assert (at_b.listeners[0].bind, at_b.admin.bind) == ("[::1]:443", "127.0.0.1:9901")
    assert at_b.listeners[1].bind == "127.0.0.1:8080"


# From outside the file.


def test_the_environment_and_files_fill_in_values(folder: Path, right: str) -> None:
    (folder / "token").write_text("from the file\n")
    text = right.replace("bind: 127.0.0.1:9900", "metrics_token: a ${file:token} ${WHO} $${WHO}")
    token = loaded(text, {"WHO": "and me"}).admin.metrics_token
    assert token is not None
    assert token.get_secret_value() == "a from the file and me ${WHO}"


def test_a_file_too_large_to_be_a_secret_is_refused(folder: Path, right: str) -> None:
    (folder / "image").write_bytes(b"x" * (64 * 1024 + 1))
    assert problems(right.replace("bind: 127.0.0.1:9900", "metrics_token: ${file:image}")) == [
        "steer.yaml:14: admin.metrics_token: ${file:image} is larger than 64 KiB"
    ]


# Names and addresses.


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("WWW.Example", "www.example"),
        ("www.example.", "www.example"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("B\u00dcCHER.example", "xn--bcher-kva.example"),
        ("127.0.0.1", "127.0.0.1"),
    ],
)
def test_a_hostname_has_one_spelling(written: str, canonical: str) -> None:
    assert canonical_hostname(written) == canonical


def test_hostnames_are_in_their_one_spelling(folder: Path, right: str) -> None:
    config = loaded(
        right.replace("[www.example]", "[WWW.Example.]").replace("{one.example: one}", "{One.Example: one}")
    )
    assert config.services["www"].hostnames == ("www.example",)
    assert config.services["www"].pinned_hostnames["one.example"].datacentre == "one"


def test_an_address_is_taken_apart() -> None:
    nodes = [NodeConfig(name="n", address=address) for address in ("http://a.example", "https://[::1]", "tcp://h:22")]
    assert [(node.scheme, node.host, node.port) for node in nodes] == [
        ("http", "a.example", 80),
        ("https", "::1", 443),
        ("tcp", "h", 22),
    ]


def test_a_bind_is_taken_apart() -> None:
    assert host_port("[::1]:443") == ("::1", 443)
    assert host_port("0.0.0.0:0") == ("0.0.0.0", 0)
    assert is_loopback("127.0.0.1:1")
    assert not is_loopback("0.0.0.0:1")


def test_two_listeners_may_both_leave_the_port_to_the_kernel(folder: Path, right: str) -> None:
    assert problems(right.replace("127.0.0.1:8443", "127.0.0.1:0").replace("127.0.0.1:8080", "127.0.0.1:0")) == []
