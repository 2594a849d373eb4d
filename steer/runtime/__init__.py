"""The processes of an edge: who starts whom, who listens where, and how they speak.

    supervisor            no event loop, no threads; owns the children, the sockets, the last snapshot
    ├── control           one: keeps the state of nodes and groups, active checks, admin API
    ├── store             one, where sessions are kept: the engine, the doors, replication
    ├── worker 0          serves traffic; accepts from slot 0
    └── worker 1 ...      as many as cores; each serves on when control is dead

**slot**: a place for a worker, for the life of the edge. For each listener it has one SO_REUSEPORT socket, bound before
the first fork and held by the supervisor; the kernel spreads connections over the slots. A worker that dies leaves its
slot, with what waits in the queue, to its replacement; a closed socket would reset what waits.

**seat**: what one process is given when it starts (`seats.py`).

**post**: a child's end of its socketpair with the supervisor (`post.py`). Orders come down: accept slot, release slot,
leave, drain. Reports go up: ready, a heartbeat each 500 ms, and from control each snapshot and configuration. Its end
is a word too: the supervisor died, so the child lets go of the listening sockets, drains and ends.

**silent**: not heard for 2 s (stopped, or its loop is blocked). A neighbour accepts from the slot until its own worker
is heard again; after 30 s it is killed and replaced. A slot without a process is served by a neighbour at once.

**channel**: control and the workers, over Unix sockets (`channel.py`). Observations and counts go up, snapshots come
down; the newest one also to whoever connects later. The supervisor holds the listening socket, so connections to a dead
control process wait for the next one, and a worker that starts meanwhile finds the last snapshot in its seat.

    client ──> slot 0 ──> worker 0 ──observation──> control ──snapshot──> all workers
                  └─(worker 0 silent)─> worker 1        └──snapshot──> supervisor ──seat──> the next worker

A child that dies is started again: at once, then after 0.1 s doubling to 5 s, until one lives for 10 s. One that raises
a SteerError before the edge was ever ready ends the edge: the next would fail the same way.

Signals to the supervisor: SIGTERM and SIGINT drain, a second one ends at once; SIGHUP reloads (the order goes to
control, `steer/reload.py`), SIGUSR2 hands the sockets to a new version (`upgrade.py`). To a child: SIGTERM drains it,
and the supervisor starts another. With `--workers 0` there is one process and no supervisor (`child.serve_alone`,
`channel.InProcessLink`).

    supervisor                                             worker
    supervisor.py  its loop, its phases                    accepting.py   which slots it accepts from
    crew.py        the children as a group                 listening.py   accepts from one socket
    processes.py   one child, seen from above              entrance.py    who of those accepted begins when
    slots.py       who helps out                           silent.py      clients that say nothing yet
    hubs.py        sockets of control and store            fair_queue.py  turns by address
    upgrade.py     a new version takes over                announced.py   PROXY headers before TLS
    succession.py  the supervisor's part of that           door.py        how one begins, or is turned away
    sockets.py     binding, privileges
                                                           between them
    every child                                            orders.py      supervisor <-> child
    seats.py       what it is given                        channel.py     workers <-> control
    child.py       its life                                wire.py, frames.py   values on a Unix socket
    post.py        its way to the supervisor
    tasks.py       named tasks                             logs.py        the edge's own log
"""
