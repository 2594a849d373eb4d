from __future__ import annotations

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steer.errors import Failure
from steer.proxy.http.head import RequestHead, read_request
from steer.proxy.http.introduction import MAX_HOPS, Guide, Introduction, Source

TRUSTED = tuple(map(ip_network, ("10.0.0.0/8", "2001:db8:ffff::/48")))
PEER = "10.9.9.9"
FRESH = b"0123456789abcdef0123456789abcdef"
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def head_of(*fields: str) -> RequestHead:
    block = "\r\n".join(["GET /page HTTP/1.1", "Host: www.agency.example", *fields]).encode("latin-1")
    head = read_request(block)
    assert not isinstance(head, Failure)
    return head


def introduce(source: Source, *fields: str, peer: str = PEER) -> Introduction:
    guide = Guide(source, TRUSTED, peer, "https", b"steer-edge-a")
    return guide.introduce(head_of(*fields), FRESH)


def lines(found: Introduction) -> dict[str, str]:
    pairs = [line.partition(": ") for line in found.lines.decode().removesuffix("\r\n").split("\r\n")]
    names = [name for name, _, _ in pairs]
    assert len(set(names)) == len(names)
    return {name: value for name, _, value in pairs}


ADDRESSES = {
    "203.0.113.7": "203.0.113.7",
    "203.0.113.7, 10.1.1.1": "203.0.113.7",
    "203.0.113.7,10.1.1.1 ,\t10.2.2.2": "203.0.113.7",
    "198.51.100.1, 203.0.113.7": "203.0.113.7",
    "198.51.100.1, 203.0.113.7, 10.1.1.1": "203.0.113.7",
    "10.1.1.1": "10.1.1.1",
    "10.1.1.1, 10.2.2.2": "10.1.1.1",
    "2001:db8::7": "2001:db8::7",
    "2001:DB8:0::7, 2001:db8:ffff::1": "2001:db8::7",
    "::ffff:203.0.113.7": "203.0.113.7",
    "::ffff:10.1.1.1": "10.1.1.1",
    "203.0.113.7:4711": "203.0.113.7",
    "[2001:db8::7]:4711": "2001:db8::7",
    "[2001:db8::7]": "2001:db8::7",
    # What is no address ends the search, and the last that could be vouched for counts.
    "unknown, 203.0.113.7": "203.0.113.7",
    "203.0.113.7, unknown": PEER,
    "203.0.113.7, unknown, 10.1.1.1": "10.1.1.1",
    "203.0.113.7, ": PEER,
    "203.0.113.7, fe80::1%eth0": PEER,
    "203.0.113.7, 203.0.113": PEER,
    "203.0.113.7, 203.0.113.07": PEER,
    "": PEER,
}


@pytest.mark.parametrize(("value", "client"), ADDRESSES.items())
def test_the_last_address_that_is_not_trusted_is_the_client_s(value: str, client: str) -> None:
    assert introduce("x_forwarded_for", f"X-Forwarded-For: {value}").client == client


ELEMENTS = {
    "for=203.0.113.7": "203.0.113.7",
    "For=203.0.113.7;Proto=http;by=10.1.1.1": "203.0.113.7",
    "proto=http; for=203.0.113.7": "203.0.113.7",
    "for=203.0.113.7, for=10.1.1.1": "203.0.113.7",
    "for=198.51.100.1,for=203.0.113.7,for=10.1.1.1;host=a": "203.0.113.7",
    'for="203.0.113.7:4711"': "203.0.113.7",
    'for="[2001:db8::7]"': "2001:db8::7",
    'for="[2001:db8::7]:4711", for=10.1.1.1': "2001:db8::7",
    'for=203.0.113.7;host="a,b"': "203.0.113.7",
    'for=203.0.113.7;host="a, for=198.51.100.1"': "203.0.113.7",
    'for=203.0.113.7;host="a, for=\\"198.51.100.1\\""': "203.0.113.7",
    'host="x;for=198.51.100.1";for=203.0.113.7': "203.0.113.7",
    "for=_hidden, for=203.0.113.7": "203.0.113.7",
    "for=203.0.113.7, for=_hidden": PEER,
    "for=203.0.113.7, for=unknown, for=10.1.1.1": "10.1.1.1",
    "for=203.0.113.7, proto=https": PEER,
    'for="203.0.113.7': PEER,
    # An open quote of the client's swallows nothing of what proxies add behind it.
    'for="198.51.100.1, for=203.0.113.7': "203.0.113.7",
    'for="198.51.100.1, for="[2001:db8::7]"': "2001:db8::7",
    'for="\\, for=203.0.113.7;host="www"': "203.0.113.7",
    "": PEER,
}


@pytest.mark.parametrize(("value", "client"), ELEMENTS.items())
def test_the_same_holds_for_elements_of_forwarded(value: str, client: str) -> None:
    assert introduce("forwarded", f"Forwarded: {value}").client == client


