from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509

from steer.errors import SteerError
from steer.proxy.tls import CertificateFiles, ListenerTls, upstream_context
from tests.proxy.certificates import make_certificate


def client_context(version: ssl.TLSVersion | None = None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if version is not None:
        context.minimum_version = context.maximum_version = version
    return context


def handshake(
    server: ssl.SSLContext, client: ssl.SSLContext, server_name: str | None = None
) -> tuple[ssl.SSLObject, ssl.SSLObject]:
    """In memory, as the event loop does it: (server's end, client's end)."""
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = (
        server.wrap_bio(up, down, server_side=True),
        client.wrap_bio(down, up, server_hostname=server_name),
    )
    waiting = list(ends)
    while waiting:
        for end in reversed(ends):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            if end in waiting:
                waiting.remove(end)
    return ends


def names_shown(tls: ListenerTls, server_name: str | None) -> list[str]:
    """The names in the certificate that a client with this SNI gets."""
    _, client = handshake(tls.context, client_context(), server_name)
    shown = client.getpeercert(binary_form=True)
    assert shown is not None
    names = x509.load_der_x509_certificate(shown).extensions.get_extension_for_class(x509.SubjectAlternativeName)
    return names.value.get_values_for_type(x509.DNSName)


@pytest.fixture
def agency(tmp_path: Path) -> CertificateFiles:
    return make_certificate(tmp_path, "www.agency.example", "127.0.0.1", "2001:db8::1")


@pytest.fixture
def tls(tmp_path: Path, agency: CertificateFiles) -> ListenerTls:
    return ListenerTls([agency, make_certificate(tmp_path, "*.service.example", "service.example")])


class TestTheCertificateShown:
    @pytest.mark.parametrize(
        ("server_name", "first"),
        [
            pytest.param("www.agency.example", "www.agency.example", id="its exact name"),
            pytest.param("WWW.Agency.Example", "www.agency.example", id="in any case"),
            pytest.param("a.service.example", "*.service.example", id="a wildcard's label"),
            pytest.param("a.b.service.example", "www.agency.example", id="two labels are no wildcard's"),
            pytest.param("unknown.example", "www.agency.example", id="unknown: the first"),
            pytest.param(None, "www.agency.example", id="none sent: the first"),
        ],
    )
    def test_follows_the_server_name(self, tls: ListenerTls, server_name: str | None, first: str) -> None:
        assert names_shown(tls, server_name)[0] == first

    def test_is_the_first_of_two_for_one_name(self, tmp_path: Path) -> None:
        one = make_certificate(tmp_path, "a.example", "one.example", file="one")
        two = make_certificate(tmp_path, "a.example", "two.example", file="two")
        assert names_shown(ListenerTls([one, two]), "a.example")[1] == "one.example"


class TestCovers:
    @pytest.mark.parametrize(
        ("server_name", "host", "is_covered"),
        [
            ("www.agency.example", "www.agency.example", True),
            ("www.agency.example", "a.service.example", False),
            ("a.service.example", "b.service.example", True),
            ("a.service.example", "service.example", True),
            ("a.service.example", "a.b.service.example", False),
            ("a.service.example", "www.agency.example", False),
            (None, "www.agency.example", True),
            (None, "a.service.example", False),
            (None, "127.0.0.1", True),
            (None, "127.0.0.2", False),
            (None, "2001:DB8:0::1", True),
            (None, "::not-an-address", False),
            (None, "", False),
        ],
    )
    def test_is_about_the_certificate_that_this_client_was_shown(
        self, tls: ListenerTls, server_name: str | None, host: str, is_covered: bool
    ) -> None:
        server, _ = handshake(tls.context, client_context(), server_name)
        assert tls.covers(server, host) is is_covered

    def test_goes_by_the_certificate_shown_also_after_a_reload(self, tls: ListenerTls, tmp_path: Path) -> None:
        before, _ = handshake(tls.context, client_context())
        make_certificate(tmp_path, "new.agency.example", file="www.agency.example")
        assert tls.reload_if_changed() == ()
        after, _ = handshake(tls.context, client_context())
        for host, by_old, by_new in (("www.agency.example", True, False), ("new.agency.example", False, True)):
            assert tls.covers(before, host) is by_old
            assert tls.covers(after, host) is by_new


class TestAReload:
    def test_does_nothing_while_the_files_stay(self, tls: ListenerTls) -> None:
        before = tls.expiries()
        assert tls.reload_if_changed() == ()
        assert tls.expiries() == before

    def test_shows_the_new_certificate_under_the_same_context(self, tls: ListenerTls, tmp_path: Path) -> None:
        context = tls.context
        make_certificate(tmp_path, "www.agency.example", "new.agency.example", file="www.agency.example")
        assert tls.reload_if_changed() == ()
        assert tls.context is context
        assert names_shown(tls, None) == ["www.agency.example", "new.agency.example"]

    def test_keeps_the_old_one_and_says_why_when_key_and_certificate_differ(
        self, tls: ListenerTls, agency: CertificateFiles, tmp_path: Path
    ) -> None:
        other = make_certificate(tmp_path, "new.agency.example")
        shutil.copy(other.certificate, agency.certificate)
        (alarm,) = tls.reload_if_changed()
        assert alarm == (
            f"{agency.key} is not the key of {agency.certificate} (were both files replaced?); "
            "the certificate before it stays in use"
        )
        assert tls.reload_if_changed() == (alarm,), "an alarm stands until it is mended"
        assert names_shown(tls, None) == ["www.agency.example"]
        shutil.copy(other.key, agency.key)
        assert tls.reload_if_changed() == ()
        assert names_shown(tls, None) == ["new.agency.example"]

    def test_keeps_the_old_one_while_a_file_is_gone(self, tls: ListenerTls, agency: CertificateFiles) -> None:
        agency.key.rename(agency.key.with_suffix(".away"))
        (alarm,) = tls.reload_if_changed()
        assert alarm.startswith(f"cannot read {agency.key}: no such file")
        assert names_shown(tls, None) == ["www.agency.example"]
        agency.key.with_suffix(".away").rename(agency.key)
        assert tls.reload_if_changed() == ()

    def test_leaves_the_sessions_of_clients_alone(self, tls: ListenerTls, tmp_path: Path) -> None:
        client = client_context(ssl.TLSVersion.TLSv1_2)
        _, first = handshake(tls.context, client, "www.agency.example")
        make_certificate(tmp_path, "www.agency.example")
        assert tls.reload_if_changed() == ()
        up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
        server = tls.context.wrap_bio(up, down, server_side=True)
        again = client.wrap_bio(down, up, server_hostname="www.agency.example", session=first.session)
        for end in (again, server, again, server):
            with_reads(end)
        assert again.session_reused


def with_reads(end: ssl.SSLObject) -> None:
    """As far as its input allows."""
    try:
        end.do_handshake()
    except ssl.SSLWantReadError:
        return


class TestTheProtocol:
    def test_is_1_2_or_1_3_by_the_clients_choice(self, tls: ListenerTls) -> None:
        for version, name in ((ssl.TLSVersion.TLSv1_2, "TLSv1.2"), (ssl.TLSVersion.TLSv1_3, "TLSv1.3")):
            assert handshake(tls.context, client_context(version), "www.agency.example")[0].version() == name

    def test_refuses_1_2_where_1_3_is_the_minimum(self, agency: CertificateFiles) -> None:
        strict = ListenerTls([agency], minimum="1.3")
        with pytest.raises(ssl.SSLError, match=r"(?i)unsupported.protocol|alert"):
            handshake(strict.context, client_context(ssl.TLSVersion.TLSv1_2))

    def test_speaks_what_alpn_agrees_on(self, agency: CertificateFiles) -> None:
        tls = ListenerTls([agency], alpn=("h2", "http/1.1"))
        for offered, chosen in ((["http/1.1"], "http/1.1"), (["http/1.1", "h2"], "h2"), (["spdy/3"], None)):
            client = client_context()
            client.set_alpn_protocols(offered)
            assert handshake(tls.context, client)[0].selected_alpn_protocol() == chosen

    @pytest.mark.parametrize("cipher", ["AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-SHA256", "DHE-RSA-AES128-GCM-SHA256"])
    def test_refuses_ciphers_without_forward_secrecy_or_authentication(self, tls: ListenerTls, cipher: str) -> None:
        client = client_context(ssl.TLSVersion.TLSv1_2)
        client.set_ciphers(cipher)
        with pytest.raises(ssl.SSLError, match=r"(?i)no.shared.cipher"):
            handshake(tls.context, client, "www.agency.example")

    def test_lets_the_clients_order_of_ciphers_count(self, tls: ListenerTls) -> None:
        for cipher in ("ECDHE-ECDSA-CHACHA20-POLY1305", "ECDHE-ECDSA-AES256-GCM-SHA384"):
            client = client_context(ssl.TLSVersion.TLSv1_2)
            client.set_ciphers(f"{cipher}:ECDHE-ECDSA-AES128-GCM-SHA256")
            used = handshake(tls.context, client, "www.agency.example")[0].cipher()
            assert used is not None
            assert used[0] == cipher

    def test_has_neither_renegotiation_nor_compression(self, tls: ListenerTls) -> None:
        assert tls.context.options & ssl.OP_NO_RENEGOTIATION
        assert tls.context.options & ssl.OP_NO_COMPRESSION
        assert handshake(tls.context, client_context())[0].compression() is None


@pytest.fixture
def ports(agency: CertificateFiles) -> Iterator[tuple[int, int]]:
    command = [sys.executable, "-m", "tests.proxy.tls_workers", str(agency.certificate), str(agency.key)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        first, second = process.stdout.readline().split()
        yield int(first), int(second)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_client_resumes_its_session_on_another_worker(ports: tuple[int, int], version: ssl.TLSVersion) -> None:
    client = client_context(version)
    session = None
    resumed = []
    for port in ports + ports:
        with (
            socket.create_connection(("127.0.0.1", port), timeout=10) as plain,
            client.wrap_socket(plain, server_hostname="www.agency.example", session=session) as connection,
        ):
            assert connection.recv(5) == b"hello"
            session = connection.session
            resumed.append(connection.session_reused)
    assert resumed == [False, True, True, True]


class TestFilesThatCannotBeUsed:
    def test_an_encrypted_key_is_refused_in_plain_words(self, tmp_path: Path) -> None:
        files = make_certificate(tmp_path, "a.example", password=b"secret")
        with pytest.raises(SteerError, match=r"a\.example\.key is encrypted \(steer starts unattended"):
            ListenerTls([files])

    def test_a_missing_file_is_named(self, tmp_path: Path, agency: CertificateFiles) -> None:
        with pytest.raises(SteerError, match=r"cannot read .*absent\.key: no such file"):
            ListenerTls([CertificateFiles(agency.certificate, tmp_path / "absent.key")])

    def test_a_key_that_cannot_be_read_is_named(self, agency: CertificateFiles) -> None:
        agency.key.unlink()
        agency.key.mkdir()
        with pytest.raises(SteerError, match=r"cannot read .*\.key: is a directory"):
            ListenerTls([agency])

    def test_what_is_no_certificate_is_named(self, agency: CertificateFiles) -> None:
        agency.certificate.write_text("hello")
        with pytest.raises(SteerError, match=r"cannot use .*\.pem with .*\.key: .*"):
            ListenerTls([agency])

    def test_a_key_of_another_certificate_is_refused(self, tmp_path: Path, agency: CertificateFiles) -> None:
        other = make_certificate(tmp_path, "other.example")
        with pytest.raises(SteerError, match="is not the key of"):
            ListenerTls([CertificateFiles(agency.certificate, other.key)])

    def test_no_certificate_at_all_is_refused(self) -> None:
        with pytest.raises(SteerError, match="needs a certificate"):
            ListenerTls([])


def test_expiries_are_those_of_the_certificates_in_use(tmp_path: Path) -> None:
    tls = ListenerTls(
        [make_certificate(tmp_path, "a.example", "b.example"), make_certificate(tmp_path, "c.example", days=5)]
    )
    first, second = tls.expiries()
    assert first.names == ("a.example", "b.example")
    assert first.certificate == tmp_path / "a.example.pem"
    assert first.until - second.until == pytest.approx(25 * 86400, abs=2)


class TestTheContextForNodes:
    def test_verifies_name_and_ca(self, tls: ListenerTls, agency: CertificateFiles) -> None:
        context = upstream_context("ca", ca=agency.certificate)
        assert handshake(tls.context, context, "www.agency.example")[1].version() == "TLSv1.3"
        with pytest.raises(ssl.SSLCertVerificationError, match=r"unknown\.example"):
            handshake(tls.context, context, "unknown.example")

    def test_trusts_the_systems_cas_only_unless_told_otherwise(self, tls: ListenerTls) -> None:
        with pytest.raises(ssl.SSLCertVerificationError, match="self-signed"):
            handshake(tls.context, upstream_context("system"), "www.agency.example")

    def test_verifies_nothing_when_it_is_off(self, tls: ListenerTls) -> None:
        assert handshake(tls.context, upstream_context("off"), "unknown.example")[1].version() == "TLSv1.3"

    def test_shows_its_own_certificate_to_a_node_that_asks(self, tmp_path: Path, agency: CertificateFiles) -> None:
        ours = make_certificate(tmp_path, "edge.example")
        node = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        node.load_cert_chain(agency.certificate, agency.key)
        node.load_verify_locations(ours.certificate)
        node.verify_mode = ssl.CERT_REQUIRED
        context = upstream_context("ca", agency.certificate, ours.certificate, ours.key)
        server, client = handshake(node, context, "www.agency.example")
        shown = server.getpeercert()
        assert shown is not None
        assert shown["subjectAltName"] == (("DNS", "edge.example"),)
        assert client.selected_alpn_protocol() is None

    def test_needs_a_ca_that_can_be_read(self, tmp_path: Path) -> None:
        with pytest.raises(SteerError, match="needs the file of that CA"):
            upstream_context("ca")
        with pytest.raises(SteerError, match=r"cannot read .*absent\.pem: no such file"):
            upstream_context("ca", ca=tmp_path / "absent.pem")
        (tmp_path / "empty.pem").write_text("nothing")
        with pytest.raises(SteerError, match="no CA certificate in PEM form"):
            upstream_context("ca", ca=tmp_path / "empty.pem")
