"""The life of an HTTP/2 connection: how it begins, what ends it, and how it is drained."""

from __future__ import annotations

import select
import threading
from pathlib import Path

import pytest
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    Frame,
    GoAwayFrame,
    HeadersFrame,
    PingFrame,
    PushPromiseFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

from tests.compliance.h2.place import H2Place, listeners
from tests.compliance.place import request
from tests.kit.certificates import Authority
from tests.kit.client import Client
from tests.kit.edge import configuration, running_edge
from tests.kit.h2_client import PREFACE, H2Client, Reset
from tests.kit.origin import OK, Origin, Visit, close, wait_for

SETTINGS = SettingsFrame(0).serialize()


def test_both_protocols_are_offered_and_the_client_chooses(place: H2Place) -> None:
    context = place.authority.trust()
    with Client(place.edge.port("h2"), context, "www.agency.example") as client:
        assert client.ask(request(f"GET {place.path} HTTP/1.1")).status == 200
    assert place.seen().all(b"Via") == [b"1.1 steer-edge-a"]


def test_the_edge_says_what_it_takes(place: H2Place) -> None:
    with place.h2() as client:
        assert client.settings == {1: 4096, 2: 0, 3: 100, 4: 262_144, 5: 16_384, 6: 32_768, 8: 1}
        client.wait(lambda: client.windows.get(0) == 1024 * 1024 - 65_535)


@pytest.mark.parametrize(
    "start",
    [
        b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: www.agency.example\r\n\r\n",
        PREFACE + PingFrame(0, opaque_data=b"01234567").serialize(),
        PREFACE + SettingsFrame(0, flags=["ACK"]).serialize(),
        PREFACE + HeadersFrame(1, data=b"\x82", flags=["END_HEADERS"]).serialize(),
    ],
)
def test_what_does_not_begin_as_http_2_ends(place: H2Place, start: bytes) -> None:
    with H2Client(place.edge.port("h2"), place.authority.trust(), begin=False) as client:
        client.send(start)
        while not client.goaways:
            client.step()
        assert [code for _, code, _ in client.goaways] == [1]
        client.wait_for_end()


def test_a_preface_in_small_pieces_is_one(place: H2Place) -> None:
    with H2Client(place.edge.port("h2"), place.authority.trust(), begin=False) as client:
        for at in range(0, len(PREFACE + SETTINGS), 5):
            client.send((PREFACE + SETTINGS)[at : at + 5])
        place.goes_on(client, 1)


def test_http_2_without_tls_is_refused_in_the_terms_of_http_1_1(place: H2Place) -> None:
    with place.client() as client:
        answer = client.ask(PREFACE + SETTINGS)
        assert (answer.status, answer.error, answer.says_close) == (505, "version_refused", True)
    place.reached_nothing()


def test_an_upgrade_to_http_2_is_not_offered(place: H2Place) -> None:
    fields = ["Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA"]
    with place.client() as client:
        answer = client.ask(request(f"GET {place.path} HTTP/1.1", *fields))
    assert (answer.status, answer.body) == (200, b"ok")
    assert (place.seen().all(b"Upgrade"), place.seen().all(b"HTTP2-Settings")) == ([], [])


