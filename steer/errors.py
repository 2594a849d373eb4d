"""One error tree, and one value for what goes wrong with a request.

On the data plane an error is a *value*, a `Failure`: it knows where it came from, the status to
answer and whether another try is safe. Nothing is raised there, because an exception for each
broken client would cost more than the request.

On the control plane errors are exceptions:

    SteerError                what the command line prints on one line
    ├── ConfigError           the configuration is wrong: every problem, each with its place
    ├── Unreachable           the edge, or a node of the set-up, cannot be reached
    ├── Unacceptable          a change that was asked for cannot be (unknown name, bad value)
    └── Refused               a safety rule says no; `force` with a reason overrides it
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum


class Origin(StrEnum):
    """Who is to blame: decides whether the failure is evidence against a node (only NODE is)."""

    CLIENT = "client"
    EDGE = "edge"
    NODE = "node"


class Retry(StrEnum):
    """When another try on another node is safe."""

    NEVER = "never"
    IF_UNSENT = "if-unsent"
    IF_IDEMPOTENT = "if-idempotent"
    ALWAYS = "always"
    """The node said that it did nothing with the request."""


@dataclass(frozen=True, slots=True)
class Failure:
    """What went wrong with one request, as a value.

    `name` goes out as `X-Steer-Error` and into the access log; `status` is what the client gets;
    `closes` says that the client's connection cannot be used again; `retry_after` is in seconds.
    """

    name: str
    status: int
    origin: Origin
    retry: Retry = Retry.NEVER
    closes: bool = False
    retry_after: int | None = None
    detail: str = ""

    def because(self, detail: str) -> Failure:
        """The same failure with a sentence for the person who reads the answer or the log."""
        return replace(self, detail=detail)


# The client's own doing. Every 400 of framing closes: where the next request starts is unknown.
MALFORMED = Failure("malformed", 400, Origin.CLIENT, closes=True)
BAD_TARGET = Failure("bad_target", 400, Origin.CLIENT, closes=True)
METHOD_REFUSED = Failure("method_refused", 405, Origin.CLIENT, closes=True)
HEAD_TOO_SLOW = Failure("head_too_slow", 408, Origin.CLIENT, closes=True)
BODY_TOO_SLOW = Failure("body_too_slow", 408, Origin.CLIENT, closes=True)
BODY_TOO_LARGE = Failure("body_too_large", 413, Origin.CLIENT, closes=True)
TARGET_TOO_LONG = Failure("target_too_long", 414, Origin.CLIENT, closes=True)
EXPECTATION_FAILED = Failure("expectation_failed", 417, Origin.CLIENT, closes=True)
MISDIRECTED = Failure("no_such_host", 421, Origin.CLIENT)
HEAD_TOO_LARGE = Failure("head_too_large", 431, Origin.CLIENT, closes=True)
VERSION_REFUSED = Failure("version_refused", 505, Origin.CLIENT, closes=True)
NOT_ALLOWED = Failure("not_allowed", 403, Origin.CLIENT)
NO_ROUTE = Failure("no_route", 404, Origin.CLIENT)
UPGRADE_REFUSED = Failure("upgrade_refused", 400, Origin.CLIENT, closes=True)
LOOP = Failure("loop", 508, Origin.CLIENT)
CLIENT_GONE = Failure("client_gone", 499, Origin.CLIENT, closes=True)

# The node's doing: evidence against it, except where steering.md says otherwise.
NODE_REFUSED = Failure("node_refused", 502, Origin.NODE, Retry.IF_UNSENT)
NODE_UNREACHABLE = Failure("node_unreachable", 504, Origin.NODE, Retry.IF_UNSENT)
NODE_TLS = Failure("node_tls", 502, Origin.NODE, Retry.IF_UNSENT)
NODE_RESET = Failure("node_reset", 502, Origin.NODE, Retry.IF_IDEMPOTENT)
NODE_UNTOUCHED = Failure("node_reset", 502, Origin.NODE, Retry.ALWAYS)
NODE_BROKE = Failure("node_broke", 502, Origin.NODE, Retry.NEVER)
NODE_TOO_SLOW = Failure("node_too_slow", 504, Origin.NODE, Retry.IF_IDEMPOTENT)

# The edge's own answer.
NO_NODE = Failure("no_node", 503, Origin.EDGE, retry_after=5)
NO_NODE_HERE = Failure("no_node_here", 503, Origin.EDGE, retry_after=5)
BUSY = Failure("busy", 503, Origin.EDGE, retry_after=1)
DRAINING = Failure("draining", 503, Origin.EDGE, closes=True, retry_after=5)


class SteerError(Exception):
    """What a person reads on one line. `hint` says what would be right."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class Unreachable(SteerError):
    """The edge, or something that the set-up needs, does not answer."""


class Unacceptable(SteerError):
    """A change was asked for that cannot be: an unknown name, a value out of range."""


class Refused(SteerError):
    """A safety rule says no. `rule` is its name, as the API and the audit show it."""

    def __init__(self, rule: str, message: str, hint: str = "`force` with a reason overrides it") -> None:
        super().__init__(message, hint)
        self.rule = rule


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing wrong with a configuration file. `line` counts from 1; 0 means the whole file."""

    file: str
    line: int
    path: str
    message: str
    hint: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        hint = f" ({self.hint})" if self.hint else ""
        where = f"{self.path}: " if self.path else ""
        return f"{place}: {where}{self.message}{hint}"


class ConfigError(SteerError):
    """Everything wrong with a configuration, in one go."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems
