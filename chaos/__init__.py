"""Breaks the store on purpose, under load, and checks what it promised. `docs/chaos.md` says what each number means.

- The **place** (`place`) has two sites: an **engine** each (`engines`: a real Redis), **children** (`child`) to be
  killed, and a **relay** (`relay`) on every way from a child to an engine.
- A child is a store process of the rig (`store_child`: a `steer.store.site.Site`), or a real edge (`edge_child`: `steer
  run`, whose sites may be joined through edges: `joining`). Clients come in through its **door** (`door`: `lines`,
  `edge_door`); its **keys** (`keys`) are rotated. What is different between the two is in these files, and in what the
  checks make of it (`evidence`).
- The **schedule** (`schedule`) says which **fault** (`faults`) begins when, where, and for how long. A seed makes it,
  and makes it again.
- A **workload** (`workloads`) is what a client does over and over: registers, life cycles, fields of hashes, locks.
- The **history** (`history`) has every operation: when it began and ended, and whether it is known to have happened
  (ok), known not to have (fail), or not known (info).
- A **check** (`checks`) reads the history and what the engines hold at the end; what it finds is a **breach**.
- A **control** (`controls`) is a store with a guard taken away. The rig must find it broken: else it is blind.

    __main__ -> profiles -> schedule
       |
       +-----> rig -> place -> engines, relay, keys, store_child (store_process -> controls), edge_child
                |---> faults -> place, straight
                |---> workloads -> door, history
                +---> checks -> evidence -> report -> render
"""
