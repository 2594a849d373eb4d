"""A configuration for others to see: without its secrets, as a hash, and the schema for editors."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from steer.config.schema import Config
from steer.config.source import Place, Source, hide_password
from steer.config.units import FORMATS

HIDDEN = "**********"


def redacted(config: Config) -> dict[str, Any]:
    """All of it, defaults too, as JSON can say it; for a secret the `${...}` that brings it in, or stars."""
    shown: dict[str, Any] = _shown(config.model_dump(mode="json"), config.model_dump(), (), config.source)
    return shown


def _shown(text: Any, value: Any, place: Place, source: Source) -> Any:
    """`text` and `value` are the same part as JSON says it and as the program has it."""
    if isinstance(text, dict):
        return {key: _shown(part, value[key], (*place, key), source) for key, part in text.items()}
    if isinstance(text, list):
        return [_shown(part, value[index], (*place, index), source) for index, part in enumerate(text)]
    unfilled = source.unfilled.get(source.in_file(place))
    if unfilled is not None:
        return unfilled
    if isinstance(value, SecretStr):
        return HIDDEN
    if isinstance(value, Path):
        return _relative(value, source.folder)
    return hide_password(text) if isinstance(text, str) else text


def _relative(path: Path, folder: Path) -> str:
    return str(path.relative_to(folder)) if path.is_relative_to(folder) else str(path)


def digest(config: Config) -> str:
    """A hash that edges with the same configuration share: twelve hexadecimal digits of SHA-256.

    What differs from edge to edge is left out (recovery.md, readiness of `edges`): `edge`, `admin` and the addresses
    that are bound. So are the secrets, because the hash is shown to those who may not see them.
    """
    shared = _without_binds(redacted(config))
    for own in ("edge", "admin"):
        del shared[own]
    text = json.dumps(shared, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _without_binds(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_binds(part) for key, part in value.items() if key != "bind"}
    return [_without_binds(part) for part in value] if isinstance(value, list) else value


def schema_json() -> str:
    """The JSON Schema (2020-12) of a configuration file."""
    schema = _with_units(Config.model_json_schema())
    return json.dumps({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}, indent=2)


def _with_units(value: Any) -> Any:
    """Defaults in the units of the file: `30s` where the program has 30.0."""
    if isinstance(value, list):
        return [_with_units(part) for part in value]
    if not isinstance(value, dict):
        return value
    found = {key: _with_units(part) for key, part in value.items()}
    unit, default = found.pop("x-unit", None), found.get("default")
    if isinstance(unit, str) and isinstance(default, int | float):
        found["default"] = FORMATS[unit](default)
    return found
