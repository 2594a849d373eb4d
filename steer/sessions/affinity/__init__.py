"""Which datacentre a client is in, so that it stays there: by a cookie that the client keeps, or by a key of its own.

**cookie**: a *jar* (`jar.py`) makes and reads the cookies of one service. They are sealed (`seals.py`) with the active
key of a *ring* (`steer.sessions.keyring`) that all edges share as a file; nothing is kept here.

**key**: a conversation's id, in a header or the query. Control keeps a *table* (`learned.py`) of where each one is, on
disk as well (`journal.py`), and spreads it to the workers (`spreading.py`), each of which has a copy (`known.py`). How
much one client may add is limited (`quota.py`). With a store the edges share them: `shared.py` is control's side of
that, `stored.py` the store process's.

    request ── cookie ──▶ Jar.open ────┐
            └─ key ─────▶ Known.find ──┴─▶ datacentre ─▶ steering ─▶ response ─▶ Jar.issue, Known.learn

The data plane sees a jar and the keys of a service through `steer.proxy.binding`; `steer.affinity` puts them together.
"""
