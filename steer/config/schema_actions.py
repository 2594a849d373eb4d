"""What steer can be told to run or call: commands and HTTP calls of plans, checks and probes."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, SecretStr, model_validator

from steer.config.base import Model, Text, section, wrong
from steer.config.network import HttpUrl


class Exec(Model):
    """A command as a list, without a shell; a file under the configuration's `plans/`."""

    command: tuple[Text, ...] = Field(min_length=1)


class HttpCall(Model):
    """One call. `until`: JSON pointers (RFC 6901) and the values that they must come to; asked again until they do."""

    method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"] = "GET"
    url: HttpUrl
    headers: dict[str, SecretStr] = section()
    body: str | None = None
    until: dict[str, Any] | None = None


class Probe(Model):
    """A question that one command or one call answers."""

    exec: Exec | None = None
    http: HttpCall | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Probe:
        if (self.exec is None) is (self.http is None):
            raise wrong("needs exactly one of exec and http")
        return self
