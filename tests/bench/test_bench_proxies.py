"""The peers' configurations are complete, and steer's is one that it accepts whole."""

from __future__ import annotations

import re
import ssl
from pathlib import Path

import pytest

import steer.config
from bench.certificate import make_certificate
from bench.processes import running
from bench.proxies import KINDS, Proxy, Site, configure


@pytest.fixture
def place(tmp_path: Path) -> Site:
    made = Site(tmp_path, (18101, 18201), 18301, proxy_cpu=0, load_cpu=1)
    made.certificates.mkdir()
    make_certificate(made.certificates)
    return made


def configured(place: Site, name: str) -> Path:
    kind = KINDS[name]
    return configure(place, place.folder, kind.template, {**kind.words, "PLAIN": 18080, "TLS": 18443, "ADMIN": 19900})


@pytest.mark.parametrize("name", KINDS)
def test_every_word_of_a_configuration_is_filled_in(place: Site, name: str) -> None:
    text = configured(place, name).read_text()
    assert not re.search(r"@[A-Z_]+@", text)
    assert all(f"{port}" in text for port in (18080, 18443, 18101, 18201, 18301))


def test_steer_accepts_its_configuration_with_checks_ejection_and_log_on(place: Site) -> None:
    config = steer.config.load(configured(place, "steer"))
    assert steer.config.unbuilt(config) == ()
    pool = config.pools["web"]
    assert pool.health_check is not None
    assert pool.ejection.consecutive_gateway_failures.failures > 0
    assert pool.ejection.consecutive_gateway_failures.mode == "on"
    assert config.edge.workers == 1
    assert str(config.edge.log.access).endswith("access.log")


def test_the_certificate_is_one_for_all_and_fits_its_key(place: Site) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(place.certificates / "certificate.pem", place.certificates / "key.pem")
    context.load_cert_chain(place.certificates / "both.pem")
    both = (place.certificates / "both.pem").read_bytes()
    assert both.startswith((place.certificates / "certificate.pem").read_bytes())


def test_logs_are_emptied_while_the_proxy_writes_on(tmp_path: Path) -> None:
    (tmp_path / "access.log").write_text("one line\n")
    with running("proxy", ["sh", "-c", "echo started; exec sleep 60"], 0, tmp_path, []) as program:
        proxy = Proxy("proxy", program, 0, 0, tmp_path)
        proxy.forget_logs()
        assert (tmp_path / "access.log").read_text() == ""
        assert program.process.poll() is None
