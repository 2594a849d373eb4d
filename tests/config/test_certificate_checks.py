"""What is said of certificates and other files that do not fit the configuration."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

from steer.clock import Clock, SystemClock
from steer.config import examine

CERTIFICATE = "steer.yaml:9: listeners[0].tls.certificates[0].certificate"
KEY = "steer.yaml:9: listeners[0].tls.certificates[0].key"


class LongAgo:
    """1970."""

    monotonic = staticmethod(SystemClock.monotonic)

    @staticmethod
    def wall() -> float:
        return 0.0


def problems(path: Path, clock: Clock | None = None) -> list[str]:
    return [str(problem) for problem in examine(path, {}, clock=clock).problems]


def test_certificates_that_fit_are_no_problem(write: Any, right: str, certify: Any) -> None:
    certify("www", "www.example", "one.example")
    assert problems(write(right)) == []


def test_a_wildcard_covers_one_label(write: Any, right: str, certify: Any) -> None:
    certify("www", "*.a.example", "*.example")
    text = right.replace("one.example: one", "one.a.example: one")
    assert problems(write(text.replace("[www.example]", "[www.a.example]"))) == []
    assert problems(write(text.replace("[www.example]", "[a.b.a.example, a.example]"))) == [
        "steer.yaml:29: services.www.hostnames[0]: no certificate of listener https covers a.b.a.example "
        "(they cover *.a.example, *.example)",
        "steer.yaml:29: services.www.hostnames[1]: no certificate of listener https covers a.example "
        "(they cover *.a.example, *.example)",
    ]


def test_a_hostname_without_a_certificate_is_named_pinned_or_not(write: Any, right: str, certify: Any) -> None:
    certify("www", "old.example")
    assert problems(write(right.replace("one.example: one", "One.example: one"))) == [
        "steer.yaml:29: services.www.hostnames[0]: no certificate of listener https covers www.example "
        "(they cover old.example)",
        "steer.yaml:30: services.www.pinned_hostnames[One.example]: no certificate of listener https covers "
        "one.example (they cover old.example)",
    ]


def test_two_certificates_cover_together(write: Any, right: str, certify: Any) -> None:
    certify("www", "www.example")
    certify("one", "one.example")
    two = "[{certificate: www.pem, key: www.key}, {certificate: one.pem, key: one.key}]"
    assert problems(write(right.replace("[{certificate: www.pem, key: www.key}]", two))) == []


def test_a_certificate_that_names_nothing_covers_nothing(write: Any, right: str, certify: Any) -> None:
    certify("www")
    assert problems(write(right))[0] == (
        "steer.yaml:29: services.www.hostnames[0]: no certificate of listener https covers www.example "
        "(they have no subjectAltName)"
    )


def test_a_key_of_another_certificate_is_a_problem(write: Any, right: str, certify: Any, folder: Path) -> None:
    certify("other", "www.example")
    certify("www", "www.example", "one.example")
    shutil.copy(folder / "other.key", folder / "www.key")
    assert problems(write(right)) == [f"{KEY}: www.key is not the key of www.pem"]


def test_an_expired_certificate_is_a_problem(write: Any, right: str, certify: Any) -> None:
    certify("www", "www.example", "one.example", days=-3)
    (line,) = problems(write(right))
    assert line.startswith(f"{CERTIFICATE}: www.pem expired on 20")


def test_a_certificate_of_the_future_is_a_problem(write: Any, right: str, certify: Any) -> None:
    certify("www", "www.example", "one.example")
    (line,) = problems(write(right), clock=LongAgo())
    assert line.startswith(f"{CERTIFICATE}: www.pem is not valid before 20")
    assert line.endswith(" (is the clock right?)")


def test_files_that_are_not_there_are_two_problems_and_not_one_for_each_hostname(write: Any, right: str) -> None:
    assert problems(write(right)) == [
        f"{CERTIFICATE}: www.pem cannot be read: No such file or directory",
        f"{KEY}: www.key cannot be read: No such file or directory",
    ]


def test_files_with_something_else_in_them_are_problems(write: Any, right: str, folder: Path) -> None:
    for name in ("www.pem", "www.key"):
        (folder / name).write_text("hello")
    assert problems(write(right)) == [
        f"{CERTIFICATE}: www.pem has no certificate in PEM that can be read",
        f"{KEY}: www.key has no private key in PEM that can be read",
    ]


def test_a_key_with_a_passphrase_is_a_problem(write: Any, right: str, certify: Any, folder: Path) -> None:
    certify("www", "www.example", "one.example")
    key = ec.generate_private_key(ec.SECP256R1())
    guard = BestAvailableEncryption(b"word")
    (folder / "www.key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, guard))
    assert problems(write(right)) == [f"{KEY}: www.key is encrypted; a key without a passphrase is needed"]


def test_other_files_that_are_named_must_be_there(write: Any, right: str, certify: Any) -> None:
    certify("www", "www.example", "one.example")
    text = right.replace(
        "    timeouts: {connect: 1s}\n",
        "    when_none: {page: sorry.html}\n    upstream_tls: {verify: ca, ca: ca.pem}\n",
    )
    assert problems(write(text)) == [
        "steer.yaml:24: pools.web.when_none.page: sorry.html is not there",
        "steer.yaml:25: pools.web.upstream_tls.ca: ca.pem cannot be read: No such file or directory",
    ]


def test_the_files_of_the_doors_and_of_replication_are_looked_at_too(
    write: Any, right: str, certify: Any, folder: Path
) -> None:
    certify("www", "www.example", "one.example")
    door = "{tls: {certificate: www.pem, key: resp.key}}"
    peers = "{bind: '127.0.0.1:9901', tls: {certificate: www.pem, key: www.key, client_ca: edges.pem}}"
    text = right.replace("edge-a: {datacentre: one}", "edge-a: {datacentre: one, replication: '127.0.0.1:9901'}")
    text = text.replace("services:", f"sessions: {{doors: {{resp: {door}}}}}\nreplication: {peers}\nservices:")
    assert problems(write(text)) == [
        "steer.yaml:27: sessions.doors.resp.tls.key: resp.key cannot be read: No such file or directory",
        "steer.yaml:28: replication.tls.client_ca: edges.pem cannot be read: No such file or directory",
    ]


def test_the_pair_of_the_admin_api_is_looked_at_too(write: Any, right: str, certify: Any, folder: Path) -> None:
    certify("www", "www.example", "one.example")
    text = right.replace("bind: 127.0.0.1:9900", "tls: {certificate: www.pem, key: admin.key}")
    assert problems(write(text)) == [
        "steer.yaml:14: admin.tls.key: admin.key cannot be read: No such file or directory"
    ]
