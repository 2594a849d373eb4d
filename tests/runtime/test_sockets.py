from __future__ import annotations

import os
import resource
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from steer.errors import SteerError
from steer.runtime.sockets import (
    Address,
    bind_listeners,
    bind_one,
    bind_unix,
    close_all,
    drop_privileges,
    raise_file_limit,
    reachable,
    read_address,
)


class TestAnAddress:
    @pytest.mark.parametrize(
        ("text", "host", "port", "family"),
        [
            ("0.0.0.0:443", "0.0.0.0", 443, socket.AF_INET),
            ("[::]:443", "::", 443, socket.AF_INET6),
            ("127.0.0.1:0", "127.0.0.1", 0, socket.AF_INET),
        ],
    )
    def test_is_read_and_written_alike(self, text: str, host: str, port: int, family: int) -> None:
        address = read_address(text)
        assert address == Address(host, port)
        assert address.family == family
        assert str(address) == text

    @pytest.mark.parametrize(
        "text", ["443", "", ":443", "localhost:443", "1.2.3.4", "1.2.3.4:65536", "1.2.3.4:-1", "[::]"]
    )
    def test_that_is_none_is_refused_with_what_would_be_right(self, text: str) -> None:
        with pytest.raises(SteerError, match="cannot listen on") as caught:
            read_address(text)
        assert caught.value.hint


class TestListeners:
    def test_have_one_socket_for_each_slot_all_on_one_port(self) -> None:
        bound = bind_listeners({"a": "127.0.0.1:0", "b": "127.0.0.1:0"}, slots=3)
        try:
            ports = {name: {slot.getsockname()[1] for slot in slots} for name, slots in bound.items()}
            assert [len(slots) for slots in bound.values()] == [3, 3]
            assert all(len(port) == 1 for port in ports.values())
            assert ports["a"] != ports["b"]
            assert not any(slot.getblocking() for slots in bound.values() for slot in slots)
        finally:
            close_all(bound)

    def test_refuse_an_address_in_use_though_the_kernel_would_share_it(self) -> None:
        first = bind_listeners({"a": "127.0.0.1:0"}, slots=2)
        address = str(Address(*first["a"][0].getsockname()))
        try:
            with pytest.raises(SteerError) as caught:
                bind_listeners({"a": address}, slots=2)
            assert caught.value.message == f"cannot listen on {address}: address already in use"
            assert caught.value.hint == "another process listens there: ss -ltnp shows which"
        finally:
            close_all(first)

    def test_leave_nothing_open_when_one_of_them_fails(self) -> None:
        with bind_one("127.0.0.1:0") as taken, bind_one("127.0.0.1:0") as probe:
            free = str(Address(*probe.getsockname()))
            probe.close()
            with pytest.raises(SteerError, match="address already in use"):
                bind_listeners({"first": free, "second": str(Address(*taken.getsockname()))}, slots=2)
            bind_one(free).close()

    def test_on_all_of_ipv6_leave_ipv4_alone(self) -> None:
        with bind_one("0.0.0.0:0") as four:
            port = four.getsockname()[1]
            try:
                bind_one(f"[::]:{port}").close()
            except SteerError as error:
                pytest.skip(f"no IPv6 here: {error}")

    def test_name_an_address_that_is_not_this_machines(self) -> None:
        with pytest.raises(SteerError, match="this machine does not have that address"):
            bind_one("192.0.2.1:0")


class TestTheUnixSocket:
    def test_is_its_owners_alone_and_takes_the_place_of_one_left_behind(self, tmp_path: Path) -> None:
        path = tmp_path / "new" / "control.sock"
        bind_unix(path).close()
        with bind_unix(path), socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
            assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700

    def test_may_lie_deeper_than_the_kernel_takes_names(self, tmp_path: Path) -> None:
        path = tmp_path / ("x" * 120) / "control.sock"
        with bind_unix(path), socket.socket(socket.AF_UNIX) as client, reachable(path) as name:
            client.connect(name)
            assert path.is_socket()

    def test_says_when_it_cannot_be_made(self, tmp_path: Path) -> None:
        (tmp_path / "taken").touch()
        with pytest.raises(SteerError, match="cannot make the socket"):
            bind_unix(tmp_path / "taken" / "control.sock")


class TestPrivileges:
    def test_of_an_unknown_user_are_refused(self) -> None:
        with pytest.raises(SteerError, match="there is no user nobody-of-that-name"):
            drop_privileges("nobody-of-that-name")

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
    def test_are_gone_for_good_with_the_groups(self, tmp_path: Path) -> None:
        code = (
            "import os; from steer.runtime.sockets import drop_privileges; drop_privileges('nobody'); "
            "print(os.getresuid() == (65534,) * 3, 0 in os.getgroups())"
        )
        assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == (
            "True False\n"
        )

    def test_to_open_files_are_all_used(self) -> None:
        before = resource.getrlimit(resource.RLIMIT_NOFILE)
        try:
            assert raise_file_limit() == before[1]
            assert resource.getrlimit(resource.RLIMIT_NOFILE) == (before[1], before[1])
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, before)
