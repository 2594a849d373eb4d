"""The PROXY protocol: one header in front of a connection's bytes says whose connection it really is.

    v1   PROXY TCP4 192.0.2.1 198.51.100.1 56324 443 CR LF
    v2   12 bytes of signature, version and command, family, length, then addresses and extensions

Written and read as "The PROXY protocol, versions 1 and 2" says (Willy Tarreau, HAProxy's doc/proxy-protocol.txt).
Bytes in, values out: no sockets here.

`LOCAL` (v2) and `UNKNOWN` (v1) mean that the sender speaks for itself, a health check for instance: then the addresses
of the connection itself count. Unix sockets and datagrams are refused: no client reaches this edge by them. Extensions
(TLVs) must be well formed, and are passed over.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final, Literal

Version = Literal["v1", "v2"]
Address = IPv4Address | IPv6Address

SIGNATURE: Final = b"\r\n\r\n\x00\r\nQUIT\n"
V1_BEGINNING: Final = b"PROXY "
MAX_V1: Final = 107
"""Bytes, with CR LF: the longest line that the specification has room for (section 2.1)."""
MAX_V2: Final = 4096
"""Bytes behind the first 16. The specification allows 65,535; with both addresses and the extensions that balancers
send (names, identifiers, a client's certificate at the most) headers stay far below."""

_V2_HEAD = struct.Struct("!12sBBH")
_V2_PORTS = struct.Struct("!HH")
_LOCAL, _PROXY = 0x20, 0x21
_UNSPEC, _TCP4, _TCP6 = 0x00, 0x11, 0x21
_TLV_HEAD = 3
_PORT = re.compile(rb"0|[1-9][0-9]{0,4}")
MAX_PORT = 65535


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Whose connection it is, and what it was for. IP addresses as text (`plain`); port 0: unknown."""

    source: str
    source_port: int
    destination: str
    destination_port: int


# Writing...


def encode(version: Version, endpoints: Endpoints | None) -> bytes:
    """The header to send first. None, or addresses that nobody knows: the edge speaks for itself (LOCAL, UNKNOWN)."""
    if endpoints is None or not endpoints.source or not endpoints.destination:
        return b"PROXY UNKNOWN\r\n" if version == "v1" else _V2_HEAD.pack(SIGNATURE, _LOCAL, _UNSPEC, 0)
    source, destination = _same_family(ip_address(endpoints.source), ip_address(endpoints.destination))
    ports = (endpoints.source_port, endpoints.destination_port)
    return (_encode_v1 if version == "v1" else _encode_v2)(source, destination, ports)


def _same_family(source: Address, destination: Address) -> tuple[Address, Address]:
    """A header has room for one family: where they differ, the IPv4 address goes as IPv6 (RFC 4291, 2.5.5.2)."""
    if source.version == destination.version:
        return source, destination
    return _as_v6(source), _as_v6(destination)


def _as_v6(address: Address) -> IPv6Address:
    return address if isinstance(address, IPv6Address) else IPv6Address(b"\0" * 10 + b"\xff\xff" + address.packed)


def _encode_v1(source: Address, destination: Address, ports: tuple[int, int]) -> bytes:
    return f"PROXY TCP{source.version} {source} {destination} {ports[0]} {ports[1]}\r\n".encode()


def _encode_v2(source: Address, destination: Address, ports: tuple[int, int]) -> bytes:
    addresses = source.packed + destination.packed + _V2_PORTS.pack(*ports)
    return _V2_HEAD.pack(SIGNATURE, _PROXY, _TCP4 if source.version == 4 else _TCP6, len(addresses)) + addresses


# Reading...


class HeaderReader:
    """Reads one header, however it is cut, and not one byte more: what follows may be TLS, which others read.

    `take` until `done` or `broken`. Then `endpoints` says who it is; None: the connection's own addresses count.
    """

    def __init__(self) -> None:
        self.done = False
        self.broken = ""
        """Why it is no header."""
        self.endpoints: Endpoints | None = None
        self._buffer = b""

    def take(self, data: bytes) -> int:
        """How many of these bytes belong to the header. All of them until it is whole, none once it is broken."""
        before = len(self._buffer)
        self._buffer += data
        try:
            end = self._find_end()
            if end:
                self._read(self._buffer[:end])
                self.done = True
        except ValueError as error:
            self.broken = str(error)
            return 0
        return end - before if end else len(data)

    def _find_end(self) -> int:
        """Where the header ends; 0: not yet. ValueError: whatever comes, it will be none."""
        buffer = self._buffer
        if buffer.startswith(SIGNATURE[: len(buffer)]):
            return self._find_v2_end()
        if not buffer.startswith(V1_BEGINNING[: len(buffer)]):
            raise ValueError("the connection does not begin with a PROXY header")
        end = buffer.find(b"\n", 0, MAX_V1) + 1
        if not end and len(buffer) >= MAX_V1:
            raise ValueError(f"the line is longer than {MAX_V1} bytes")
        return end

    def _find_v2_end(self) -> int:
        buffer = self._buffer
        if len(buffer) < _V2_HEAD.size:
            return 0
        _, command, _, length = _V2_HEAD.unpack_from(buffer)
        if command not in (_LOCAL, _PROXY):
            raise ValueError("neither LOCAL nor PROXY of version 2")
        if length > MAX_V2:
            raise ValueError(f"more than {MAX_V2} bytes of addresses and extensions")
        end = _V2_HEAD.size + int(length)
        return end if len(buffer) >= end else 0

    def _read(self, header: bytes) -> None:
        self.endpoints = _read_v1(header) if header.startswith(V1_BEGINNING) else _read_v2(header)


def _read_v1(line: bytes) -> Endpoints | None:
    if not line.endswith(b"\r\n"):
        raise ValueError("the line does not end in CR LF")
    words = line[:-2].split(b" ")
    if words[1] == b"UNKNOWN":
        return None  # section 2.1: what follows on the line is to be ignored
    if len(words) != 6 or words[1] not in (b"TCP4", b"TCP6"):
        raise ValueError("the line is not PROXY, TCP4 or TCP6, two addresses and two ports")
    kind = IPv4Address if words[1] == b"TCP4" else IPv6Address
    source, destination = (_read_address(kind, word) for word in words[2:4])
    source_port, destination_port = map(_read_port, words[4:])
    return Endpoints(source, source_port, destination, destination_port)


def _read_address(kind: type[IPv4Address] | type[IPv6Address], word: bytes) -> str:
    if b"%" in word:
        raise ValueError("an address with a zone means nothing on another machine")
    return plain(kind(word.decode("ascii")))


def _read_port(word: bytes) -> int:
    if _PORT.fullmatch(word) is None or int(word) > MAX_PORT:
        raise ValueError("a port is not a number from 0 to 65535")
    return int(word)


def _read_v2(header: bytes) -> Endpoints | None:
    _, command, family, _ = _V2_HEAD.unpack_from(header)
    body = header[_V2_HEAD.size :]
    if command == _LOCAL:
        return None  # section 2.2: the receiver must accept it and take no notice of the rest
    if family == _UNSPEC:
        return None
    if family not in (_TCP4, _TCP6):
        raise ValueError("the client's connection is neither TCP over IPv4 nor over IPv6")
    kind, size = (IPv4Address, 4) if family == _TCP4 else (IPv6Address, 16)
    if len(body) < 2 * size + _V2_PORTS.size:
        raise ValueError("the addresses are cut off")
    _check_extensions(body[2 * size + _V2_PORTS.size :])
    source_port, destination_port = _V2_PORTS.unpack_from(body, 2 * size)
    return Endpoints(plain(kind(body[:size])), source_port, plain(kind(body[size : 2 * size])), destination_port)


def _check_extensions(data: bytes) -> None:
    while data:
        if len(data) < _TLV_HEAD or len(data) < _TLV_HEAD + int.from_bytes(data[1:3], "big"):
            raise ValueError("an extension is cut off")
        data = data[_TLV_HEAD + int.from_bytes(data[1:3], "big") :]


def plain(address: Address) -> str:
    """The one spelling of an address: ::ffff:192.0.2.1 is 192.0.2.1."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(mapped or address)
