"""The control process: it knows how everything is, decides what changes, and answers whoever asks.

    keeper       the one owner of the state: observations and overrides in, numbered snapshots out; it stands on
                 `wishes.py` (what operators want), `in_force.py` (what holds) and `standing.py` (all ledgers)
    override     what an operator set, with an owner, a reason and perhaps an end; on disk before it is acknowledged
    groups       where groups are, and what moves or holds them; an operator's move (`moving.py`) is on disk first, too
    event        what happened, for the log and for people
    totals       what the workers counted, summed; and the requests of the last minutes that they sampled
    preview      a change tried on a twin of the keeper (`rehearsal.py`), its numbers (`forecast.py`), applied by its id
    admin API    the only way in for people and programs
    audit        every change that came in that way: who, from where, before, after

                 observations, counts                            HTTP, bearer token
        workers ----------------------> keeper, totals <----- admin API <---------- people, Prometheus
                <----------------------   |                      |
                       snapshots          v                      v
                                     state file            audit, tokens file

A call of the admin API passes, in order: the Host name, the token, its role, the names in its query, its
Idempotency-Key, the handler. Handlers live in `api_*.py`, a family a file, as rows of a table (`Endpoint`); routes,
OpenAPI document and the page for people are made out of that table. A handler changes nothing itself: it asks the
keeper (`face.py` says what of it), which may refuse. `views.py` puts the state into the words that the command line
prints, too.

When this process dies, the workers steer on by the last snapshot; the next one takes the state up from the disk.
"""
