"""Vectors by the grammar of HAProxy's doc/proxy-protocol.txt, sections 2.1 and 2.2."""

from __future__ import annotations

import ipaddress
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steer.proxy.proxy_protocol import MAX_V1, MAX_V2, SIGNATURE, Endpoints, HeaderReader, Version, encode

V4 = Endpoints("192.0.2.1", 56324, "198.51.100.7", 443)
V6 = Endpoints("2001:db8::1", 56324, "2001:db8:ffff::7", 443)
TLS = b"\x16\x03\x01\x02\x00\x01\x00"
LONGEST_V1 = b"PROXY UNKNOWN " + b" ".join([b"ffff:" * 7 + b"ffff"] * 2) + b" 65535 65535\r\n"


def v2(body: bytes, *, command: int = 0x21, family: int = 0x11, length: int | None = None) -> bytes:
    return SIGNATURE + struct.pack("!BBH", command, family, len(body) if length is None else length) + body


def v2_addresses(endpoints: Endpoints) -> bytes:
    packed = [ipaddress.ip_address(text).packed for text in (endpoints.source, endpoints.destination)]
    return b"".join(packed) + struct.pack("!HH", endpoints.source_port, endpoints.destination_port)


def tlv(kind: int, value: bytes) -> bytes:
    return struct.pack("!BH", kind, len(value)) + value


def read(data: bytes, sizes: list[int] | None = None) -> tuple[HeaderReader, bytes]:
    """The reader after it had its part of `data` in pieces of these sizes, and the bytes that it left."""
    reader = HeaderReader()
    at = 0
    for size in [*(sizes or []), len(data)]:
        piece = data[at : at + size]
        taken = reader.take(piece)
        at += taken
        if reader.done or reader.broken:
            break
        assert taken == len(piece), "an unfinished header takes all that there is"
    return reader, data[at:]


GOOD = [
    (b"PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n", V4),
    (b"PROXY TCP6 2001:db8::1 2001:DB8:FFFF::7 56324 443\r\n", V6),
    (b"PROXY TCP6 2001:0db8:0:0:0:0:0:1 2001:db8:ffff:0:0:0:0:7 56324 443\r\n", V6),
    (b"PROXY TCP6 ::ffff:192.0.2.1 ::ffff:198.51.100.7 56324 443\r\n", V4),
    (b"PROXY TCP4 255.255.255.255 0.0.0.0 65535 0\r\n", Endpoints("255.255.255.255", 65535, "0.0.0.0", 0)),
    (b"PROXY UNKNOWN\r\n", None),
    (LONGEST_V1, None),
    (b"PROXY UNKNOWN whatever stands here\r\n", None),
    (v2(v2_addresses(V4)), V4),
    (v2(v2_addresses(V6), family=0x21), V6),
    (
        v2(ipaddress.ip_address("::ffff:192.0.2.1").packed * 2 + b"\0\1\0\2", family=0x21),
        Endpoints("192.0.2.1", 1, "192.0.2.1", 2),
    ),
    (v2(v2_addresses(V4) + tlv(0x04, b"") + tlv(0xEE, b"abc") + tlv(0x02, b"www.agency.example")), V4),
    (v2(v2_addresses(V4) + tlv(0x04, bytes(MAX_V2 - 12 - 3))), V4),
    (v2(b"", command=0x20, family=0x00), None),
    (v2(v2_addresses(V4), command=0x20), None),
    (v2(bytes(216), command=0x20, family=0x31), None),
    (v2(b"", family=0x00), None),
    (v2(b"anything", family=0x00), None),
]


@pytest.mark.parametrize(("header", "endpoints"), GOOD)
def test_a_header_says_whose_connection_it_is_and_not_a_byte_behind_it_is_taken(
    header: bytes, endpoints: Endpoints | None
) -> None:
    reader, rest = read(header + TLS)
    assert (reader.done, reader.broken, reader.endpoints, rest) == (True, "", endpoints, TLS)


@given(st.sampled_from(GOOD), st.lists(st.integers(1, 40), max_size=200), st.binary(max_size=50))
def test_it_does_not_matter_how_a_header_is_cut(
    vector: tuple[bytes, Endpoints | None], sizes: list[int], behind: bytes
) -> None:
    header, endpoints = vector
    reader, rest = read(header + behind, sizes)
    assert (reader.done, reader.endpoints, rest) == (True, endpoints, behind)


@pytest.mark.parametrize(("header", "_"), GOOD)
def test_a_header_that_is_not_whole_is_neither_done_nor_broken(header: bytes, _: object) -> None:
    for size in range(len(header)):
        reader, rest = read(header[:size])
        assert (reader.done, reader.broken, rest) == (False, "", b"")


