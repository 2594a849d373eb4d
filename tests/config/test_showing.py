"""A configuration as others see it: no secret in it, the same hash at every edge, a schema for editors."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from steer.config import Config, digest, examine, load, redacted, schema_json

EXAMPLES = Path(__file__).parents[2] / "config"

SECRETS = """\
sessions:
  doors: {resp: {users: {app: {hash: "sha256:hush-hash", namespace: web}}}}
  namespaces: {web: {adopt: "redis://me:hush-adopt@10.0.0.1/0"}}
notifications:
  - url: https://chat.example/${CHAT}
    on: [out]
plans:
  go:
    steps: [{name: call, http: {url: "http://a/", headers: {Authorization: hush-header}}}]
"""
ENVIRONMENT = {"TOKEN": "hush-token", "CHAT": "hush-chat", "PASSWORD": "hush-password"}


def with_secrets(right: str) -> str:
    text = right.replace("bind: 127.0.0.1:9900", "metrics_token: ${TOKEN}")
    redis = '{id: 1, redis: {url: "redis://me:hush-url@127.0.0.1/0", password: "${PASSWORD}"}}'
    return text.replace("{id: 1}", redis) + SECRETS


@pytest.fixture
def config(folder: Path, right: str) -> Config:
    Path("steer.yaml").write_text(with_secrets(right))
    return load(Path("steer.yaml"), ENVIRONMENT, check_files=False)


def test_no_secret_is_in_what_is_shown(config: Config) -> None:
    shown = redacted(config)
    assert "hush" not in json.dumps(shown)
    assert shown["admin"]["metrics_token"] == "${TOKEN}"
    assert shown["notifications"][0]["url"] == "https://chat.example/${CHAT}"
    assert shown["datacentres"]["one"]["redis"]["url"] == "redis://me:***@127.0.0.1/0"
    assert shown["plans"]["go"]["steps"][0]["http"]["headers"] == {"Authorization": "**********"}


def test_no_secret_is_in_the_words_for_any_part(config: Config) -> None:
    assert config.notifications[0].url == "https://chat.example/hush-chat"
    for part in (config, config.admin, config.notifications, config.datacentres, config.sessions, config.plans):
        assert "hush" not in f"{part!r} {part!s}"
    assert "hush" not in repr(config.source)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("group: website", "group: ${TOKEN}"),
        ("pool: web}", 'pool: "${TOKEN}"}'),
        ("[www.example]", '["${TOKEN}", "${TOKEN}"]'),
        ("[www.example]", '["${TOKEN} ."]'),
        ("{id: 1}", '{id: "${TOKEN}"}'),
        ("mode: active-active", 'mode: "${TOKEN}"'),
        ("bind: 127.0.0.1:9900", "bind: ${TOKEN}"),
        ("bind: 127.0.0.1:9900", "metrics_token: {x: '${TOKEN}'}"),
        ("{certificate: www.pem", '{certificate: "${TOKEN}/www.pem"'),
        ("connect: 1s", "connect: '${TOKEN}'"),
        ("bind: 127.0.0.1:9900", "metrics_token: ['${TOKEN}', hush]"),
    ],
)
def test_no_secret_is_in_a_problem(folder: Path, right: str, old: str, new: str) -> None:
    assert right.count(old) == 1
    Path("steer.yaml").write_text(right.replace(old, new))
    found = examine(Path("steer.yaml"), {"TOKEN": "hush.Example"}).problems
    assert found
    assert "hush" not in "\n".join(map(str, found)).lower()


def test_a_secret_of_the_wrong_kind_is_not_shown_either(folder: Path, right: str) -> None:
    Path("steer.yaml").write_text(right.replace("bind: 127.0.0.1:9900", "metrics_token: 12345"))
    assert [str(problem) for problem in examine(Path("steer.yaml"), {}, check_files=False).problems] == [
        "steer.yaml:14: admin.metrics_token: must be text (put it in quotes)"
    ]


@pytest.mark.parametrize("name", sorted(path.name for path in EXAMPLES.glob("*.yaml")))
def test_what_is_shown_can_be_read_again_and_means_the_same(name: str) -> None:
    config = examine(EXAMPLES / name, {}, check_files=False).config
    assert config is not None
    assert Config.model_validate(redacted(config), context={"folder": EXAMPLES}) == config


def test_the_hash_is_the_same_in_any_folder_and_spelling_and_at_every_edge(folder: Path, right: str) -> None:
    other = folder / "elsewhere"
    other.mkdir()
    (folder / "steer.yaml").write_text(right)
    (other / "steer.yaml").write_text(
        right.replace("connect: 1s", "connect: 1000ms")
        .replace("bind: 127.0.0.1:8443", "bind: 10.0.0.1:443")
        .replace("bind: 127.0.0.1:9900", "bind: 127.0.0.1:9901\n  metrics_token: abc")
    )
    here = load(folder / "steer.yaml", {}, check_files=False)
    there = load(other / "steer.yaml", {"STEER_EDGE": "edge-b"}, check_files=False)
    assert digest(here) == digest(there)
    assert len(digest(here)) == 12
    assert set(digest(here)) <= set("0123456789abcdef")


@pytest.mark.parametrize(("old", "new"), [("one: 50", "one: 51"), ("www.example", "w.example"), ("8101", "8102")])
def test_the_hash_changes_with_what_is_asked_for(folder: Path, right: str, old: str, new: str) -> None:
    hashes = set()
    for text in (right, right.replace(old, new)):
        Path("steer.yaml").write_text(text)
        hashes.add(digest(load(Path("steer.yaml"), {}, check_files=False)))
    assert len(hashes) == 2


def test_the_hash_does_not_give_a_secret_away(folder: Path, right: str) -> None:
    Path("steer.yaml").write_text(with_secrets(right))
    hashes = {
        digest(load(Path("steer.yaml"), {**ENVIRONMENT, "PASSWORD": password}, check_files=False))
        for password in ("hush-one", "hush-two")
    }
    assert len(hashes) == 1


def test_the_schema_for_editors_has_units_short_forms_and_no_unknown_keys() -> None:
    schema = json.loads(schema_json())
    parts = schema["$defs"]
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["additionalProperties"] is False
    assert set(schema["required"]) == {"version", "edge", "listeners", "datacentres", "pools", "groups", "services"}
    assert parts["Timeouts"]["properties"]["connect"]["default"] == "1s"
    assert parts["Retries"]["properties"]["budget"]["default"] == "20%"
    assert parts["Limits"]["properties"]["head"]["default"] == "32KiB"
    assert parts["Pool"]["properties"]["when_none"]["default"] == "try_all"
    assert parts["Pinned"]["anyOf"][0] == {"type": "string"}
    assert "x-unit" not in schema_json()
