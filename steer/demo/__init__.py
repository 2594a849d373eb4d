"""A set-up to try steer on, made on the spot and gone without a trace.

scene
    A temporary folder with all that an edge needs: the configuration, a certificate authority of its own (`ca.pem`) and
    the certificates that it signed, an admin token. It is made out of a configuration file whose listeners and nodes
    are moved to free ports of the loopback interface (`adapt.py`), and goes when the demonstration ends.
origin
    The server of one node: a process of its own, so that a person can kill or stop it. It names itself in each answer,
    and fails when told to.
leash
    What ties each process to the demonstration: when that dies, even of SIGKILL, they die too and the folder goes.
show
    One run from start to end: origins, edge, the text of what to try, and waiting. An origin that was killed comes
    back after a while, so that one sees how its node returns.

    steer demo ── show ──┬── origin wlg-1 ◄──┐
                         ├── origin akl-1 ◄──┤
                         └── steer run ──────┘ ◄── curl --resolve ...
"""
