"""The commands: a file a family, each with `register(app)` that adds it to the command line.

Two kinds. Some *are* an edge, or work on its files: `run`, `demo`, `check`, `token`. The others talk to a running edge
by its admin API (`client.py`), with the token that `steer run` keeps for the local user unless they are given another;
`command.asks_edge` gives them the options that they share.

All of them print data with `--json`, and exit with 0 done, 1 no (the answer is no, or a check fails), 2 usage or cannot
reach. Errors are one line with what to do (`command.reporting`). `output.py` knows how things look: JSON, tables and
colour on a terminal, plain aligned text anywhere else. What only some commands need (rich, pydantic, the proxy) is
imported where it is used.
"""
