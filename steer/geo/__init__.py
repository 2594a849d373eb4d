"""Where in the world an address is, for rules that ask.

    address --> known? --> networks --> databases --> Place (steering's value), or NOWHERE

**networks** (`networks.py`): what the configuration says of networks itself. The longest prefix that fits counts, and
it counts before any database.

**database** (`database.py`): one file in MaxMind's format, read whole into memory, so that it does no harm when it is
changed in place. A database of cities, of countries or of ASNs; what it holds for an address is a *record*, and
`records.py` takes out of it what is in order. A file is somebody else's: whatever stands in a record, no look-up fails.

Several sources are put together: a later one fills in what an earlier one left out, unless the two contradict each
other; an ASN stands by itself.

**databases** (`databases.py`): all files that a process has read, watched. A file that changes and rests is read again
beside the traffic; if that fails, what was read before stays in use and there is an *alarm*, until the file is right.
They are read before the workers are forked, so that a worker which starts later has them whatever became of the files.

**look-up** (`lookup.py`): `Geo`, all of it for one configuration, with the answers of the last addresses kept.

Each worker looks up for itself, and control does to explain: a request costs no message.
"""
