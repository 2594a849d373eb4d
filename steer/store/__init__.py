"""Records that every datacentre has: sessions, overrides, what edges saw.

Each datacentre (**site**) has an **engine** of its own, a Redis or the memory of the edge, which knows nothing of the
others. This package keeps the records of all sites the same, so that a site that is lost takes no session with it.

**record** (`model.py`, `state.py`): under a key of a **namespace**, a plain value or a hash of fields, with a deadline.
Each write gives it a **stamp** (`stamp.py`): milliseconds, counter, site, in 20 digits. Stamps of a bucket only grow,
whatever the engine's clock does, and no two sites make the same.

**merge** (`merge.py`): of two states of one record, what both sites will agree upon, in whatever order and however
often they meet. The later stamp wins: for the value, for each field of a hash, and, on its own, for the deadline. A
deleted record leaves a **tombstone**, a value like any other, so that an older write that arrives later stays dead.

**bucket** (`layout.py`): a namespace is cut into 1024. In a bucket's keys live its records, its clock, its **outbox**
(the stream of keys that changed here, with a sequence without gaps) and its **change index** (every key by its last
change). One script (`scripts/*.lua`, `scripting.py`) writes all of that at once, or nothing.

**engine** (`engine.py`): what both engines can do, in one Protocol; one battery of tests is passed by both. Most of it
is for replication: states to send, states to apply with a cursor in the same step, digests to compare. The one is a
Redis (`redis_*.py`), the other the edge's own memory with a log on disk (`memory_*.py`); and there is one that is an
engine at another site, asked through an edge there (`remote/`).

**site** (`site.py`): an engine, the namespaces over it (`namespace.py`), and what keeps them the same as at the other
sites: `replication/`, whose docstring tells how, and a courier (`courier.py`) for single records that are in a hurry.

    door -> Namespace -> Engine: put ------> record + clock + outbox + index
                           |                              |
                           |                 shipper: outbox -> states -> the other site's Engine: apply
                           +-> get: live by the engine's time and the bucket's clock, whichever is later

A write says until when it may happen (`not_after`) and who asks (`request`): one that timed out never happens later,
and one that is asked for again happens once.
"""
