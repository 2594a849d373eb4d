"""What an edge's first start makes on the disk, for the user whom the edge becomes: its state folder and its keys."""

from __future__ import annotations

import os
import pwd

from steer import parameters, store_parameters
from steer.clock import SystemClock
from steer.config import Config
from steer.errors import SteerError
from steer.sessions.keyfile import ensure_ring


def make_state_folder(config: Config) -> None:
    """For the user whom the edge becomes."""
    folder, user = config.edge.state, config.edge.user
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if user is not None and os.geteuid() == 0:
            account = pwd.getpwnam(user)
            os.chown(folder, account.pw_uid, account.pw_gid)
    except KeyError:
        raise SteerError(f"there is no user {user}", "edge.user: an account of this machine") from None
    except OSError as error:
        raise SteerError(f"{folder} cannot be made: {error.strerror}", "edge.state: a folder to write to") from error


def make_keys(config: Config) -> None:
    """At an edge's first start, for the user whom the edge becomes; a file that is there must be right."""
    ensure_affinity_keys(config)
    made = [config.affinity_keys.file] if parameters.has_cookies(config) else []
    if config.sessions is not None and store_parameters.has_seals(config.sessions):
        ensure_ring(config.sessions.keys.file, SystemClock().wall())
        made.append(config.sessions.keys.file)
    if config.edge.user is not None and os.geteuid() == 0:
        account = pwd.getpwnam(config.edge.user)
        for file in made:
            os.chown(file, account.pw_uid, account.pw_gid)


def ensure_affinity_keys(config: Config) -> None:
    """A reload may be the first that needs them. Control prepares before the workers, which only read."""
    if parameters.has_cookies(config):
        ensure_ring(config.affinity_keys.file, SystemClock().wall())
