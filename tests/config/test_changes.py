from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from steer.config import Config, changes, examine, load
from steer.config.changes import FIXED


@pytest.fixture
def loaded(write: Any, right: str) -> Callable[..., Config]:
    """The configuration that is right, with some of its text replaced."""

    def loaded(*replaced: tuple[str, str], **environ: str) -> Config:
        text = right
        for old, new in replaced:
            assert old in text, old
            text = text.replace(old, new, 1)
        return load(write(text), environ, check_files=False)

    return loaded


def test_the_same_configuration_has_no_changes(loaded: Callable[..., Config]) -> None:
    assert changes(loaded(), loaded()) == ()


def test_what_is_a_default_may_be_written(loaded: Callable[..., Config]) -> None:
    assert changes(loaded(), loaded(("edge: {name: edge-a}", "edge: {name: edge-a, reveal: false}"))) == ()


def test_each_change_has_its_place_and_both_values(loaded: Callable[..., Config]) -> None:
    (found,) = changes(loaded(), loaded(("timeouts: {connect: 1s}", "timeouts: {connect: 2s}")))
    assert str(found) == 'changed pools.web.timeouts.connect: "1s" -> "2s"'
    assert found.needs_restart == ""


def test_nodes_are_compared_by_name_wherever_they_stand(write: Any, right: str, loaded: Callable[..., Config]) -> None:
    pool = loaded().pools["web"]
    datacentre, members = next(iter(pool.nodes.items()))
    name = members[0].name
    (gone, came) = changes(loaded(), loaded((f"name: {name}", f"name: {name}-b")))
    assert (gone.kind, gone.path) == ("removed", f"pools.web.nodes.{datacentre}.{name}")
    assert (came.kind, came.path) == ("added", f"pools.web.nodes.{datacentre}.{name}-b")
    assert gone.after is None
    assert came.before is None


@pytest.mark.parametrize(
    ("old", "new", "path"),
    [
        ("edge: {name: edge-a}", "edge: {name: edge-a, user: nobody}", "edge.user"),
        ("edge: {name: edge-a}", "edge: {name: edge-a, workers: 7}", "edge.workers"),
        ("edge: {name: edge-a}", "edge: {name: edge-a, log: {access: off}}", "edge.log.access"),
        ("bind: 127.0.0.1:9900", "bind: 127.0.0.1:9911", "admin.bind"),
    ],
)
def test_what_is_bound_or_opened_at_the_start_needs_a_restart(
    loaded: Callable[..., Config], old: str, new: str, path: str
) -> None:
    (found,) = changes(loaded(), loaded((old, new)))
    assert found.path == path
    assert found.needs_restart.startswith("needs a restart: ")


def test_a_listener_may_change_but_not_come_or_go_or_move(loaded: Callable[..., Config]) -> None:
    before = loaded()
    first = before.listeners[0]
    fewer = before.model_copy(update={"listeners": before.listeners[1:]})
    assert [found.needs_restart != "" for found in changes(before, fewer)] == [True]
    assert [found.needs_restart != "" for found in changes(fewer, before)] == [True]
    moved = first.model_copy(update={"bind": "127.0.0.1:1"})
    assert [found.needs_restart != "" for found in changes(before, _with_first(before, moved))] == [True]
    patient = first.model_copy(update={"limits": first.limits.model_copy(update={"idle": 1.0})})
    assert [str(found.path) for found in changes(before, _with_first(before, patient)) if not found.needs_restart] == [
        f"listeners.{first.name}.limits.idle"
    ]


def _with_first(config: Config, listener: Any) -> Config:
    return config.model_copy(update={"listeners": (listener, *config.listeners[1:])})


def test_a_secret_that_changes_is_a_change_whose_values_are_not_shown(loaded: Callable[..., Config]) -> None:
    admin = ("bind: 127.0.0.1:9900", "metrics_token: '${TOKEN}'")
    (found,) = changes(loaded(admin, TOKEN="the old one"), loaded(admin, TOKEN="the new one"))
    assert found.path == "admin.metrics_token"
    assert "old one" not in str(found)
    assert "new one" not in str(found)


def test_every_row_of_what_is_fixed_is_a_key_of_the_schema() -> None:
    reference = examine(Path(__file__).parents[2] / "config" / "reference.yaml", {}, check_files=False).config
    for row in FIXED:
        value: Any = reference
        for step in row.place.split("."):
            value = next(iter(_entries(value))) if step == "*" else getattr(value, step)


def _entries(value: Any) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value
