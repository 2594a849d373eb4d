"""A configuration on its way to another process: the data that was read, not the file, which may have changed since.

Plain values only, `${...}` filled in: it stays between the processes of one edge.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from steer.config.loading import at_this_edge, validate
from steer.config.schema import Config
from steer.config.source import Source


def to_parcel(config: Config) -> dict[str, Any]:
    """What `from_parcel` takes."""
    source = config.source
    return {
        "file": source.file,
        "folder": str(source.folder),
        "data": source.data,
        "unfilled": [[list(place), text] for place, text in source.unfilled.items()],
    }


def from_parcel(parcel: object) -> Config:
    """The same configuration. It was checked where it was loaded, and is not checked again."""
    found = cast("dict[str, Any]", parcel)
    folder = Path(found["folder"])
    unfilled = {tuple(place): text for place, text in found["unfilled"]}
    source = Source(found["file"], folder, found["data"], {}, unfilled)
    return at_this_edge(validate(found["data"], folder).with_source(source))
