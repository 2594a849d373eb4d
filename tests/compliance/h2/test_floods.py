"""Floods: each ends with a GOAWAY that asks to calm down, while another client's requests go through."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress

import pytest
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    Frame,
    HeadersFrame,
    PingFrame,
    PriorityFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

from steer.proxy.http.h2_budgets import BUDGETS, CANCELS, EMPTY, LATE, OTHERS, PINGS, SETTINGS, WINDOWS
from tests.compliance.h2.place import HEAD_LIMIT, H2Place
from tests.compliance.place import response
from tests.kit.h2_client import GoneAway, H2Client, pseudo
from tests.kit.origin import OK, wait_for

CALM = 11
Flood = Callable[[H2Place, H2Client, int], bytes]


def resets(place: H2Place, client: H2Client, n: int) -> bytes:
    """Rapid reset: a request and its end in one breath."""
    stream = 2 * n + 1
    return client.head(stream, pseudo(place.path)) + RstStreamFrame(stream, error_code=8).serialize()


def made_resets(place: H2Place, client: H2Client, n: int) -> bytes:
    """The edge is made to reset the stream itself: its window overflows."""
    stream = 2 * n + 1
    update = WindowUpdateFrame(stream, window_increment=2**31 - 1).serialize()
    return client.head(stream, pseudo(place.path)) + update + update


def lies(place: H2Place, client: H2Client, n: int) -> bytes:
    """A request that reaches the node, and then turns out to lie."""
    stream = 2 * n + 1
    head = client.head(stream, [*pseudo(place.path, "POST"), ("content-length", "2")], end=False)
    return head + DataFrame(stream, data=b"x", flags=["END_STREAM"]).serialize()


def settings(place: H2Place, client: H2Client, n: int) -> bytes:
    return SettingsFrame(0, settings={4: 65_535 + n % 2}).serialize()


def pings(place: H2Place, client: H2Client, n: int) -> bytes:
    return PingFrame(0, opaque_data=b"01234567").serialize()


def windows(place: H2Place, client: H2Client, n: int) -> bytes:
    return WindowUpdateFrame(0, window_increment=1).serialize()


def priorities(place: H2Place, client: H2Client, n: int) -> bytes:
    return PriorityFrame(2 * n + 1, depends_on=0, stream_weight=1).serialize()


def unknown(place: H2Place, client: H2Client, n: int) -> bytes:
    return b"\0\0\0\xfe\0\0\0\0\0"


def begun(place: H2Place, client: H2Client, n: int) -> bytes:
    return client.head(1, pseudo(place.path, "POST"), end=False) if n == 0 else b""


def empty(place: H2Place, client: H2Client, n: int) -> bytes:
    return begun(place, client, n) + DataFrame(1).serialize()


def padding(place: H2Place, client: H2Client, n: int) -> bytes:
    return begun(place, client, n) + DataFrame(1, flags=["PADDED"], pad_length=100).serialize()


def no_heads(place: H2Place, client: H2Client, n: int) -> bytes:
    return HeadersFrame(2 * n + 1, flags=["END_HEADERS", "END_STREAM"]).serialize()


def late(place: H2Place, client: H2Client, n: int) -> bytes:
    """DATA for a stream that has been reset."""
    reset = RstStreamFrame(1, error_code=8).serialize() if n == 0 else b""
    return begun(place, client, n) + reset + DataFrame(1, data=b"x").serialize()


FLOODS: dict[str, tuple[Flood, str]] = {
    "rapid reset": (resets, CANCELS),
    "resets that the edge is made to send": (made_resets, CANCELS),
    "requests that lie": (lies, CANCELS),
    "SETTINGS": (settings, SETTINGS),
    "PING": (pings, PINGS),
    "WINDOW_UPDATE": (windows, WINDOWS),
    "PRIORITY": (priorities, OTHERS),
    "unknown frames": (unknown, OTHERS),
    "empty DATA": (empty, EMPTY),
    "DATA of padding only": (padding, EMPTY),
    "empty HEADERS": (no_heads, EMPTY),
    "DATA for streams that are over": (late, LATE),
}


@pytest.mark.parametrize("name", FLOODS)
def test_a_flood_is_told_to_calm_down(place: H2Place, name: str) -> None:
    flood, budget = FLOODS[name]
    go = threading.Event()
    place.origin.on(place.path, wait_for(go), OK)
    with place.flooder() as client, place.h2() as good:
        code, detail = outcome(client, [flood(place, client, n) for n in range(2 * BUDGETS[budget].burst + 100)])
        assert code == CALM
        assert detail == f"too many {BUDGETS[budget].detail}"
        place.goes_on(good, 1)
    go.set()


@pytest.mark.parametrize("name", FLOODS)
def test_what_an_honest_client_does_is_no_flood(place: H2Place, name: str) -> None:
    flood, budget = FLOODS[name]
    go = threading.Event()
    place.origin.on(place.path, wait_for(go), OK)
    few = BUDGETS[budget].begin // 3
    with place.h2() as client:
        for frames in [flood(place, client, n) for n in range(few)]:
            client.send(frames)
        client.settle()
        place.goes_on(client, 1001)
    go.set()


def test_a_flood_is_written_down(place: H2Place) -> None:
    known = len(floods(place))
    with place.flooder() as client:
        outcome(client, [pings(place, client, n) for n in range(500)])
        client.wait_for_end()
    with place.h2() as client:
        place.goes_on(client, 1)
    place.edge.entry(f"{place.path}-next")
    assert len(floods(place)) == known + 1  # the log keeps the order


def test_who_has_flooded_gets_no_new_connection_for_a_while_and_others_do(place: H2Place) -> None:
    with place.flooder() as client:
        outcome(client, [pings(place, client, n) for n in range(500)])
        source = client.socket.getsockname()[0]
    with pytest.raises(ConnectionError):
        place.h2(source=source)
    with place.h2() as good:
        place.goes_on(good, 1)


# Heads...


def test_a_head_in_too_many_continuations_is_a_flood(place: H2Place) -> None:
    with place.flooder() as client:
        first = HeadersFrame(1, data=client.encoder.encode(pseudo_bytes(place)), flags=["END_STREAM"])
        frames: list[Frame] = [first, *(ContinuationFrame(1) for _ in range(20))]
        assert outcome(client, [frame.serialize() for frame in frames]) == (CALM, "a head that is too long")


def test_a_head_without_an_end_is_a_flood(place: H2Place) -> None:
    with place.flooder("tight") as client:
        frames: list[Frame] = [HeadersFrame(1, data=b"x" * 5000), ContinuationFrame(1, data=b"x" * 5000)]
        assert outcome(client, [frame.serialize() for frame in frames]) == (CALM, "a head that is too long")


def test_a_head_that_swells_when_it_is_read_is_a_flood(place: H2Place) -> None:
    """HPACK bomb: one large value in the table, and then one byte for each time it is meant."""
    with place.flooder("tight") as client:
        bomb = client.encoder.encode([*pseudo_bytes(place), (b"x", b"y" * 1500)])
        assert client.encoder.header_table.get_by_index(62)[0] == b"x"
        frames = [HeadersFrame(1, data=bomb + b"\xbe" * 2 * HEAD_LIMIT, flags=["END_HEADERS", "END_STREAM"])]
        code, _ = outcome(client, [frame.serialize() for frame in frames])
        assert code == CALM


def test_a_compressor_that_may_have_four_gigabytes_takes_four_kilobytes(place: H2Place) -> None:
    value = "v" * 500
    place.origin.on(
        place.path, response("HTTP/1.1 200 OK", *(f"X-{n}: {n}{value}" for n in range(60)), "Content-Length: 0")
    )
    with place.h2(settings={1: 2**32 - 1, 4: 65_535}) as client:
        client.decoder.max_allowed_table_size = 2**32 - 1
        assert client.ask(1, place.path).status == 200
        assert client.decoder.header_table_size == 4096


# Windows...


def test_a_response_is_not_sent_byte_by_byte_for_ever(place: H2Place) -> None:
    """Data dribble: each WINDOW_UPDATE of one byte would cost a frame of DATA."""
    place.origin.on(place.path, response("HTTP/1.1 200 OK", "Content-Length: 100000", body=b"x" * 100_000))
    with place.flooder(settings={4: 1}, credit=False) as client:
        client.start(1, place.path)
        update = WindowUpdateFrame(1, window_increment=1).serialize()
        code, detail = outcome(client, [update] * 5000)
        assert (code, detail) == (CALM, "too many WINDOW_UPDATEs came")


def test_windows_that_are_opened_for_what_was_sent_are_no_flood(place: H2Place) -> None:
    body = b"x" * 4_000_000
    place.origin.on(place.path, response("HTTP/1.1 200 OK", f"Content-Length: {len(body)}", body=body))
    with place.h2(settings={4: 2048}, credit=False) as client:
        client.open_window(0, 2 * len(body))
        client.start(1, place.path)
        given = 0
        while given < len(body):
            client.step()
            more = len(client.stream(1).body) - given
            for _ in range(more // 1024):
                client.open_window(1, 1024)
            client.open_window(1, max(more % 1024, 1))
            given += more
        assert client.read(1).body == body


def test_a_client_that_takes_nothing_is_not_served_more_than_it_may_leave(place: H2Place) -> None:
    body = b"x" * 400_000
    place.origin.on(place.path, response("HTTP/1.1 200 OK", f"Content-Length: {len(body)}", body=body))
    with place.h2(settings={4: 0}, credit=False) as client:
        for stream in range(1, 100, 2):
            client.start(stream, place.path)
            found = client.stream(stream)
            while not found.heads and found.reset is None:
                client.step()
        assert client.stream(1).reset is None
        assert client.stream(99).reset == 7


def outcome(client: H2Client, frames: list[bytes]) -> tuple[int, str]:
    """Send until the edge says that it is enough: code and detail of its GOAWAY."""
    with pytest.raises(GoneAway) as found:
        send_all(client, frames)
    return found.value.code, found.value.detail


def send_all(client: H2Client, frames: list[bytes]) -> None:
    """In one thread, since a TLS connection has room for one: send some, look what has come."""
    with suppress(OSError):  # the edge has closed the connection: what it said before is still to be read
        for at in range(0, len(frames), 50):
            client.send(*frames[at : at + 50])
            client.look()
    client.wait(lambda: False)


def pseudo_bytes(place: H2Place) -> list[tuple[bytes, bytes]]:
    return [(str(name).encode(), str(value).encode()) for name, value in pseudo(place.path)]


def floods(place: H2Place) -> list[object]:
    return [entry for entry in place.edge.entries() if entry["error"] == "flood"]
