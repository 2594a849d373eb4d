"""Breaks the store on purpose, under load, and checks what it promised. `docs/chaos.md` says what each number means.

- The **place** (`place`) has two sites: an **engine** each (`engines`: a real Redis), store processes to be killed
  (`store_process`: a `steer.store.site.Site`), and a **relay** (`relay`) on every way from a process to an engine.
- The **schedule** (`schedule`) says which **fault** (`faults`) begins when, where, and for how long. A seed makes it,
  and makes it again.
- A **workload** (`workloads`) is what a client does over and over: registers, life cycles, fields of hashes, locks.
- The **history** (`history`) has every operation: when it began and ended, and whether it is known to have happened
  (ok), known not to have (fail), or not known (info).
- A **check** (`checks`) reads the history and what the engines hold at the end; what it finds is a **breach**.
- A **control** (`controls`) is a store with a guard taken away. The rig must find it broken: else it is blind.

    __main__ -> profiles -> schedule
       |
       +-----> rig -> place -> engines, relay, store_process (a child) -> controls
                |---> faults -> place, straight
                |---> workloads -> door, history
                +---> checks -> evidence -> report -> render
"""
