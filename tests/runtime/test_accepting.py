from __future__ import annotations

import asyncio
import socket

import pytest

from steer.runtime.accepting import Accepting
from steer.runtime.door import Door
from steer.runtime.sockets import bind_listeners, close_all


class Greeter(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.write(b"hello")
        transport.close()


async def greeting(connection: socket.socket) -> bytes:
    connection.setblocking(False)
    with connection:
        return await asyncio.get_running_loop().sock_recv(connection, 5)


async def test_who_waits_at_a_door_that_is_shut_is_taken_and_who_comes_later_is_refused() -> None:
    sockets = bind_listeners({"door": "127.0.0.1:0"}, slots=1)
    address = sockets["door"][0].getsockname()
    held_elsewhere = sockets["door"][0].dup()
    accepting = Accepting(sockets, {"door": Door(Greeter)})
    await accepting.accept(0)
    waiting = [socket.create_connection(address) for _ in range(20)]
    await accepting.shut()
    assert [await greeting(connection) for connection in waiting] == [b"hello"] * 20
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address)
    assert accepting.slots == ()
    held_elsewhere.close()
    close_all(sockets)
