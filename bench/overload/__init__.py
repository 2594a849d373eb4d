"""How steer holds under floods: good traffic beside each of them, on one machine.

    .venv/bin/python -m bench.overload --seconds 10          every kind of flood; results in bench/results/overload
    .venv/bin/python -m bench.overload --kind rapid-reset    one of them (may be repeated)
    .venv/bin/python -m bench.overload.idle                  20,000 idle connections beside 200 active ones

    good traffic (this process) ──┐
    flood (a process, nice 10)  ──┴──► one worker ──► an origin of the demo

steer runs on CPU 0 with one worker, and all else on CPU 1, so the flood can take no CPU time from the worker that it
does not make the worker spend. Good traffic is an open loop: a request every 10 ms, whether or not the last one was
answered, and its time counts from when it was due. Each tenth request comes on a new connection (a full handshake),
from an address that the floods do not use. A request has failed when it is not answered 200 within 10 s.

Memory is the proportional set size of all of steer's processes, its maximum during the flood less what it was before.
"""
