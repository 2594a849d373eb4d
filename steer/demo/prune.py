"""Takes parts out of a configuration tree by their paths, as problems name them: `groups.web-tier.rules[0].when`.

A key may have dots of its own (`services.www.pinned_hostnames.stack.cwp.example`): at each step the longest key that
fits is meant.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

_GONE = object()
_PLACE = re.compile(r"\[?(\d+)\]?(?=[.\[]|$)")


def without(tree: Any, paths: Iterable[str]) -> Any:
    """A copy of the tree without what stands at the paths. A path that leads nowhere changes nothing."""
    for path in paths:
        tree = _mark(tree, path)
    return _sweep(tree)


def _mark(tree: Any, path: str) -> Any:
    """A copy with a mark at the path, so that the places of a list stay while others are taken out."""
    path = path.removeprefix(".")
    if not path:
        return _GONE
    if isinstance(tree, dict):
        key = _longest_key(tree, path)
        return tree if key is None else tree | {key: _mark(tree[key], path[len(key) :])}
    if isinstance(tree, list):
        place = _PLACE.match(path)
        if place is None or int(place[1]) >= len(tree):
            return tree
        index = int(place[1])
        return [*tree[:index], _mark(tree[index], path[place.end() :]), *tree[index + 1 :]]
    return tree


def _longest_key(tree: dict[str, Any], path: str) -> str | None:
    fitting = [key for key in tree if path == key or path.startswith((f"{key}.", f"{key}["))]
    return max(fitting, key=len, default=None)


def _sweep(tree: Any) -> Any:
    if isinstance(tree, dict):
        return {key: _sweep(value) for key, value in tree.items() if value is not _GONE}
    if isinstance(tree, list):
        return [_sweep(value) for value in tree if value is not _GONE]
    return tree
