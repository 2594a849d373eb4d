from __future__ import annotations

import socket

import pytest

from steer.demo.ports import Ports, can_listen
from steer.errors import SteerError


@pytest.fixture
def taken() -> int:
    return Ports().near(18500)


def test_a_port_where_somebody_listens_is_not_free(taken: int) -> None:
    assert can_listen(taken)
    with socket.create_server(("127.0.0.1", taken)):
        assert not can_listen(taken)
        assert Ports().near(taken) > taken
        with pytest.raises(SteerError, match=rf"port {taken} is taken \(choose another\)"):
            Ports().just(taken, "choose another")


def test_no_port_is_given_twice(taken: int) -> None:
    ports = Ports()
    first = ports.just(taken, "")
    assert len({first, ports.near(taken), ports.near(taken)}) == 3
    with pytest.raises(SteerError, match="is taken"):
        ports.just(taken, "")


@pytest.mark.parametrize("port", [0, 65536, -1])
def test_what_is_no_port_is_not_free(port: int) -> None:
    assert not can_listen(port)
