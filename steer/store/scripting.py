"""The Lua scripts, each with the parts that it stands on put in front of it.

`FLAGS` (Redis 7): what only makes room may run when memory is short (`allow-oom`); what only reads says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from hashlib import sha1
from importlib.resources import files

PARTS = {
    "put": ("record", "write"),
    "put_fields": ("record", "write"),
    "touch": ("record", "write"),
    "delete": ("record", "write"),
    "apply": ("record",),
    "digest": ("record",),
    "sweep": ("record",),
    "scan": ("record",),
    "acknowledge": ("record",),
    "witness": ("record",),
    "local": ("record",),
}
FLAGS = {
    "delete": "allow-oom",
    "sweep": "allow-oom",
    "acknowledge": "allow-oom",
    "digest": "no-writes",
    "scan": "no-writes",
}


@dataclass(frozen=True, slots=True)
class Script:
    """`sha` is what EVALSHA takes."""

    name: str
    text: bytes
    sha: str


@cache
def script(name: str) -> Script:
    """One script, whole."""
    flags = FLAGS.get(name)
    first = f"#!lua flags={flags}\n" if flags else "#!lua\n"
    text = (first + "\n".join(_source(part) for part in (*PARTS[name], name))).encode()
    return Script(name, text, sha1(text, usedforsecurity=False).hexdigest())


def _source(name: str) -> str:
    return (files("steer.store") / "scripts" / f"{name}.lua").read_text()
