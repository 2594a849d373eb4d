"""What the session store costs beside a Redis: `python -m bench.store`, about five minutes. README.md says the rest.

Each round puts the same load on four **places** in turn (`places.py`): `redis` (a Redis straight), `memory` (steer's
RESP door over the memory engine), `engine` (the door over a Redis), `sealed` (as `engine`, with `seal: true`). All keep
an append-only file that is synced each second. What is measured stands on CPU 0: the Redis, or the whole `steer run`.
Load, and the Redis behind steer, stand on CPU 1.

A **load** (`loads.py`) is redis-benchmark with 50 connections and values of 1 KiB: SET and GET, pipelined 16 and
single; and single GETs at a fixed rate by a client of our own (`paced.py`), timed from when each was due. CPU time is
that of the one process that serves, by the scheduler's clock (`bench.meter`).

`engines.py` counts the bytes that a session costs in an engine, `shipping.py` what a shipper carries to a peer's Redis,
straight and through an edge there (`peer.py`). Ratios are of one round; the median of the rounds is the result. Where a
rate is missed on a shared machine, 1 s / CPU time of a command says what a CPU of its own would give.
"""
