"""Active checks: asking each node, all the time, whether it would serve.

**Settings** say how one node is asked (over HTTP(S), HTTP/2, or by a TCP connect), how often, and what is an answer.
A **probe** is one question and its **result**: passed or not, with a detail for people. Every single result is
*reported*; what the results mean (`fall` failures eject, `rise` passes end an ejection) is for the ledger of
ejections in `steer.steering` to decide. The **pace** is the checker's own: its interval with 10 % jitter as a rule, 1 s
while a node is *in doubt*, that is after a first failure, or until an ejected one has passed often enough.

    settings --> Checker (one task a node) --> probe --> Result --> report(node, passed, detail)
                     ^                                    |
                     +------------ pace <-----------------+

    expect.py    what counts as an answer, pure         probe.py    one question over the network
    pace.py      when to ask again, pure                checker.py  the tasks
    asking_h2.py   the same question over HTTP/2        announcing.py  with a PROXY header before it

Nothing here shares anything with the traffic: a check has its own connection each time, so that it proves that the
node still accepts, and neither warms nor wears out what requests use.
"""
