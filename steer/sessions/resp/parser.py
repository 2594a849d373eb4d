"""Bytes to commands: the requests of RESP2 and RESP3, which are the same (redis.io, "Redis serialization protocol").

    *3\r\n $3\r\nSET\r\n $1\r\nk\r\n $1\r\nv\r\n       an array of bulk strings, and nothing else, or
    SET k v\r\n                                     one short line of words, for people with netcat

No sockets here. A request nests nothing, so there is no depth to limit: what stands in an array must be a bulk string.
The work is linear in the bytes however they are cut: a half bulk is not looked at again before it can be whole.
"""

from __future__ import annotations

from dataclasses import dataclass

MOST_LINE = 64
"""Bytes of `*3` or `$1024`. The longest number that we take has 7 digits; Redis takes 64 KiB here."""

MOST_INLINE = 1024
"""Bytes of a command typed by hand. Redis takes 64 KiB; clients never send these."""

ALARMS = (b"POST", b"HOST:")
"""How an HTTP request looks from here: a browser was made to talk to this port. Redis hangs up on the same two."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one command may have: words, bytes in a word, bytes in all."""

    words: int
    bulk: int
    command: int


LIMITS = Limits(words=1024, bulk=512 * 1024, command=1024 * 1024)
"""A value may have 256 KiB. Twice that as a bulk, so that a value too large gets an answer and keeps its connection;
four times that for a whole hash. 1,024 words are 511 fields, or the keys of a page of SCAN. Redis: 1,048,576 words."""

STRANGERS = Limits(words=10, bulk=16 * 1024, command=32 * 1024)
"""Before AUTH: enough for `HELLO 3 AUTH user password SETNAME name`. The numbers of Redis, which learned them the hard
way (CVE-2021-32675)."""


class Malformed(Exception):
    """Where the next command starts is unknown: say this, and hang up."""


class Parser:
    """Feed bytes, ask for commands. `held` is how many bytes wait in it."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.held = 0
        # What has come: `_data` from `_at`, then `_later`.
        self._data = b""
        self._at = 0
        self._later: list[bytes] = []
        self._needed = 1
        # The command under way: its words, how many are to come, the size of the next if its `$` line was read.
        self._words: list[bytes] = []
        self._missing = 0
        self._size = -1
        self._total = 0

    @property
    def is_halfway(self) -> bool:
        """A command has begun and is not there in full (asked when `next` has given None)."""
        return self.held > 0 or self._missing > 0

    def feed(self, data: bytes) -> None:
        self.held += len(data)
        if self._at == len(self._data):
            self._data, self._at = data, 0
        else:
            self._later.append(data)

    def next(self) -> list[bytes] | None:
        """The words of the next command, at least one; None: not there yet. Raises `Malformed`."""
        while self.held >= self._needed:
            if self._later:
                self._join()
            if self._missing:
                if self._take_words():
                    return self._words
            elif self._data[self._at] == 0x2A:  # *
                if words := self._take_whole():
                    return words
                self._take_array()
            elif words := self._take_inline():
                return words
        return None

    def _join(self) -> None:
        self._data, self._at = b"".join((self._data[self._at :], *self._later)), 0
        self._later.clear()

    def _take_whole(self) -> list[bytes] | None:
        """A command that is there in full and has nothing wrong with it, in half the time; None: piece by piece."""
        data, limits = self._data, self.limits
        end = data.find(b"\r\n", self._at, self._at + MOST_LINE)
        number = data[self._at + 1 : end]
        if end < 0 or not number.isdigit() or not 0 < int(number) <= limits.words:
            return None
        words: list[bytes] = []
        at, size, total = end + 2, 0, 0
        for _ in range(int(number)):
            end = data.find(b"\r\n", at, at + MOST_LINE)
            number = data[at + 1 : end]
            if end < 0 or not data.startswith(b"$", at) or not number.isdigit():
                return None
            start, size = end + 2, int(number)
            at, total = start + size, total + size
            if size > limits.bulk or total > limits.command or data[at : at + 2] != b"\r\n":
                return None
            words.append(data[start:at])
            at += 2
        self._pass(at)
        return words

    def _take_array(self) -> None:
        line = self._take_line()
        if line is None:
            return
        count = _number(line)
        if count > self.limits.words:
            raise Malformed(f"invalid multibulk length: over {self.limits.words:,} words")
        self._words, self._missing, self._size, self._total = [], count, -1, 0

    def _take_words(self) -> bool:
        """Is the command whole? If not, `_needed` says how many bytes it waits for."""
        while self._missing:
            size = self._size
            if size < 0:
                line = self._take_line()
                if line is None:
                    return False
                size = self._size = self._size_of(line)
            start = self._at
            end = start + size
            self._needed = size + 2
            if self.held < self._needed:
                return False
            if self._data[end : end + 2] != b"\r\n":
                raise Malformed("a bulk string must end where its length says")
            self._words.append(self._data[start:end])
            self._pass(end + 2)
            self._missing -= 1
            self._size = -1
        return True

    def _size_of(self, line: bytes) -> int:
        if not line.startswith(b"$"):
            raise Malformed(f"expected '$', got {line[:1].decode('latin-1')!a}")
        size = _number(line)
        self._total += size
        if size > self.limits.bulk:
            raise Malformed(f"invalid bulk length: over {self.limits.bulk:,} bytes")
        if self._total > self.limits.command:
            raise Malformed(f"a command may have {self.limits.command:,} bytes")
        return size

    def _take_line(self) -> bytes | None:
        """A line without its end; None: not there in full."""
        end = self._data.find(b"\r\n", self._at, self._at + MOST_LINE + 2)
        if end < 0:
            self._wait_for_line(MOST_LINE)
            return None
        line = self._data[self._at : end]
        self._pass(end + 2)
        return line

    def _take_inline(self) -> list[bytes]:
        """The words of one line; none: an empty line, or not there in full. Quotes are not understood."""
        end = self._data.find(b"\n", self._at, self._at + MOST_INLINE + 2)
        if end < 0:
            self._wait_for_line(MOST_INLINE)
            return []
        words = self._data[self._at : end].split()
        self._pass(end + 1)
        if words and words[0].upper() in ALARMS:
            raise Malformed("this is not an HTTP server")
        if len(words) > self.limits.words:
            raise Malformed(f"too many words: over {self.limits.words:,}")
        return words

    def _wait_for_line(self, most: int) -> None:
        if self.held > most + 1:
            raise Malformed(f"a line may have {most} bytes")
        self._needed = self.held + 1

    def _pass(self, to: int) -> None:
        self.held -= to - self._at
        self._at = to
        self._needed = 1


def _number(line: bytes) -> int:
    """The length in a `*` or `$` line."""
    digits = line[1:]
    if not digits.isdigit() or len(digits) > 10:
        raise Malformed("invalid length: must be decimal digits")
    return int(digits)
