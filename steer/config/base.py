"""What every model of the configuration has in common: frozen, strict about keys, silent about secrets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    AllowInfNan,
    BaseModel,
    ConfigDict,
    Field,
    Strict,
    StringConstraints,
    ValidationInfo,
)
from pydantic_core import PydanticCustomError


class Model(BaseModel):
    """A part of the configuration. Attribute names are the keys of the file."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    def __repr__(self) -> str:
        """The class and the name only: any value may have come out of a secret."""
        name = getattr(self, "name", None)
        return f"<{type(self).__name__} {name}>" if isinstance(name, str) else f"<{type(self).__name__}>"

    __str__ = __repr__


def wrong(message: str, hint: str = "") -> PydanticCustomError:
    """The error of our own validators; messages.py adds what was written instead, unless that is a secret."""
    return PydanticCustomError("wrong", "{message}", {"message": message, "hint": hint})


def section() -> Any:
    """A part that may be left out: then it is read as if it were written `{}`, so that paths in it resolve too."""
    return Field(default_factory=dict, validate_default=True)


def path(default: str) -> Any:
    """A path with a default, which is relative to the configuration's folder like a written one."""
    return Field(default=Path(default), validate_default=True)


def resolve(value: Path, info: ValidationInfo) -> Path:
    """The path from the configuration's folder, where the validation was told which that is."""
    folder = (info.context or {}).get("folder")
    return folder / value if isinstance(folder, Path) else value


FilePath = Annotated[Path, AfterValidator(resolve)]
"""A file or folder; relative to the folder of the configuration file."""

Flag = Annotated[bool, Strict()]
Count = Annotated[int, Strict(), Field(ge=0)]
PositiveCount = Annotated[int, Strict(), Field(ge=1)]
Number = Annotated[float, Strict(), AllowInfNan(False)]
Weight = Annotated[float, Strict(), AllowInfNan(False), Field(ge=0)]
PositiveNumber = Annotated[float, Strict(), AllowInfNan(False), Field(gt=0)]
Percent = Annotated[int, Strict(), Field(ge=1), Field(le=100)]

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")]
"""Names go into header fields, metrics and URLs, so they keep to what needs no quoting in any of these."""

Text = Annotated[str, StringConstraints(min_length=1)]
