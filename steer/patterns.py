"""Regular expressions whose time is bounded by the length of the value, whatever the pattern.

Python's `re` goes back and tries again: `(a+)+$` on 30 letters takes minutes, and a client chooses the letters. So what
a client sends is searched by following all ways through the pattern at once, letter by letter (Thompson, "Regular
expression search algorithm", CACM 11(6), 1968), and the sets of places that have been met are kept: a letter costs one
look-up once its step is known. What cannot be searched that way (back references, look-around, possessive groups) is
refused when the configuration is read.

    pattern --parse--> steps (MOST_STEPS) --search--> a value's first LONGEST_VALUE letters

A set of letters (`[a-z]`, `\\d`, `.`) is still judged by `re`, one letter at a time, which cannot take long.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

LONGEST_PATTERN = 512
"""Letters."""
MOST_STEPS = 256
"""Of a pattern, with `{2,5}` written out. With a value of 512 letters that nobody has sent before, 130,000 small steps
at worst: some tens of milliseconds, and then they are known."""
LONGEST_VALUE = 512
"""Letters of a value that are looked at. In a longer one `$` and `\\Z` are never reached."""
MOST_KNOWN = 1024
"""Steps, and values, that are remembered for each pattern: under 1 MiB in ordinary use, 16 MiB where a client does its
worst to the longest pattern. When there are so many, all are forgotten."""

_ESCAPE = re.compile(
    r"\\(?:x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|N\{[^}]*\}|0[0-7]{0,2}|[1-3][0-7]{2}|.)", re.S
)
_CLASS = re.compile(r"\[\^?\]?(?:\\.|[^\]\\])*\]", re.S)
_GROUP = re.compile(r"\((?:\?(?::|P<\w+>))?")
_REPEAT = re.compile(r"[*+?]|\{(?:\d+(?:,\d*)?|,\d*)\}")
_ANCHORS = {"^": "start", "\\A": "start", "$": "end", "\\Z": "end", "\\b": "border", "\\B": "no border"}

Test = Callable[[str], object]
"""Of one letter."""


@dataclass(slots=True)
class _Step:
    """A place in the pattern: what a letter must pass, or an anchor that must hold, and where it goes on."""

    test: Test | None = None
    anchor: str = ""
    then: list[int] = field(default_factory=list)


class Pattern:
    """A regular expression in Python's syntax, as far as it can be searched in bounded time. Raises ValueError."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._steps = _Reader(text).read()
        self._known: dict[tuple[_State, str], _State | None] = {}
        self._values: dict[str, bool] = {}

    def __repr__(self) -> str:
        return f"<Pattern {self.text!r}, {len(self._steps)} steps>"

    def is_in(self, value: str) -> bool:
        """Whether it is found anywhere in the value."""
        seen = value[: LONGEST_VALUE + 1]
        known = self._values.get(seen)
        if known is None:
            if len(self._values) >= MOST_KNOWN:
                self._values.clear()
            known = self._values[seen] = self._search(seen)
        return known

    def _search(self, seen: str) -> bool:
        """After the last letter comes "", unless the value was cut."""
        state = _BEGIN
        for letter in (*seen, "") if len(seen) <= LONGEST_VALUE else seen:
            following = self._known_next(state, letter)
            if following is None:
                return True
            state = following
        return False

    def _known_next(self, state: _State, letter: str) -> _State | None:
        known, at = self._known, (state, letter)
        if at not in known:
            if len(known) >= MOST_KNOWN:
                known.clear()
            known[at] = self._next(state, letter)
        return known[at]

    def _next(self, state: _State, letter: str) -> _State | None:
        """Where the letter leads; None: the end of the pattern was reached before it."""
        places = self._reachable(state, letter)
        if len(self._steps) in places:
            return None
        there = frozenset(
            target
            for place in places
            if (test := self._steps[place].test) and letter and test(letter)
            for target in self._steps[place].then
        )
        return there | {0}, _kind(letter)

    def _reachable(self, state: _State, letter: str) -> set[int]:
        """All places that can be come to without a letter, between the last letter and this one."""
        todo, (places, before) = list(state[0]), state
        found = set(places)
        while todo:
            place = todo.pop()
            step = self._steps[place] if place < len(self._steps) else _Step()
            if step.test is None and (not step.anchor or _holds(step.anchor, before, letter)):
                todo += (target for target in step.then if target not in found)
                found.update(step.then)
        return found


_State = tuple[frozenset[int], str]
"""Places in the pattern, and the kind of the letter before."""

_BEGIN: _State = (frozenset({0}), "none")


def _kind(letter: str) -> str:
    return "none" if not letter else "word" if letter.isalnum() or letter == "_" else "other"


def _holds(anchor: str, before: str, letter: str) -> bool:
    if anchor == "start":
        return before == "none"
    if anchor == "end":
        return not letter
    is_border = (before == "word") is not (_kind(letter) == "word")
    return is_border is (anchor == "border")


