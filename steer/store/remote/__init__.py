"""An engine at another site, reached through that site's edges: for where a Redis must not be open to the other site.

An edge serves the engine of its own site to the edges of the others (`server.py`, `replication.bind`); to these it is
an `Engine` like any other (`engine.py`), over a line to each edge of that site (`line.py`). What may be asked, and of
what each question and answer consist, stands in one table (`calls.py`), made of shapes (`shapes.py`), which check all
that arrives, at both ends.

    replication, fail-over -> RemoteEngine -> RemoteLink -> Line ══ mutual TLS ══> Conversation -> Engine -> its Redis

**line**: one TLS connection with any number of questions on their way, each with a number. Each message is a msgpack
value; answers come in any order. To each edge there is one line for what is urgent and one for bulk.

    [number, call, namespace or None, arguments]  ->  [number, "ok", value]
                                                  <-  [number, "down" | "unknown" | "refused", message]

Who may ask: an edge of another site. Both ends show a certificate of the CA that is for edges alone, and for an edge's
name in the configuration. Such a peer may do what it could do at the Redis itself: with the namespaces that this edge
keeps, everything. What it may not do is take more than its share: questions at once, bytes of one message, connections.

A line that breaks leaves its questions without answers; each is asked once more, over another line: a write has its
request id, and all of replication may be done twice. What is too slow is Indeterminate, and not asked again.
"""
