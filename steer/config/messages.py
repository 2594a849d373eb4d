"""What pydantic found, in the words of a person: one problem for each error."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel, SecretStr
from pydantic_core import ErrorDetails

from steer.config.shape import types_at
from steer.config.source import Place, Source, show_value
from steer.errors import Problem

_IN_KEY = "[key]"
"""How pydantic marks an error in a key, as one more step."""

_SHAPES = {
    "model_type": "must be a mapping",
    "dict_type": "must be a mapping",
    "tuple_type": "must be a list",
    "string_type": "must be text",
    "path_type": "must be a path",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "finite_number": "must be a number",
    "bool_type": "must be true or false",
}
_BOUNDS: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "greater_than_equal": lambda ctx: f"must be {ctx['ge']:g} or more",
    "greater_than": lambda ctx: f"must be more than {ctx['gt']:g}",
    "less_than_equal": lambda ctx: f"must be {ctx['le']:g} or less",
    "literal_error": lambda ctx: f"must be {_either(ctx['expected'])}",
    "string_pattern_mismatch": lambda ctx: f"must be {_form(ctx['pattern'])}",
    "wrong": lambda ctx: str(ctx["message"]),
}
_FORMS = {
    "[A-Za-z0-9][A-Za-z0-9._-]": "a name of letters, digits, dots, hyphens and underscores, at most 63",
    "[A-Z]{2}": "a country of ISO 3166-1 such as NZ",
    "[A-Z0-9]{1,3}": "the part of ISO 3166-2 after the hyphen, such as CA for US-CA",
    "AF|AN": "one of AF, AN, AS, EU, NA, OC and SA",
    "[0-9]{4}-": "a day, or two such as 2026-12-24/2027-01-04",
    "Mon|Tue": "day, time and zone, such as Sun 03:00 Pacific/Auckland",
    "[!#$%&": "a name as a header field has it: letters, digits and !#$%&'*+.^_`|~-, at most 64",
}
_MISSING_HINTS: dict[Place, str] = {
    ("edge",): "edge: {name: ...}, or set STEER_EDGE",
    ("edge", "name"): "or set STEER_EDGE",
}


def problem(error: ErrorDetails, source: Source, root: type[BaseModel]) -> Problem:
    """One line about one error: what must be, what was written, and what may have been meant."""
    kind, place = error["type"], place_of(error)
    if kind == "missing":
        return source.problem(place, "is missing", _MISSING_HINTS.get(place, ""))
    place = _written_part(place, source)
    if kind == "extra_forbidden":
        return source.problem(place, "unknown key", _similar(str(place[-1]), _known_keys(root, place[:-1])))
    message = _message(error)
    if error["loc"][-1] == _IN_KEY:
        message += f", got {show_value(str(place[-1]))}"
    elif not isinstance(source.written(place), Mapping | list) or kind in _SHAPES:
        message += _got(place, source, root)
    return source.problem(place, message, _hint(error, place, source))


def place_of(error: ErrorDetails) -> Place:
    """Where the error is, whether in a value or in its key."""
    return tuple(step for step in error["loc"] if step != _IN_KEY)


def is_shadow(error: ErrorDetails, source: Source) -> bool:
    """Does the error only follow from another one inside the same part?"""
    if error["type"] == "too_short":
        return error["ctx"]["min_length"] == 1 and bool(source.written(place_of(error)))
    return error["type"] == "default_factory_not_called"


def did_you_mean(name: str, known: Sequence[str]) -> str:
    """A hint with the most similar of the known names, or nothing."""
    close = get_close_matches(name, list(known), 1)
    return f"did you mean {close[0]}?" if close else ""


def _similar(key: str, known: tuple[str, ...]) -> str:
    return did_you_mean(key, known) or (f"known here: {', '.join(known)}" if known else "")


def _message(error: ErrorDetails) -> str:
    kind, context = error["type"], error.get("ctx", {})
    if kind in _BOUNDS:
        return _BOUNDS[kind](context)
    if kind in ("too_short", "too_long", "string_too_short"):
        return _length(kind, context)
    return _SHAPES.get(kind) or error["msg"]


def _length(kind: str, context: Mapping[str, Any]) -> str:
    if kind == "string_too_short" or context.get("min_length") == 1:
        return "must not be empty"
    return f"must have exactly {context.get('min_length') or context.get('max_length')} items"


def _either(expected: str) -> str:
    """`'a', 'b' or 'c'` without the quotes."""
    return expected.replace("'", "")


def _hint(error: ErrorDetails, place: Place, source: Source) -> str:
    context = error.get("ctx", {})
    value, expected = source.written(place), str(context.get("expected", "'"))
    if error["type"] in ("string_type", "literal_error") and isinstance(value, int | float) and "'" in expected:
        return "put it in quotes"
    if error["type"] == "literal_error" and isinstance(value, str):
        return did_you_mean(value, tuple(_either(expected).replace(" or ", ", ").split(", ")))
    return str(context.get("hint", ""))


def _form(pattern: str) -> str:
    """What a pattern of the schema asks for, in words."""
    return next((form for part, form in _FORMS.items() if part in pattern), f"text that matches {pattern}")


def _got(place: Place, source: Source, root: type[BaseModel]) -> str:
    """What was written instead: never what a reference brought in, and nothing where a secret belongs."""
    if place in source.unfilled:
        return f", got {source.unfilled[place]}"
    if any(annotation is SecretStr for annotation in types_at(root, place)):
        return ""
    return f", got {show_value(source.written(place))}"


def _written_part(place: Place, source: Source) -> Place:
    """A short form (a number where a mapping could stand) has no keys to point at."""
    while place and place not in source.lines:
        place = place[:-1]
    return place


def _known_keys(root: type[BaseModel], place: Place) -> tuple[str, ...]:
    models = [kind for kind in types_at(root, place) if isinstance(kind, type) and issubclass(kind, BaseModel)]
    return tuple(key for model in models for key in model.model_fields)
