"""What the body of each change says: strict models, which are in the OpenAPI document too."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator

from steer.config.units import parse_duration
from steer.control.tokens import NAME, Role


def _seconds(value: Any) -> Any:
    if isinstance(value, str):
        return parse_duration(value)
    if isinstance(value, bool):
        raise ValueError("must be a duration like 2h, or seconds")
    return value


Reason = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500, pattern=r"^[^\x00-\x1f\x7f]+$")
]
ExpiresIn = Annotated[
    float,
    BeforeValidator(_seconds, json_schema_input_type=str | float),
    Field(gt=0, le=10 * 366 * 86400, allow_inf_nan=False, strict=False, description="a duration (2h) or seconds"),
]
Weight = Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)]


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class WeightsChange(Body):
    """Weights of new clients, by datacentre; those not named stay as they are."""

    weights: dict[str, Weight] = Field(min_length=1, max_length=999)
    rule: str | None = Field(default=None, description="of this rule of the group; null: the group's own")
    reason: Reason
    expires_in: ExpiresIn | None = None
    force: bool = False


class Target(Body):
    node: str | None = None
    datacentre: str | None = None
    group: str | None = Field(default=None, description="with a datacentre; alone for `hold`, and `restore` of it")

    @model_validator(mode="after")
    def _names_one_thing(self) -> Self:
        if self.node is not None and self.group is not None:
            raise ValueError("a group goes with a datacentre, not with a node")
        if (self.node is None) == (self.datacentre is None) and not (self.node is None and self.group is not None):
            raise ValueError("must name a node, a datacentre or a group")
        return self


class OverrideChange(Body):
    kind: Literal["drain", "eject", "restore", "hold"]
    target: Target
    reason: Reason
    expires_in: ExpiresIn | None = None
    force: bool = False


class FailoverRequest(Body):
    """Moves a group that is at one datacentre."""

    to: str | None = Field(default=None, description="null: the first of its order that can take it")
    ungraceful: bool = Field(default=False, description="clients with affinity move at once, too")
    reason: Reason
    force: bool = False


class FailbackRequest(Body):
    """Moves a group back to the first datacentre of its order, by its ramp."""

    reason: Reason
    force: bool = False


PreviewKind = Literal["weights", "drain", "eject", "restore", "hold", "lift", "failover", "failback"]


class PreviewTarget(Body):
    """What the change itself would name."""

    node: str | None = None
    datacentre: str | None = None
    group: str | None = None
    rule: str | None = Field(default=None, description="with a group, of `weights`")
    override: str | None = Field(default=None, description="the id of what `lift` would end")


TARGETS: dict[PreviewKind, tuple[frozenset[str], ...]] = {
    "weights": (frozenset({"group"}), frozenset({"group", "rule"})),
    "drain": (frozenset({"node"}), frozenset({"datacentre"}), frozenset({"datacentre", "group"})),
    "eject": (frozenset({"node"}), frozenset({"datacentre"}), frozenset({"datacentre", "group"})),
    "restore": (
        *(frozenset({"node"}), frozenset({"datacentre"}), frozenset({"datacentre", "group"})),
        frozenset({"group"}),
    ),
    "hold": (frozenset({"group"}),),
    "lift": (frozenset({"override"}),),
    "failover": (frozenset({"group"}),),
    "failback": (frozenset({"group"}),),
}
"""What a target may name, by kind."""

EXTRAS: dict[str, tuple[PreviewKind, ...]] = {
    "weights": ("weights",),
    "to": ("failover",),
    "ungraceful": ("failover",),
    "expires_in": ("weights", "drain", "eject", "hold"),
    "force": ("weights", "drain", "eject", "failover", "failback"),
}
"""The kinds for which each of the other fields is."""


class PreviewRequest(Body):
    """A change as it would be asked for. `target` and the rest are what the change itself takes."""

    kind: PreviewKind
    target: PreviewTarget
    weights: dict[str, Weight] | None = Field(default=None, min_length=1, max_length=999)
    to: str | None = Field(default=None, description="of a failover; null: the first of its order that can take it")
    ungraceful: bool = False
    reason: Reason
    expires_in: ExpiresIn | None = None
    force: bool = Field(default=False, description="the change would be made although a safety rule refuses")

    @model_validator(mode="after")
    def _is_one_change(self) -> Self:
        named = frozenset(self.target.model_dump(exclude_none=True))
        if named not in TARGETS[self.kind]:
            ways = " or ".join(" with ".join(sorted(way)) for way in TARGETS[self.kind])
            raise ValueError(f"the target of {self.kind} is a {ways}")
        if self.kind == "weights" and self.weights is None:
            raise ValueError("weights: are needed")
        for name, kinds in EXTRAS.items():
            if getattr(self, name) and self.kind not in kinds:
                raise ValueError(f"{name}: is nothing for {self.kind}")
        return self


class TokenCreation(Body):
    name: str = Field(pattern=f"^{NAME.pattern}$")
    role: Role = Field(strict=False)
    reason: Reason
    expires_in: ExpiresIn | None = None


class KeyRotation(Body):
    """The next of the two steps of a rotation."""

    reason: Reason


class Removal(Body):
    """Why something goes. `?reason=` in the query does as well, for clients that send no body with DELETE."""

    reason: Reason