BAD = {
    "another protocol": b"GET / HTTP/1.1\r\n",
    "TLS at once": TLS,
    "lower case": b"proxy TCP4 192.0.2.1 198.51.100.7 56324 443\r\n",
    "a bare LF": b"PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\n",
    "a bare LF inside": b"PROXY UNKNOWN\nPROXY UNKNOWN\r\n",
    "no family": b"PROXY \r\n",
    "another family": b"PROXY UDP4 192.0.2.1 198.51.100.7 56324 443\r\n",
    "the families do not agree": b"PROXY TCP6 192.0.2.1 198.51.100.7 56324 443\r\n",
    "IPv6 as IPv4": b"PROXY TCP4 2001:db8::1 2001:db8::2 56324 443\r\n",
    "no such address": b"PROXY TCP4 192.0.2.256 198.51.100.7 56324 443\r\n",
    "an octal address": b"PROXY TCP4 192.0.2.01 198.51.100.7 56324 443\r\n",
    "a short address": b"PROXY TCP4 192.0.513 198.51.100.7 56324 443\r\n",
    "a zone": b"PROXY TCP6 fe80::1%eth0 fe80::2 56324 443\r\n",
    "a port too high": b"PROXY TCP4 192.0.2.1 198.51.100.7 65536 443\r\n",
    "a port with a zero in front": b"PROXY TCP4 192.0.2.1 198.51.100.7 0443 443\r\n",
    "a port with a sign": b"PROXY TCP4 192.0.2.1 198.51.100.7 +443 443\r\n",
    "an empty port": b"PROXY TCP4 192.0.2.1 198.51.100.7  443\r\n",
    "a port missing": b"PROXY TCP4 192.0.2.1 198.51.100.7 56324\r\n",
    "two spaces": b"PROXY TCP4  192.0.2.1 198.51.100.7 56324 443\r\n",
    "a space at the end": b"PROXY TCP4 192.0.2.1 198.51.100.7 56324 443 \r\n",
    "not ASCII": b"PROXY TCP4 192.0.2.\xb2 198.51.100.7 56324 443\r\n",
    "v1 too long": b"PROXY UNKNOWN " + b"x" * (MAX_V1 - 15) + b"\r\n",
    "v1 without an end": b"PROXY " + b"x" * MAX_V1,
    "the signature with a mistake": SIGNATURE[:-1] + b"\r\x21\x11\x00\x0c" + v2_addresses(V4),
    "another version": v2(v2_addresses(V4), command=0x11),
    "another command": v2(v2_addresses(V4), command=0x22),
    "a Unix socket": v2(bytes(216), family=0x31),
    "datagrams": v2(v2_addresses(V4), family=0x12),
    "datagrams over IPv6": v2(v2_addresses(V6), family=0x22),
    "no such family": v2(v2_addresses(V4), family=0x41),
    "addresses cut off": v2(v2_addresses(V4)[:-1]),
    "IPv6 with IPv4's room": v2(v2_addresses(V4), family=0x21),
    "an extension cut off": v2(v2_addresses(V4) + tlv(0x04, b"abc")[:-1]),
    "an extension's head cut off": v2(v2_addresses(V4) + b"\x04\x00"),
    "too many extensions": v2(b"", length=MAX_V2 + 1),
}  # fmt: skip


@pytest.mark.parametrize("data", BAD.values(), ids=BAD.keys())
def test_what_is_no_header_is_told_as_soon_as_it_is_known_and_nothing_more_is_taken(data: bytes) -> None:
    reader, _ = read(data)
    assert reader.broken
    assert not reader.done
    in_bytes, _ = read(data, [1] * len(data))
    assert in_bytes.broken


def test_a_length_that_is_too_much_is_refused_before_its_bytes_come() -> None:
    reader = HeaderReader()
    assert reader.take(v2(b"", length=0xFFFF)) == 0
    assert reader.broken


def test_the_longest_line_is_as_long_as_the_specification_says() -> None:
    assert len(LONGEST_V1) == MAX_V1


@given(st.binary(max_size=200), st.lists(st.integers(1, 20), max_size=50))
def test_no_bytes_at_all_make_it_fail(data: bytes, sizes: list[int]) -> None:
    for beginning in (b"", b"PROXY ", b"PROXY TCP4 ", SIGNATURE, SIGNATURE + b"\x21\x11\x00\x20"):
        read(beginning + data, sizes)


v4_addresses = st.ip_addresses(v=4).map(str)
v6_addresses = st.ip_addresses(v=6).map(str).filter(lambda text: not text.startswith("::ffff:"))
ports = st.integers(0, 65535)


@pytest.mark.parametrize("version", ["v1", "v2"])
@given(
    endpoints=st.builds(Endpoints, v4_addresses, ports, v4_addresses, ports)
    | st.builds(Endpoints, v6_addresses, ports, v6_addresses, ports)
    | st.builds(Endpoints, v4_addresses, ports, v6_addresses, ports)
    | st.builds(Endpoints, v6_addresses, ports, v4_addresses, ports)
    | st.none()
)
def test_what_is_written_is_what_is_read(version: Version, endpoints: Endpoints | None) -> None:
    header = encode(version, endpoints)
    assert version == "v2" or len(header) <= MAX_V1
    reader, rest = read(header)
    assert (reader.done, reader.endpoints, rest) == (True, endpoints, b"")


def test_headers_are_written_as_the_specification_has_them() -> None:
    assert encode("v1", V4) == b"PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n"
    assert encode("v1", V6) == b"PROXY TCP6 2001:db8::1 2001:db8:ffff::7 56324 443\r\n"
    assert encode("v1", None) == b"PROXY UNKNOWN\r\n"
    assert encode("v2", V4) == b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x01\xc6\x33\x64\x07\xdc\x04\x01\xbb"
    assert encode("v2", None) == b"\r\n\r\n\0\r\nQUIT\n\x20\x00\0\0"


def test_an_address_of_the_other_family_goes_as_ipv6() -> None:
    mixed = Endpoints("192.0.2.1", 1, "2001:db8::7", 2)
    assert encode("v1", mixed) in (
        b"PROXY TCP6 ::ffff:c000:201 2001:db8::7 1 2\r\n",
        b"PROXY TCP6 ::ffff:192.0.2.1 2001:db8::7 1 2\r\n",
    )
