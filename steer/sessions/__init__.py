"""What keeps a client's conversation alive when its datacentre is lost, and the doors through which it is kept.

**affinity** (`affinity/`): which datacentre a client is in, in a sealed cookie of its own or by a key that it sends.

**RESP door** (`resp/`): the store as a Redis, for the session libraries of applications as they are.

**HTTP door** (`http_door/`): the store as resources with ETags, for everything else.

A door stands on `steer.store.model.Namespace`. Between them: who may use which namespace (`access.py`), which keys
stay in this datacentre (`space.py`) and live on while their engine is away (`locks.py`), what an application's old
Redis still has (`adopting.py`), and sealing, so that no engine holds a session in plain text (`sealing.py`).

**ring** (`keyring.py`): keys that seal, of affinity or of sessions: one is *active*, the others only open. All edges
share it as a file (`keyfile.py`), which every process watches.
"""
