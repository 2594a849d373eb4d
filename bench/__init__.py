"""Measures what steer costs, beside nginx and HAProxy, in the same run. README.md is the method: read it first.

- A **proxy** (`proxies`) is steer or a peer, started from a configuration in `peers/`, pinned to the proxy's CPU.
- A **scenario** (`scenarios`) is one kind of load, with the unit that its cost has: microseconds of CPU for each
  request, milliseconds for each GiB, KiB of memory for each connection, or a time.
- A **load** (`loads/`) runs on the other CPU, beside the backend: wrk, h2load, or a client of our own.
- A **sample** (`sampling`) is one scenario on one proxy, for a few seconds: the **meter** reads the processes before
  and after.
- A **round** is one sample of each proxy, in turn. A **pair** is steer's sample and a peer's of one round (`ratios`).
- The **report** is JSON (`report`); `render` makes the table of it.

    __main__ -> run -> sampling -> loads, meter
                 |         |
                 |         +-> proxies -> processes
                 +-> ratios -> report -> render
"""
