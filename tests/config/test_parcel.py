from __future__ import annotations

from pathlib import Path

import msgpack
import pytest

from steer.config import changes, digest, from_parcel, load, redacted, to_parcel

EXAMPLES = sorted((Path(__file__).parents[2] / "config").glob("*-*.yaml"))


class Anything(dict[str, str]):
    """An environment in which every name is set."""

    def __contains__(self, name: object) -> bool:
        return name != "STEER_EDGE"

    def __missing__(self, name: str) -> str:
        return "secret" if name != "STEER_EDGE" else ""

    def get(self, name: str, default: object = None) -> str:
        return self[name]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_what_comes_out_is_what_went_in(path: Path) -> None:
    config = load(path, Anything(), check_files=False)
    sent = msgpack.packb(to_parcel(config))
    arrived = from_parcel(msgpack.unpackb(sent, strict_map_key=False))
    assert arrived == config
    assert changes(config, arrived) == ()
    assert digest(arrived) == digest(config)
    assert redacted(arrived) == redacted(config)
