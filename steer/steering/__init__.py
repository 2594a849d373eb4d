"""Where a request goes. Pure: no sockets, no clock, no dice of its own, no environment.

**topology** (`model.py`): what stands where. Nodes in datacentres, members of pools; services of hostnames and routes;
groups of services that move together. It lives as long as a configuration.

**ledgers** (`ejection.py`, `datacentres.py`): how it is now, kept by control. Observations, checks, time and an
operator's word go in; changes come out. What may happen to a node is a table (`transitions.py`):

             too many failures             time served
    serving ------------------> ejected --------------> probing
       ^                           ^                       |
       |                           +--- a trial failed ----+
       +------ three trials passed, and then a ramp -------+

A node that is *held* is ejected or probing, but the last of its pool: still tried, and counted as unavailable. A
*drained* node is not expected to run. A datacentre is, for a group, *serving*, *draining* or *out* (`shortages.py`).

**groups** (`groups.py`): where each group is that is at one datacentre, and how it moves from there, a table too
(`positions.py`: home, leaving, away, returning); when it does so by itself (`automatic.py`), what holds it
(`penalty.py`), who is left behind (`clients.py`), which nodes are expected to be down (`standby.py`).

**snapshot** (`snapshot.py`): what the ledgers say at one moment, numbered and immutable; `wire.py` is how it is sent.

**tables** (`tables.py`, `plan.py`, `preparation.py`, `hosts.py`): the snapshot prepared by a worker, so that a request
costs a few look-ups: where the group may go by its mode and position (`reach.py`), how each datacentre stands
(`surveying.py`), how they share what comes (`splitting.py`: weight x health x ramp, or along a line), the nodes in
each, and the verdicts ready-made, the refusals with their words (`why_not.py`).

**verdict** (`choose.py`, `pick.py`): the node to try and the reasons, the deciding one last. In this order: a pinned
hostname, affinity (`staying.py`), a rule (`lines.py`, `rules.py`, `conditions.py`), a trial or a trickle, the weights
or the datacentre where the group is, `no_weight_left`, held nodes, `try_all`; else a refusal with a name. Dice decide,
but for keys and stable clients, which a hash places (`rendezvous.py`). `retries.py` says whether a failed try may be
followed by another, `choose_next` where.

    request -> host -> path -> [ plan of (group, pool, rule) ] -> datacentre -> node -> verdict
                                        ^
    topology + snapshot + now ----------+

**safety** (`safety.py`) says what no change may do; **explain** (`explain.py`, `steps.py`, `explain_node.py`) tells a
person every step. **preview** (`samples.py`, `preview.py`) replays sampled requests against two snapshots: what a
change would move.

Two rules stand above the rest: no try goes to a datacentre that the group may not use now (one that is out is tried
only where none is usable, or by a trial; one that drains, never, but by the clients that it may keep; a standby by its
trickle alone), and what moves a group is never one request's evidence.
"""
