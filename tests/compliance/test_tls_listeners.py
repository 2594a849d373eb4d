"""TLS: which hosts a connection is for, which versions are spoken; and the plain listener that sends people there."""

from __future__ import annotations

import ssl

import pytest

from tests.compliance.place import Place, request
from tests.kit.client import Client
from tests.kit.edge import HOST

OTHER = "other.agency.example"
GET = "GET {path} HTTP/1.1"


def test_a_covered_host_is_served_and_the_node_hears_of_https(place: Place) -> None:
    with place.secure_client() as client:
        assert client.ask(place.filled(request(GET))).body == b"ok"
        place.still_works(client)
    seen = place.seen()
    assert seen.all(b"X-Forwarded-Proto") == [b"https"]
    assert seen.all(b"Forwarded") == [f"for=127.0.0.1;host={HOST};proto=https".encode()]


@pytest.mark.parametrize(("name", "host"), [(HOST, OTHER), (OTHER, HOST), (HOST, "evil.example")])
def test_a_host_outside_the_certificate_is_misdirected(place: Place, name: str, host: str) -> None:
    with place.secure_client(name) as client:
        answer = client.ask(place.filled(request(GET, host=host)))
        assert (answer.status, answer.error, answer.says_close) == (421, "no_such_host", False)
        assert client.ask(place.filled(request(GET, host=name))).status == 200
    assert len(place.origin.seen(place.path)) == 1


def test_the_certificate_is_chosen_by_name_and_the_first_where_none_fits(place: Place) -> None:
    with place.secure_client(OTHER) as client:
        assert client.ask(place.filled(request(GET, host=OTHER))).status == 200
    trust = place.authority.trust()
    trust.check_hostname = False
    for name in ("unknown.example", None):
        with Client(place.edge.port("https"), trust, name) as client:
            assert isinstance(client.socket, ssl.SSLSocket)
            certificate = client.socket.getpeercert()
            assert certificate is not None
            assert ("DNS", HOST) in certificate["subjectAltName"]


@pytest.mark.parametrize(
    ("listener", "version", "is_spoken"),
    [
        ("https", ssl.TLSVersion.TLSv1_3, True),
        ("https", ssl.TLSVersion.TLSv1_2, True),
        ("https13", ssl.TLSVersion.TLSv1_3, True),
        ("https13", ssl.TLSVersion.TLSv1_2, False),
    ],
)
def test_the_lowest_version_is_the_listeners(
    place: Place, listener: str, version: ssl.TLSVersion, is_spoken: bool
) -> None:
    trust = place.authority.trust()
    trust.minimum_version = trust.maximum_version = version
    if not is_spoken:
        with pytest.raises(ssl.SSLError):
            Client(place.edge.port(listener), trust, HOST)
        return
    with Client(place.edge.port(listener), trust, HOST) as client:
        assert client.ask(place.filled(request(GET))).status == 200


def test_tls_1_1_is_not_spoken(place: Place) -> None:
    trust = place.authority.trust()
    trust.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        trust.minimum_version = trust.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(ssl.SSLError):
        Client(place.edge.port("https"), trust, HOST)


def test_http_1_1_is_agreed_on(place: Place) -> None:
    with place.secure_client() as client:
        assert isinstance(client.socket, ssl.SSLSocket)
        assert client.socket.selected_alpn_protocol() == "http/1.1"


def test_plain_http_on_a_tls_listener_is_not_answered(place: Place) -> None:
    with place.client("https") as client:
        client.send(place.filled(request(GET)))
        assert client.is_closed()
    place.reached_nothing()


def test_tls_on_a_plain_listener_is_malformed(place: Place) -> None:
    with pytest.raises(ssl.SSLError):
        Client(place.edge.port("http"), place.authority.trust(), HOST)
    place.reached_nothing()


def test_a_large_body_goes_both_ways_over_tls(place: Place) -> None:
    body = bytes(range(256)) * 8192
    place.origin.on(place.path, b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
    with place.secure_client() as client:
        raw = request("PUT {path} HTTP/1.1", f"Content-Length: {len(body)}", body=body)
        assert client.ask(place.filled(raw)).body == body
        place.still_works(client)
    assert place.seen().body == body


def test_a_refused_request_over_tls_ends_the_connection(place: Place) -> None:
    with place.secure_client() as client:
        answer = client.ask(place.filled(request(GET, "A : b")))
        assert (answer.status, answer.says_close, client.is_closed()) == (400, True, True)
    place.reached_nothing()


# redirect_to_https...


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
@pytest.mark.parametrize("host", [HOST, f"{HOST}:8080", HOST.upper()])
def test_a_known_host_is_sent_to_https(place: Place, method: str, host: str) -> None:
    with place.client("redirect") as client:
        raw = request(f"{method} {{path}}/%2f?a=b&c HTTP/1.1", host=host)
        answer = client.ask(place.filled(raw), method=method)
        assert (answer.status, answer.body, answer.says_close) == (308, b"", False)
        port = place.edge.port("https")
        assert answer.get("Location") == f"https://{HOST}:{port}{place.path}/%2f?a=b&c"
    place.reached_nothing()


def test_the_body_of_a_redirected_request_is_not_the_next_request(place: Place) -> None:
    smuggled = request("GET {path}-smuggled HTTP/1.1")
    with place.client("redirect") as client:
        length = f"Content-Length: {len(place.filled(smuggled))}"
        assert client.ask(place.filled(request("POST {path} HTTP/1.1", length, body=smuggled))).status == 308
        answer = client.ask(place.filled(request("GET {path}-b HTTP/1.1")))
        assert (answer.get("Location") or "").endswith(f"{place.path}-b")
    place.reached_nothing()


@pytest.mark.parametrize("host", ["evil.example", f"{HOST}.evil.example", "127.0.0.1"])
def test_an_unknown_host_is_not_redirected(place: Place, host: str) -> None:
    with place.client("redirect") as client:
        answer = client.ask(place.filled(request(GET, host=host)))
        assert (answer.status, answer.error, answer.get("Location")) == (421, "no_such_host", None)
    place.reached_nothing()
