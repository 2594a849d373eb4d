"""All checks between the parts of a configuration, and between it and the files that it names."""

from __future__ import annotations

from collections.abc import Iterable

from steer.config import checks_edge, checks_groups, checks_pools, checks_recovery, checks_services, checks_sessions
from steer.config.checks_certificates import check_certificates
from steer.config.checks_files import check_files
from steer.config.findings import Finding
from steer.config.schema import Config
from steer.config.source import Place
from steer.errors import Problem

_CHECKS = (
    *checks_edge.CHECKS,
    *checks_pools.CHECKS,
    *checks_groups.CHECKS,
    *checks_services.CHECKS,
    *checks_recovery.CHECKS,
    *checks_sessions.CHECKS,
)

Placed = list[tuple[Place, Problem]]


def cross_checks(config: Config) -> Placed:
    """Every reference, overlap and contradiction."""
    return _placed(config, (finding for check in _CHECKS for finding in check(config)))


def file_checks(config: Config, now: float) -> Placed:
    """Every certificate and other file that is named; `now` is wall time, for what expires."""
    return _placed(config, [*check_certificates(config, now), *check_files(config)])


def _placed(config: Config, findings: Iterable[Finding]) -> Placed:
    source = config.source
    return [(source.in_file(found.place), source.problem(*found)) for found in findings]
