"""Cookies of a head whose lines have been judged: read one, take one out, without a change to the others (RFC 6265).

`find` in place of `in`: to look for bytes in bytes, CPython first fails to take them for a number.
"""

from __future__ import annotations

from collections.abc import Iterable

_VALUE = len(b"cookie:")


def is_cookie(line: bytes) -> bool:
    """A request's Cookie field; HTTP/2's crumbs are one line already."""
    return line[:7].lower() == b"cookie:"


def cookie(lines: Iterable[bytes], name: bytes) -> bytes | None:
    """The value of the first cookie of this name; None: there is none."""
    for line in lines:
        if is_cookie(line) and line.find(name) >= 0:
            for pair in line[7:].split(b";"):
                found, equals, value = pair.partition(b"=")
                if equals and found.strip(b" \t") == name:
                    return value.strip(b" \t")
    return None


def take_cookies(lines: list[bytes], names: tuple[bytes, ...]) -> list[tuple[bytes, bytes]]:
    """Take the cookies of these names out of the lines, which may leave no Cookie field: (name, value) of each.

    The first name is a part of all others. The other pairs stay as they are, byte for byte.
    """
    stem = names[0]
    taken: list[tuple[bytes, bytes]] = []
    for line in [line for line in lines if line.find(stem) >= 0]:
        if is_cookie(line):
            index = lines.index(line)
            rest = _take(line, names, taken)
            lines[index : index + 1] = [rest] if rest else []
    return taken


def _take(line: bytes, names: tuple[bytes, ...], taken: list[tuple[bytes, bytes]]) -> bytes:
    """The line without them; empty where nothing is left of it. Looks at the pairs that may be one, and no others."""
    stem, kept, done = names[0], [line[:_VALUE]], _VALUE
    at = line.find(stem, done)
    while at >= 0:
        start = max(line.rfind(b";", done, at) + 1, done)
        end = line.find(b";", at)
        end = len(line) if end < 0 else end
        found, equals, value = line[start:end].partition(b"=")
        name = found.strip(b" \t")
        at = line.find(stem, end)
        if equals and name in names:
            taken.append((name, value.strip(b" \t")))
            kept.append(line[done:start])
            done = end + 1
    kept.append(line[done:])
    rest = b"".join(kept)
    if done > len(line):  # the last pair is gone, and so is what stood before it
        rest = rest.removesuffix(b";")
    return rest if rest[_VALUE:].strip(b" \t;") else b""


def drop_set_cookies(lines: list[bytes], names: tuple[bytes, ...]) -> list[bytes]:
    """A response's lines without those that set a cookie of these names."""
    return [line for line in lines if not (line[:11].lower() == b"set-cookie:" and _set_name(line) in names)]


def _set_name(line: bytes) -> bytes:
    return line[11:].partition(b";")[0].partition(b"=")[0].strip(b" \t")


def is_public(lines: Iterable[bytes]) -> bool:
    """A shared cache may keep the response and give it to others (RFC 9111 section 5.2.2): `public` or `s-maxage`."""
    for line in lines:
        if line[:14].lower() == b"cache-control:":
            directives = (part.partition(b"=")[0].strip(b" \t") for part in line[14:].lower().split(b","))
            if any(directive in (b"public", b"s-maxage") for directive in directives):
                return True
    return False
