"""How bytes move: the life of a request, on callbacks.

    accept -> TLS -> read_head -> choose -> connect -> send_head -> relay -> settle

**client** (`client.py`, its writing half in `responses.py`): a connection of a client. Reads one request at a time,
starts an exchange for it, and writes what the exchange relays.

**exchange** (`exchange.py`, `exchange_state.py`, `exchange_body.py`): one request and its response. Asks steering where
to go, takes a connection from the node's pool, sends, retries, and settles: counters, one line of the log, evidence for
or against the node.

**upstream** (`upstream/`): one pool of connections for each node; a connection reads its response strictly.

**plane** (`plane.py`): what all connections of a worker share; swaps the tables when a snapshot comes; ticks.

    ClientConnection ──Exchange──> UpstreamConnection
          ^   bytes, flow control      │ on_response, on_payload, on_complete, on_node_failure
          └────────────────────────────┘

A request whose node has an idle connection needs no task, no future, no timer: deadlines are fields that one sweep
looks at (`deadlines.py`), metrics are integers that are shipped ten times a second (`counters.py`), and lines of the
access log wait for the tick (`records.py`, `access_log.py`). A few requests a second are sampled for previews
(`sampling.py`).

**affinity** (`binding.py`, by a cookie or by a key of the client's): what a request brought that says where its client
is, and what its response leaves with it. Who comes to another datacentre *arrives* (`arrivals.py`): the request waits
until the session is here. Who has still to leave one is counted (`leaving.py`).

**limits**: who may connect (`admission.py`, `penalties.py`), and what is refused when a worker has too much to do
(`overload.py`). A request whose body does not come, or whose client does not read, holds a place at a node for only so
long as others have some (`uploads.py`, `readers.py`, `pace.py`, `appetite.py`).

A connection of a TCP service (`tcp.py`) goes the same way as a whole: choose, connect, relay (`relay.py`), settle.

Whose connection it is may be told by others: in front of its bytes (`proxy_protocol.py`), or in a request's fields
(`http/introduction.py`). `served.py` is what the plane asks of a client's connection, whatever protocol it speaks.

`stream.py` is the seam to the client's side: what an exchange asks of it, whatever protocol it speaks. `http/` is
bytes to values and back, without sockets. What goes wrong is a value of `steer.errors`, never raised here.
"""
