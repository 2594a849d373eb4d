"""Other people's suites and clients against steer, HAProxy and the backend itself. `docs/compliance.md` has the method.

- The **place** (`place`) has the backends, steer and HAProxy, all on loopback, with an authority of its own for TLS.
- A **target** is one of them as a suite sees it: its ports. A proxy has to add nothing to what the backend does alone.
- A **suite** (`suites/`) runs a tool or a client against each target, and tells a **row** for each thing it checks.
- A **cell** of a row is one target's: whether it is as it must be, and in words what was seen.
- **Tools** (`bench.tools`) are installed into a cache folder, or by the system's packages. One that cannot be had is
  `Unavailable`: its suite is skipped, the table says why, and the exit status is not 0.

    __main__ -> run -> suites -> bench.tools
                |        |
                |        +-> place -> backend, grpc_backend, bench.processes
                +-> report -> render
"""