class _Reader:
    """Reads a pattern into steps. The step after the last is its end; each part goes on at the step after it."""

    def __init__(self, text: str) -> None:
        if len(text) > LONGEST_PATTERN:
            raise ValueError(f"may have {LONGEST_PATTERN} letters, has {len(text)}")
        try:
            re.compile(text)
        except (re.error, OverflowError, RecursionError) as error:
            raise ValueError(f"is no regular expression: {error}") from None
        self._flags = re.I if text.startswith("(?i)") else re.RegexFlag(0)
        self._text = text
        self._at = 4 if self._flags else 0

    def read(self) -> Sequence[_Step]:
        """With places counted from the first step; until then each step counts from itself, so that parts can move."""
        try:
            found = self._alternatives()
        except RecursionError:
            raise ValueError("has groups in too many groups") from None
        return [
            _Step(step.test, step.anchor, [place + target for target in step.then]) for place, step in enumerate(found)
        ]

    def _alternatives(self) -> list[_Step]:
        """a | b | c: a step that goes to the first of each, and each goes to the end of all."""
        ways = [self._sequence()]
        while self._text[self._at : self._at + 1] == "|":
            self._at += 1
            ways.append(self._sequence())
        return ways[0] if len(ways) == 1 else _one_of(ways)

    def _sequence(self) -> list[_Step]:
        found: list[_Step] = []
        while self._text[self._at : self._at + 1] not in ("", "|", ")"):
            found = _joined(found, self._repeated())
        return found

    def _repeated(self) -> list[_Step]:
        part = self._part()
        while sign := self._take(_REPEAT):
            self._take_lazy()
            part = _times(part, *_bounds(sign))
        return part

    def _take_lazy(self) -> None:
        """`a+?` finds what `a+` finds; `a++` does not."""
        following = self._text[self._at : self._at + 1]
        if following == "+":
            raise ValueError("may not have possessive repeats (a++)")
        self._at += following == "?"

    def _part(self) -> list[_Step]:
        text, at = self._text, self._at
        if text[at] == "(":
            return self._group()
        if text[at : at + 2] in _ANCHORS or text[at] in _ANCHORS:
            anchor = text[at] if text[at] in _ANCHORS else text[at : at + 2]
            self._at += len(anchor)
            return [_Step(anchor=_ANCHORS[anchor], then=[1])]
        letters = self._take(_ESCAPE) or self._take(_CLASS)
        if not letters:
            self._at += 1
            letters = text[at] if text[at] == "." else re.escape(text[at])
        if re.fullmatch(r"\\[1-9]", letters):
            raise ValueError("may not refer back to a group (\\1)")
        return [_Step(test=re.compile(letters, self._flags).fullmatch, then=[1])]

    def _group(self) -> list[_Step]:
        sign = self._take(_GROUP)
        if self._text[self._at : self._at + 1] == "?":
            raise ValueError("may have groups (...), (?:...) and (?P<name>...), and (?i) at its start, no other (?")
        assert sign
        inside = self._alternatives()
        self._at += 1
        return inside

    def _take(self, kind: re.Pattern[str]) -> str:
        found = kind.match(self._text, self._at)
        self._at = found.end() if found else self._at
        return found[0] if found else ""


def _bounds(sign: str) -> tuple[int, int | None]:
    """How often at least and at most; None: any number of times."""
    plain: dict[str, tuple[int, int | None]] = {"*": (0, None), "+": (1, None), "?": (0, 1)}
    if sign in plain:
        return plain[sign]
    least, comma, most = sign[1:-1].partition(",")
    return int(least or 0), (int(most) if most else None) if comma else int(least)


def _times(part: list[_Step], least: int, most: int | None) -> list[_Step]:
    if not part:
        return part
    if max(least, most or 0) * len(part) > MOST_STEPS:
        raise _too_long()
    found: list[_Step] = []
    for _ in range(least):
        found = _joined(found, part)
    if most is None:
        skip, again = _Step(then=[1, len(part) + 2]), _Step(then=[-len(part) - 1])
        return _joined(found, [skip, *part, again])
    for _ in range(most - least):
        found = _joined(found, [_Step(then=[1, len(part) + 1]), *part])
    return found


def _one_of(ways: list[list[_Step]]) -> list[_Step]:
    found = ways[-1]
    for way in reversed(ways[:-1]):
        fork = _Step(then=[1, len(way) + 2])
        found = _joined([fork, *way, _Step(then=[len(found) + 1])], found)
    return found


def _joined(first: list[_Step], second: list[_Step]) -> list[_Step]:
    if len(first) + len(second) > MOST_STEPS:
        raise _too_long()
    return [*first, *second]


def _too_long() -> ValueError:
    return ValueError(f"is too long: with repeats written out it may have {MOST_STEPS} steps")
