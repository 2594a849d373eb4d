"""The circumstances of a run: machine, kernel, versions, commit."""

from __future__ import annotations

import os
import platform
import re
import ssl
import subprocess
from importlib.metadata import version
from pathlib import Path

from bench.proxies import envoy, program

ROOT = Path(__file__).parents[1]
LIBRARIES = ("steer", "uvloop", "httptools")


def machine() -> dict[str, str]:
    """What it ran on."""
    cpuinfo = Path("/proc/cpuinfo").read_text()
    return {
        "cpu": _field(cpuinfo, r"^model name\s*:\s*(.+)$"),
        "cpus": str(os.cpu_count()),
        "virtual": "yes" if re.search(r"^flags\s*:.*\bhypervisor\b", cpuinfo, re.M) else "no",
        "memory": _field(Path("/proc/meminfo").read_text(), r"^MemTotal:\s*(.+)$"),
        "system": platform.freedesktop_os_release().get("PRETTY_NAME", "unknown"),
        "kernel": platform.release(),
    }


def versions(proxies: tuple[str, ...]) -> dict[str, str]:
    """Of what takes part in a benchmark; nginx is the backend of all."""
    loads = {name: _said(program(name), option) for name, option in (("wrk", "-v"), ("h2load", "--version"))}
    return {**loads, **versions_of(("nginx", *proxies))}


def versions_of(proxies: tuple[str, ...]) -> dict[str, str]:
    """Of these proxies, and of what steer runs on. Raises Missing."""
    found = {"python": platform.python_version(), "openssl": ssl.OPENSSL_VERSION.split(" ")[1]}
    for name in ("nginx", "haproxy"):
        if name in proxies:
            found[name] = _said(program(name), "-v")
    if "envoy" in proxies:
        found["envoy"] = _said(envoy(), "--version")
    if "steer" in proxies:
        found.update({name: version(name) for name in LIBRARIES})
    return found


def commit() -> tuple[str, bool]:
    """The commit's short id, and whether the working tree of what is measured differs from it."""
    try:
        name = _git("rev-parse", "--short=12", "HEAD")
        return name, bool(
            _git("status", "--porcelain", "--", "steer", "bench", "chaos", "compliance", "pyproject.toml")
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown", True


def _git(*words: str) -> str:
    return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()


def _said(path: str, option: str) -> str:
    """The version number that a program says."""
    said = subprocess.run([path, option], capture_output=True, text=True, check=False)
    return _field(said.stdout + said.stderr, r"(\d+\.\d+(?:\.\d+)?(?:-\d[\w.+]*)?)")


def _field(text: str, pattern: str) -> str:
    match = re.search(pattern, text, re.M)
    return match.group(1).strip() if match else "unknown"
