"""The RESP door: applications use it as a Redis, and change only host and port.

    transport -> connection.py -> parser.py -> table.py -> a family of commands -> Records (the store)
                      ^                                         |
                      +------------- one write <- replies ------+

**door** (`door.py`): the address, the connections, what they may hold together; ends what is too slow.

**connection** (`connection.py`): one client. Answers its pipeline in order, one task for each batch of commands.

**together** (`together.py`): GETs in a row, and SETs of different keys in a row, are one question to the store.

**session** (`session.py`): what the commands know of their connection: protocol 2 or 3, user, namespace, transaction.

**command** (`command.py`): a row of a table: name, words, keys, handler. `table.py` has them all, and the way to one.
The families are `strings`, `hashes`, `expiry`, `keys`, `transactions`, `scripts`, `greeting`, `describing`.

**space** (`steer.sessions.space`): a user's namespace, and which of its keys are **local**: locks, that stay in this
datacentre and are never replicated.

It is a door to records, not a Redis: every record has a deadline, transactions are of one key, there is no Lua, and a
command that is not in the table gets an error that says which are. What a client sends is limited in every dimension
(`parser.py`), and a store that does not answer is an error within `RespLimits.patience`, never a wait.
"""

from steer.sessions.resp.door import RespDoor, RespLimits

__all__ = ["RespDoor", "RespLimits"]
