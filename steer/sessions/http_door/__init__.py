"""The HTTP door: a session is a resource with an ETag.

    GET    /v1/{namespace}/{id}          200 ETag, TTL | 304 | 404
    PUT    /v1/{namespace}/{id}          201 (If-None-Match: *) | 204; ETag, X-Acknowledged | 412
    DELETE /v1/{namespace}/{id}          204 | 404 | 412
    POST   /v1/{namespace}/{id}/touch    204 | 404

The ETag is the record's stamp: with `If-Match` a write that was made on an older reading is refused. `TTL` is the life
in seconds (without it: the longest that the namespace allows). `Prefer: acknowledge=all` waits for the other site; what
came of it is `X-Acknowledged`. With an `Idempotency-Key` a write that is sent twice happens once. Everything that goes
wrong is a problem in JSON (RFC 9457, `problems.py`).

**door** (`door.py`): the address, its connections, and how many.

**api** (`api.py`): the resource. **headers** (`headers.py`): what the fields of a request ask for.
"""

from steer.sessions.http_door.door import HttpDoor, HttpLimits

__all__ = ["HttpDoor", "HttpLimits"]