BROKEN: dict[str, tuple[list[Frame | bytes], int]] = {
    "a frame that is too large": ([b"\x00\x40\x01\x00\x00\x00\x00\x00\x01"], 6),
    "a frame of 16 MiB": ([b"\xff\xff\xff\x00\x00\x00\x00\x00\x01"], 6),
    "DATA of the connection": ([DataFrame(1, data=b"x").serialize()[:5] + bytes(4) + b"x"], 1),
    "DATA of a stream that is idle": ([DataFrame(99, data=b"x")], 1),
    "a window of zero": ([b"\0\0\x04\x08\0\0\0\0\0\0\0\0\0"], 1),
    "a window of the connection that overflows": ([WindowUpdateFrame(0, window_increment=2**31 - 1)] * 2, 3),
    "an initial window that is too large": ([SettingsFrame(0, settings={4: 2**31})], 3),
    "a frame size that is too small": ([SettingsFrame(0, settings={5: 100})], 1),
    "SETTINGS of a stream": ([SettingsFrame(0).serialize()[:5] + b"\0\0\0\x01"], 1),
    "SETTINGS of an odd size": ([b"\0\0\x05\x04\0\0\0\0\0" + bytes(5)], 6),
    "PING of an odd size": ([b"\0\0\x05\x06\0\0\0\0\0" + bytes(5)], 6),
    "a PUSH_PROMISE": ([PushPromiseFrame(1, promised_stream_id=2, data=b"\x82", flags=["END_HEADERS"])], 1),
    "a CONTINUATION of nothing": ([ContinuationFrame(1, data=b"\x82", flags=["END_HEADERS"])], 1),
    "a frame inside a head": ([HeadersFrame(1, data=b"\x82"), PingFrame(0, opaque_data=b"01234567")], 1),
    "GOAWAY inside a head": ([HeadersFrame(1, data=b"\x82"), GoAwayFrame(0)], 1),
    "the CONTINUATION of another stream": ([HeadersFrame(1, data=b"\x82"), ContinuationFrame(3, data=b"\x82")], 1),
    "an even stream": ([HeadersFrame(2, data=b"\x82", flags=["END_HEADERS"])], 1),
    "HPACK that is none": ([HeadersFrame(1, data=b"\xff\xff\xff\xff\xff\xff", flags=["END_HEADERS"])], 9),
    "an index that HPACK does not have": ([HeadersFrame(1, data=b"\xff\x80\x01", flags=["END_HEADERS"])], 9),
    "padding that is longer than its frame": ([b"\0\0\x02\x00\x08\0\0\0\x01\x05x"], 1),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_frame_ends_the_connection(place: H2Place, name: str) -> None:
    frames, code = BROKEN[name]
    with place.h2(credit=False, settings={}) as client:
        client.send(*(frame if isinstance(frame, bytes) else frame.serialize() for frame in frames))
        while not client.goaways:
            client.step()
        assert not client.ended
        # h2 says PROTOCOL_ERROR where RFC 7541 has a compression error, and for frames of a wrong size
        assert client.goaways[0][1] in (code, 1)
    place.reached_nothing()


def test_a_stream_number_is_not_used_twice(place: H2Place) -> None:
    with place.h2() as client:
        assert client.ask(5, place.path).status == 200
        client.start(3, f"{place.path}-other")
        client.wait_for_end()
        assert client.goaways[0][1] in (1, 5)
    assert place.origin.seen(f"{place.path}-other") == []


def test_frames_for_a_stream_that_is_over_are_no_fault(place: H2Place) -> None:
    with place.h2() as client:
        assert client.ask(1, place.path).status == 200
        client.open_window(1, 10)
        client.cancel(1)
        client.send(b"\0\0\x05\x02\0\0\0\0\x01\0\0\0\0\x10")
        place.goes_on(client, 3)


def test_a_head_that_does_not_end_is_not_waited_for(place: H2Place) -> None:
    with place.h2("tight") as client:
        client.send(HeadersFrame(1, data=b"\x82").serialize())
        client.wait_for_end()
        assert client.goaways[0][1:] == (11, "a frame that does not end")


def test_a_frame_that_does_not_end_is_not_waited_for(place: H2Place) -> None:
    with place.h2("tight") as client:
        client.send(b"\0\0\x08")
        client.wait_for_end()
        assert client.goaways[0][1:] == (11, "a frame that does not end")


def test_a_connection_that_says_nothing_ends(place: H2Place) -> None:
    with place.h2("tight") as client:
        client.wait_for_end()
        assert [code for _, code, _ in client.goaways] == [0]


def test_a_connection_that_only_pings_ends(place: H2Place) -> None:
    with place.h2("tight") as client:
        while not client.ended:
            if select.select([client.socket], [], [], 0.1)[0]:
                client.step()
            elif not client.ended:
                client.ping()
        assert [code for _, code, _ in client.goaways] == [0]


def test_a_connection_that_has_been_served_rests_a_while_and_then_ends(place: H2Place) -> None:
    with place.h2("tight") as client:
        assert client.ask(1, place.path).status == 200
        client.wait_for_end()
        assert client.goaways == [(1, 0, "")]


def test_a_client_that_leaves_without_a_word_ends_its_requests(place: H2Place) -> None:
    place.origin.on(place.path, read_on)
    with place.h2() as client:
        client.start(1, place.path)
        seen = place.seen()
        client.reset_connection()
    place.origin.wait_for_end(seen.connection)
    assert place.edge.entry(place.path)["error"] == "client_gone"


def test_a_client_that_says_goodbye_gets_its_responses(place: H2Place) -> None:
    go = threading.Event()
    place.origin.on(place.path, wait_for(go), OK)
    with place.h2() as client:
        client.start(1, place.path)
        place.seen()
        client.send(GoAwayFrame(0).serialize())
        client.settle()
        go.set()
        assert client.read(1).status == 200
        client.wait_for_end()


def test_a_response_that_nobody_takes_is_given_up(place: H2Place) -> None:
    place.origin.on(place.path, b"HTTP/1.1 200 OK\r\nContent-Length: 500000\r\n\r\n" + bytes(500_000), close)
    with place.h2("tight", settings={4: 0}, credit=False) as client:
        client.start(1, place.path)
        with pytest.raises(Reset):
            client.read(1)


def test_the_last_of_a_response_that_nobody_takes_is_given_up(place: H2Place) -> None:
    place.origin.on(place.path, b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
    with place.h2("tight", settings={4: 0}, credit=False) as client:
        client.start(1, place.path)
        with pytest.raises(Reset) as found:
            client.read(1)
        assert found.value.code == 8


# Draining...


def test_a_drain_finishes_what_has_begun(tmp_path: Path) -> None:
    authority, go = Authority(tmp_path), threading.Event()
    with (
        Origin() as origin,
        running_edge(tmp_path, configuration({"one": origin.port}, **listeners(authority))) as edge,
    ):
        origin.on("/held", wait_for(go), OK)
        with (
            H2Client(edge.port("h2"), authority.trust()) as client,
            H2Client(edge.port("h2"), authority.trust()) as idle,
        ):
            client.start(1, "/held")
            origin.the("/held")
            edge.terminate()
            client.wait(lambda: len(client.goaways) == 2)
            assert [(last, code) for last, code, _ in client.goaways] == [(2**31 - 1, 0), (1, 0)]
            idle.wait_for_end()
            assert [(last, code) for last, code, _ in idle.goaways] == [(2**31 - 1, 0), (0, 0)]
            refused(client, 3)
            go.set()
            assert client.read(1).status == 200
            client.wait_for_end()
        assert edge.process.wait(20) == 0


def test_a_request_that_is_on_its_way_when_a_drain_begins_is_served(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    with (
        Origin() as origin,
        running_edge(tmp_path, configuration({"one": origin.port}, **listeners(authority))) as edge,
    ):
        with H2Client(edge.port("h2"), authority.trust()) as client:
            edge.terminate()
            client.answers_pings = False
            client.wait(lambda: bool(client.goaways))
            assert client.ask(1, "/late").status == 200
            client.wait_for_end()
        assert edge.process.wait(20) == 0


def test_one_connection_too_many_is_refused_before_its_handshake(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    tree = listeners(authority)
    tree["h2"]["limits"] = {"connections": 1}
    go = threading.Event()
    with Origin() as origin, running_edge(tmp_path, configuration({"one": origin.port}, **tree)) as edge:
        origin.on("/slow", wait_for(go), OK)
        port, tls = edge.port("h2"), authority.trust()
        with H2Client(port, tls) as first:
            first.start(1, "/slow")
            first.settle()
            with pytest.raises(ConnectionError):
                H2Client(port, tls, begin=False)
            go.set()
            assert first.read(1).status == 200


def read_on(visit: Visit) -> None:
    visit.receive()


def refused(client: H2Client, stream: int) -> None:
    with pytest.raises(Reset) as found:
        client.ask(stream, "/late")
    assert found.value.code == 7
