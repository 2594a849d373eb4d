"""What the schema has at a place: which types, and so which keys."""

from __future__ import annotations

import types
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel

from steer.config.source import Place


def types_at(root: type[BaseModel], place: Place) -> list[Any]:
    """The types that the schema has at a place."""
    found: list[Any] = [root]
    for step in place:
        found = [inner for kind in found for inner in inside(kind, step)]
    return found


def inside(kind: Any, step: str | int) -> list[Any]:
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        field = kind.model_fields.get(str(step))
        return alternatives(field.annotation) if field else []
    if get_origin(kind) is dict:
        return alternatives(get_args(kind)[1])
    if get_origin(kind) is tuple and isinstance(step, int):
        items = [item for item in get_args(kind) if item is not Ellipsis]
        return alternatives(items[min(step, len(items) - 1)])
    return []


def alternatives(annotation: Any) -> list[Any]:
    """A type without its annotations; each part of a union."""
    if get_origin(annotation) is Annotated:
        return alternatives(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        return [inner for part in get_args(annotation) for inner in alternatives(part)]
    return [annotation]