@given(st.text(st.characters(min_codepoint=32, max_codepoint=255).filter(lambda c: c != "\x7f"), max_size=60))
def test_whatever_a_client_writes_in_front_its_address_is_what_the_proxy_added(noise: str) -> None:
    for source, added in (("x_forwarded_for", "203.0.113.7"), ("forwarded", 'for="[2001:db8::7]";host="a"')):
        name = {"x_forwarded_for": "X-Forwarded-For", "forwarded": "Forwarded"}[source]
        found = introduce(source, f"{name}: {noise}, {added}")  # type: ignore[arg-type]  # one of the two
        assert found.client in ("203.0.113.7", "2001:db8::7")
        assert found.lines.count(b"\r\n") == 7


def test_several_lines_are_one_list() -> None:
    found = introduce("x_forwarded_for", "X-Forwarded-For: 198.51.100.1", "X-FORWARDED-FOR: 203.0.113.7, 10.1.1.1")
    assert found.client == "203.0.113.7"
    assert lines(found)["X-Forwarded-For"] == f"198.51.100.1, 203.0.113.7, 10.1.1.1, {PEER}"


def test_no_more_hops_are_looked_at_than_there_can_be() -> None:
    hops = ", ".join(["203.0.113.7"] + ["10.1.1.1"] * MAX_HOPS)
    assert introduce("x_forwarded_for", f"X-Forwarded-For: {hops}").client == "10.1.1.1"
    elements = ", ".join(["for=203.0.113.7"] + ["for=10.1.1.1"] * MAX_HOPS)
    assert introduce("forwarded", f"Forwarded: {elements}").client == "10.1.1.1"


def test_the_list_is_kept_with_the_peer_behind_it_and_the_other_fields_are_made_anew() -> None:
    spoofed = ("Forwarded: for=198.51.100.1", "X-Forwarded-Proto: http", "X-Forwarded-Host: evil", "X-Real-IP: 1.2.3.4")
    found = introduce("x_forwarded_for", *spoofed, "X-Forwarded-For: 203.0.113.7, 10.1.1.1")
    assert lines(found) == {
        "X-Forwarded-For": f"203.0.113.7, 10.1.1.1, {PEER}",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "www.agency.example",
        "Forwarded": "for=203.0.113.7;host=www.agency.example;proto=https",
        "Via": "1.1 steer-edge-a",
        "X-Request-Id": FRESH.decode(),
        "traceparent": f"00-{FRESH.decode()}-{FRESH[16:].decode()}-00",
    }


def test_so_is_forwarded_where_that_is_what_is_read() -> None:
    found = introduce(
        "forwarded", "X-Forwarded-For: 198.51.100.1", "Forwarded: for=203.0.113.7;proto=http", peer="2001:db8:ffff::1"
    )
    assert lines(found)["X-Forwarded-For"] == "203.0.113.7"
    assert lines(found)["Forwarded"] == (
        'for=203.0.113.7;proto=http, for="[2001:db8:ffff::1]";host=www.agency.example;proto=https'
    )


@pytest.mark.parametrize(
    "request_id", ["a", "6ba7b810-9dad-11d1-80b4-00c04fd430c8", "Root=1-67891233-abcdef", "x" * 128]
)
def test_a_request_id_of_the_proxy_is_kept(request_id: str) -> None:
    found = introduce("x_forwarded_for", f"X-Request-Id: {request_id}")
    assert found.request_id == request_id.encode()
    assert lines(found)["X-Request-Id"] == request_id


@pytest.mark.parametrize("fields", [["a b"], ['a"b'], ["a\\b"], ["x" * 129], [""], ["caf\xe9"], ["one", "two"]])
def test_a_request_id_that_is_not_fit_to_be_written_down_is_replaced(fields: list[str]) -> None:
    found = introduce("x_forwarded_for", *(f"X-Request-Id: {value}" for value in fields))
    assert found.request_id == FRESH


def test_a_trace_goes_on_as_it_is() -> None:
    found = introduce("x_forwarded_for", f"traceparent: {TRACE}", "tracestate: vendor=1,other=2")
    assert lines(found)["traceparent"] == TRACE
    assert lines(found)["tracestate"] == "vendor=1,other=2"


@pytest.mark.parametrize(
    "trace", ["00-" + "0" * 32 + TRACE[35:], TRACE.upper(), TRACE + "-00", "ff" + TRACE[2:], "01" + TRACE[2:], ""]
)
def test_a_trace_that_is_none_begins_anew_without_its_state(trace: str) -> None:
    found = introduce("x_forwarded_for", f"traceparent: {trace}", "tracestate: vendor=1")
    assert lines(found)["traceparent"] == f"00-{FRESH.decode()}-{FRESH[16:].decode()}-00"
    assert "tracestate" not in lines(found)
