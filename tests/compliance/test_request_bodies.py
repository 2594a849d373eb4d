"""The bodies of requests: where they end, what of a broken one reaches the origin, and what may follow them."""

from __future__ import annotations

import threading

import pytest

from tests.compliance.place import BODY_LIMIT, Place, passed, request
from tests.kit.client import Cut
from tests.kit.origin import OK, Visit, close, tell, wait_for, without_body

POST = "POST {path} HTTP/1.1"
CHUNKED = "Transfer-Encoding: chunked"


def chunked(body: bytes, *fields: str) -> bytes:
    return request(POST, CHUNKED, *fields, body=body)


@pytest.mark.parametrize("size", [0, 1, 70_000, 3_000_000])
def test_a_body_of_a_length_passes(place: Place, size: int) -> None:
    body = b"0123456789abcdef"[: size % 16] + b"0123456789abcdef" * (size // 16)
    with place.client() as client:
        assert client.ask(place.filled(request(POST, f"Content-Length: {size}", body=body))).status == 200
        place.still_works(client)
    assert place.seen().body == body
    assert passed(place.seen())[2:] == [b"Content-Length: %d" % size]


def test_zeros_before_a_length_are_no_other_number(place: Place) -> None:
    with place.client() as client:
        assert client.ask(place.filled(request(POST, "Content-Length:\t005 ", body=b"hello"))).status == 200
        place.still_works(client)
    assert place.seen().all(b"Content-Length") == [b"5"]


@pytest.mark.parametrize(
    ("sent", "arrives"),
    [
        (b"0\r\n\r\n", b""),
        (b"5\r\nhello\r\n0\r\n\r\n", b"hello"),
        (b"005\r\nhello\r\n000\r\n\r\n", b"hello"),
        (b"a\r\n0123456789\r\nB\r\n0123456789a\r\n0\r\n\r\n", b"01234567890123456789a"),
        (b"5;a=b\r\nhello\r\n0;last\r\n\r\n", b"hello"),
        (b'5 ;a="b;c"\r\nhello\r\n0\r\n\r\n', b"hello"),
        (b"2\r\n\r\n\r\n0\r\n\r\n", b"\r\n"),
    ],
    ids=["empty", "one", "zeros", "two", "extensions", "a quoted extension", "a payload of CR LF"],
)
def test_chunks_pass_without_their_extensions(place: Place, sent: bytes, arrives: bytes) -> None:
    with place.client() as client:
        assert client.ask(place.filled(chunked(sent))).status == 200
        place.still_works(client)
    seen = place.seen()
    assert payload(seen.body) == arrives
    assert b";" not in seen.body
    assert passed(seen)[2:] == [CHUNKED.encode()]


def payload(body: bytes) -> bytes:
    """Of chunks that the edge wrote."""
    found = b""
    while True:
        size, _, body = body.partition(b"\r\n")
        if int(size, 16) == 0:
            return found
        found, body = found + body[: int(size, 16)], body[int(size, 16) + 2 :]


def test_trailers_pass_if_they_are_on_the_list(place: Place) -> None:
    good = [b"X-Checksum: 1", b'ETag: "a"', b"Content-Digest: sha-256=:YQ==:", b"grpc-status: 0"]
    bad = [
        b"Host: evil.example",
        b"Content-Length: 5",
        b"Transfer-Encoding: chunked",
        b"Authorization: Basic YTpi",
        b"Cookie: a=b",
        b"Connection: close",
        b"Forwarded: for=1.2.3.4",
        b"X-Forwarded-For: 1.2.3.4",
        b"X_Forwarded_For: 1.2.3.4",
        b"X-Steer-Node: a",
        b"X-Request-Id: a",
        b"Cache-Control: no-store",
        b"Anything: else",
    ]
    section = b"".join(line + b"\r\n" for line in [*bad[:6], *good, *bad[6:]])
    with place.client() as client:
        assert client.ask(place.filled(chunked(b"0\r\n" + section + b"\r\n"))).status == 200
        place.still_works(client)
    assert place.seen().body == b"0\r\n" + b"".join(line + b"\r\n" for line in good) + b"\r\n"


BROKEN_CHUNKS = {
    "no number": b"x\r\n",
    "an empty size": b"\r\nhello",
    "0x": b"0x5\r\nhello\r\n0\r\n\r\n",
    "a plus": b"+5\r\nhello\r\n0\r\n\r\n",
    "a minus": b"-5\r\nhello\r\n0\r\n\r\n",
    "an underscore": b"1_0\r\n0123456789abcdef\r\n0\r\n\r\n",
    "a space before": b" 5\r\nhello\r\n0\r\n\r\n",
    "a space behind": b"5 \r\nhello\r\n0\r\n\r\n",
    "17 digits": b"00000000000000005\r\nhello\r\n0\r\n\r\n",
    "2 to the 64th": b"10000000000000000\r\n",
    "a bare LF behind the size": b"5\nhello\r\n0\r\n\r\n",
    "a bare LF and nothing more": b"5\n",
    "a bare LF in an extension": b"5;a\nb\r\nhello\r\n0\r\n\r\n",
    "a bare CR in an extension": b"5;a\rb\r\nhello\r\n0\r\n\r\n",
    "NUL in an extension": b"5;a\0\r\nhello\r\n0\r\n\r\n",
    "a comma": b"5,\r\nhello\r\n0\r\n\r\n",
    "an extension that is too long": b"5;" + b"x" * 300 + b"\r\nhello\r\n0\r\n\r\n",
    "an extension without end": b"5;" + b"x" * 300,
    "a chunk that is longer than it says": b"5\r\nhello!\r\n0\r\n\r\n",
    "a chunk that is shorter than it says": b"6\r\nhello\r\n0\r\n\r\n",
    "a chunk that ends with LF": b"5\r\nhello\n0\r\n\r\n",
    "a chunk that ends with CR": b"5\r\nhello\r0\r\n\r\n",
    "a trailer without a colon": b"0\r\nX-Checksum\r\n\r\n",
    "a trailer with a space before the colon": b"0\r\nX-Checksum : 1\r\n\r\n",
    "a folded trailer": b"0\r\nX-Checksum: 1\r\n 2\r\n\r\n",
    "NUL in a trailer": b"0\r\nX-Checksum: \0\r\n\r\n",
    "a trailer that ends with LF": b"0\r\nX-Checksum: 1\n\r\n\r\n",
    "an end with LF": b"0\r\n\n",
    "trailers without end": b"0\r\n" + b"X-Checksum: 1\r\n" * 1000,
}


@pytest.mark.parametrize("name", BROKEN_CHUNKS)
@pytest.mark.parametrize("together", [True, False], ids=["in one piece", "head first"])
def test_a_broken_chunk_is_refused_and_never_completes_at_the_origin(place: Place, name: str, together: bool) -> None:
    head, body = place.filled(chunked(b"")), BROKEN_CHUNKS[name]
    with place.client() as client:
        client.send(*([head + body] if together else [head, body]))
        answer = client.read()
        assert (answer.status, answer.error, answer.says_close) == (400, "malformed", True)
        assert client.is_closed()
    assert_never_whole(place)


def assert_never_whole(place: Place) -> None:
    """What reached the origin, if anything, has no end, and its connection is gone."""
    for seen in place.origin.seen(place.path):
        place.origin.wait_for_end(seen.connection)
        assert not seen.is_whole


def test_a_good_chunk_before_a_broken_one_is_all_that_the_origin_sees(place: Place) -> None:
    with place.client() as client:
        client.send(place.filled(chunked(b"5\r\nhello\r\n")))
        seen = place.seen()
        place.origin.wait_for_body(seen, 10)
        assert client.ask(b"z\r\n").status == 400
    assert_never_whole(place)
    assert seen.body == b"5\r\nhello\r\n"


def test_a_client_that_leaves_in_its_body_leaves_no_whole_request(place: Place) -> None:
    with place.client() as client:
        client.send(place.filled(request(POST, "Content-Length: 10", body=b"hello")))
        seen = place.seen()
        place.origin.wait_for_body(seen, 5)
        client.reset()
    assert_never_whole(place)
    assert place.edge.entry(place.path)["error"] == "client_gone"


def test_a_client_that_ends_in_its_body_leaves_no_whole_request(place: Place) -> None:
    with place.client() as client:
        client.send(place.filled(chunked(b"5\r\nhello\r\n")))
        seen = place.seen()
        place.origin.wait_for_body(seen, 10)
        client.end_sending()
        assert client.is_closed()
    assert_never_whole(place)


# Limits...


def test_a_body_of_the_limit_passes(place: Place) -> None:
    raw = request(POST, f"Content-Length: {BODY_LIMIT}", body=b"x" * BODY_LIMIT)
    with place.client("tight") as client:
        assert client.ask(place.filled(raw)).status == 200


def test_a_body_that_says_that_it_is_over_the_limit_is_refused_before_it_comes(place: Place) -> None:
    with place.client("tight") as client:
        answer = client.ask(place.filled(request(POST, f"Content-Length: {BODY_LIMIT + 1}", "Expect: 100-continue")))
        assert (answer.status, answer.error, answer.says_close) == (413, "body_too_large", True)
        assert answer.interim == ()
        assert client.is_closed()
    place.reached_nothing()


def test_chunks_over_the_limit_are_refused(place: Place) -> None:
    with place.client("tight") as client:
        answer = client.ask(place.filled(chunked(b"%x\r\n" % (BODY_LIMIT + 1) + b"x" * (BODY_LIMIT + 1) + b"\r\n")))
        assert (answer.status, answer.error, client.is_closed()) == (413, "body_too_large", True)
    assert_never_whole(place)


@pytest.mark.parametrize("fields", [["Content-Length: 10"], [CHUNKED]], ids=["length", "chunks"])
def test_a_body_that_comes_too_slowly_is_refused(place: Place, fields: list[str]) -> None:
    with place.client("tight") as client:
        client.send(place.filled(request(POST, *fields)))
        answer = client.read()
        assert (answer.status, answer.error, client.is_closed()) == (408, "body_too_slow", True)
    assert_never_whole(place)


# Expect: 100-continue...


def test_continue_is_asked_of_the_origin_and_its_answer_passes(place: Place) -> None:
    place.origin.on(place.path, without_body, b"HTTP/1.1 100 Continue\r\n\r\n", Visit.read_body, OK)
    with place.client() as client:
        client.send(place.filled(request(POST, "Expect: 100-Continue", "Content-Length: 5")))
        assert client.read_head().status == 100
        assert client.ask(b"hello").status == 200
        place.still_works(client)
    assert passed(place.seen())[2:] == [b"Content-Length: 5", b"Expect: 100-continue"]
    assert place.seen().body == b"hello"


@pytest.mark.parametrize("status", ["417 Expectation Failed", "403 Forbidden"])
def test_a_final_answer_instead_of_100_passes_and_the_origins_connection_is_not_used_again(
    place: Place, status: str
) -> None:
    place.origin.on(place.path, without_body, f"HTTP/1.1 {status}\r\nContent-Length: 2\r\n\r\nno".encode())
    with place.client() as client:
        client.send(place.filled(request(POST, "Expect: 100-continue", "Content-Length: 5")))
        answer = client.read()
        assert (answer.status, answer.body, answer.says_close) == (int(status[:3]), b"no", True)
    place.origin.wait_for_end(place.seen().connection)
    assert place.seen().body == b""


def test_an_expectation_in_http_1_0_is_passed_over(place: Place) -> None:
    with place.client() as client:
        raw = request("POST {path} HTTP/1.0", "Expect: 100-continue", "Content-Length: 5", body=b"hello")
        answer = client.ask(place.filled(raw))
        assert (answer.status, answer.interim) == (200, ())
    assert place.seen().all(b"Expect") == []


# A final answer before the end of the request...


def test_an_early_answer_stops_the_request_and_ends_the_origins_connection(place: Place) -> None:
    place.origin.on(place.path, without_body, b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno")
    with place.client() as client:
        answer = client.ask(place.filled(request(POST, "Content-Length: 10000000", body=b"x" * 1000)))
        assert (answer.status, answer.body, answer.says_close) == (413, b"no", True)
    seen = place.seen()
    place.origin.wait_for_end(seen.connection)
    assert not seen.is_whole


def test_after_an_early_answer_a_short_rest_is_read_and_the_connection_stays(place: Place) -> None:
    place.origin.on(place.path, without_body, b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno")
    with place.client() as client:
        answer = client.ask(place.filled(request(POST, "Content-Length: 60000", body=b"x" * 1000)))
        assert (answer.status, answer.says_close) == (413, False)
        client.send(b"x" * 59_000)
        place.still_works(client)
    place.origin.wait_for_end(place.seen().connection)


def test_a_streamed_early_answer_comes_whole_while_the_client_still_sends(place: Place) -> None:
    more = threading.Event()
    begin = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n"
    place.origin.on(place.path, without_body, begin, wait_for(more), b"1\r\nb\r\n0\r\n\r\n")
    with place.client() as client:
        client.send(place.filled(request("PUT {path} HTTP/1.1", "Content-Length: 100000", body=b"x" * 1000)))
        assert client.read_head().status == 200
        client.send(b"x" * 50_000)
        more.set()
        assert client.read_some(17) == b"1\r\na\r\n1\r\nb\r\n0\r\n\r\n"


def test_a_request_that_ends_after_its_answer_began_was_not_sent_whole(place: Place) -> None:
    """The node still waits for a body: another request on its connection would be taken for it."""
    more = threading.Event()
    begin = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n"
    place.origin.on(place.path, without_body, begin, wait_for(more), b"0\r\n\r\n")
    with place.client() as client:
        client.send(place.filled(request(POST, "Content-Length: 20", body=b"x" * 10)))
        assert client.read_head().status == 200
        assert client.read_some(6) == b"1\r\na\r\n"
        client.send(b"y" * 10)
        with place.client() as other:  # one worker: when this is answered, those bytes have been read
            assert other.ask(place.filled(request("GET {path}-meanwhile HTTP/1.1"))).status == 200
        more.set()
        assert client.read_some(5) == b"0\r\n\r\n"
        place.still_works(client)
    seen = place.seen()
    place.origin.wait_for_end(seen.connection)
    assert place.origin.the(f"{place.path}-next").connection != seen.connection
    assert (seen.body, seen.is_whole) == (b"x" * 10, False)


# Pipelining...


def test_pipelined_requests_are_answered_in_order(place: Place) -> None:
    paths = [f"{place.path}-{n}" for n in range(20)]
    for path in paths:
        place.origin.on(path, f"HTTP/1.1 200 OK\r\nContent-Length: {len(path)}\r\n\r\n{path}".encode())
    with place.client() as client:
        client.send(b"".join(request(f"GET {path} HTTP/1.1") for path in paths))
        assert [client.read().body.decode() for _ in paths] == paths
        place.still_works(client)


def test_more_pipelined_requests_than_the_edge_holds_are_all_answered(place: Place) -> None:
    number = 2000
    raw = place.filled(request("GET {path} HTTP/1.1", "A: " + "b" * 60)) * number
    with place.client() as client:
        client.send(raw)
        assert [client.read().status for _ in range(number)] == [200] * number
        place.still_works(client)
    assert len(place.origin.seen(place.path)) == number


def test_a_body_and_the_next_request_in_one_piece(place: Place) -> None:
    with place.client() as client:
        first = place.filled(request(POST, "Content-Length: 5", body=b"hello"))
        second = place.filled(request("POST {path}-b HTTP/1.1", CHUNKED, body=b"5\r\nworld\r\n0\r\n\r\n"))
        client.send(first + second + place.filled(request("GET {path}-c HTTP/1.1")))
        assert [client.read().status for _ in range(3)] == [200, 200, 200]
    assert place.seen().body == b"hello"
    assert payload(place.origin.the(f"{place.path}-b").body) == b"world"
    assert place.origin.the(f"{place.path}-c").body == b""


def test_a_good_request_before_a_bad_one_is_answered_and_nothing_after_it(place: Place) -> None:
    good, bad = place.filled(request("GET {path} HTTP/1.1")), place.filled(request("GET {path}-bad HTTP/1.1", "A : b"))
    with place.client() as client:
        client.send(good + bad + place.filled(request("GET {path}-after HTTP/1.1")))
        assert client.read().status == 200
        answer = client.read()
        assert (answer.status, answer.error, client.is_closed()) == (400, "malformed", True)
    assert place.origin.the(place.path).is_whole
    assert place.origin.seen(f"{place.path}-bad") == place.origin.seen(f"{place.path}-after") == []


def test_more_body_than_the_length_says_is_the_next_request(place: Place) -> None:
    with place.client() as client:
        client.send(place.filled(request(POST, "Content-Length: 5", body=b"hello and more\r\n\r\n")))
        assert client.read().status == 200
        assert client.read().status == 400
        assert client.is_closed()
    assert place.seen().body == b"hello"


def test_a_get_with_a_body_keeps_its_body(place: Place) -> None:
    with place.client() as client:
        assert (
            client.ask(place.filled(request("GET {path} HTTP/1.1", "Content-Length: 5", body=b"hello"))).status == 200
        )
        place.still_works(client)
    assert place.seen().body == b"hello"


# Half-close...


def test_a_client_that_has_ended_its_side_still_gets_its_answer(place: Place) -> None:
    ended = threading.Event()
    place.origin.on(place.path, wait_for(ended), OK)
    with place.client() as client:
        client.send(place.filled(request("GET {path} HTTP/1.1")))
        place.seen()
        client.end_sending()
        ended.set()
        assert client.read().body == b"ok"
        assert client.is_closed()


def test_all_pipelined_requests_are_answered_to_a_client_that_has_ended_its_side(place: Place) -> None:
    ended = threading.Event()
    place.origin.on(place.path, wait_for(ended), OK)
    with place.client() as client:
        client.send(place.filled(request("GET {path} HTTP/1.1") + request("GET {path}-b HTTP/1.1")))
        client.end_sending()
        ended.set()
        assert [client.read().body for _ in range(2)] == [b"ok", b"ok"]
        assert client.is_closed()


def test_a_client_that_resets_ends_the_origins_connection(place: Place) -> None:
    came = threading.Event()
    gone = threading.Event()
    place.origin.on(place.path, tell(came), _until_the_end, tell(gone))
    with place.client() as client:
        client.send(place.filled(request("GET {path} HTTP/1.1")))
        assert came.wait(10)
        client.reset()
    assert gone.wait(10)
    assert place.edge.entry(place.path)["status"] == 499


def _until_the_end(visit: Visit) -> None:
    while visit.receive():
        pass
    visit.close()


def test_a_body_without_end_is_held_at_the_edge_while_the_origin_reads_nothing(place: Place) -> None:
    came, go_on = threading.Event(), threading.Event()
    place.origin.on(place.path, tell(came), wait_for(go_on), Visit.read_body, OK)
    size = 64 * 1024 * 1024
    with place.client() as client:
        client.send(place.filled(request(POST, f"Content-Length: {size}")))
        assert came.wait(10)
        assert client.send_until_blocked(size) < size
        go_on.set()


def test_after_an_early_head_the_client_cannot_send_without_end(place: Place) -> None:
    more = threading.Event()
    begin = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n"
    place.origin.on(place.path, without_body, begin, wait_for(more), close)
    size = 64 * 1024 * 1024
    with place.client() as client:
        client.send(place.filled(request("PUT {path} HTTP/1.1", f"Content-Length: {size}")))
        assert client.read_head().status == 200
        sent = client.send_until_blocked(size)
        more.set()
        assert sent < size


def test_cut_bodies_are_told_apart_from_whole_ones(place: Place) -> None:
    """The client of these tests itself: it must not take half a body for the whole."""
    place.origin.on(place.path, b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel", Visit.close)
    with place.client() as client:
        client.send(place.filled(request("GET {path} HTTP/1.1")))
        with pytest.raises(Cut):
            client.read()
