"""Good traffic: requests that are due at fixed times, and how long each took from when it was due."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass, field
from time import monotonic

from bench.certificate import HOSTNAME

SOURCE = "127.0.0.9"
"""Where it comes from; floods come from elsewhere."""
PATIENCE_S = 10.0
REQUEST = f"GET /headers HTTP/1.1\r\nHost: {HOSTNAME}\r\nAccept: application/json\r\n\r\n".encode()


@dataclass(slots=True)
class Measured:
    """Seconds of each good answer, and what went wrong with the others."""

    times: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def quantile_ms(self, share: float) -> float:
        """NaN where nothing was answered."""
        if not self.times:
            return float("nan")
        ordered = sorted(self.times)
        return 1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def client_context() -> ssl.SSLContext:
    """Verifies nothing: the certificate is self-signed, and verifying is the client's cost."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class Visitor:
    """One client that keeps its connection, and makes a new one where it has to."""

    def __init__(self, port: int, context: ssl.SSLContext, source: str = SOURCE) -> None:
        self._port = port
        self._context = context
        self._source = source
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self) -> None:
        """One request and its answer. Raises OSError or ValueError where that goes wrong."""
        if self._streams is None:
            self._streams = await asyncio.open_connection(
                "127.0.0.1",
                self._port,
                ssl=self._context,
                server_hostname=HOSTNAME,
                local_addr=(self._source, 0),
            )
        reader, writer = self._streams
        try:
            writer.write(REQUEST)
            await _read(reader)
        except BaseException:
            self.leave()
            raise

    def leave(self) -> None:
        if self._streams is not None:
            self._streams[1].transport.abort()
            self._streams = None


async def _read(reader: asyncio.StreamReader) -> None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        raise ValueError("the connection ended") from error
    if not head.startswith(b"HTTP/1.1 200 "):
        raise ValueError(head.split(b"\r\n")[0].decode())
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            await reader.readexactly(int(line[15:]))
            return
    raise ValueError("no Content-Length")


async def good_traffic(port: int, seconds: float, rate: int, kept: int = 8) -> Measured:
    """`rate` requests a second on `kept` connections in turn, each tenth on a new one."""
    measured, context = Measured(), client_context()
    visitors = [Visitor(port, context) for _ in range(kept)]
    free = asyncio.Queue[Visitor]()
    for visitor in visitors:
        free.put_nowait(visitor)
    begun, tasks = monotonic(), []
    for number in range(int(seconds * rate)):
        due = begun + number / rate
        await asyncio.sleep(max(0.0, due - monotonic()))
        is_new = number % 10 == 9
        tasks.append(asyncio.create_task(_visit(Visitor(port, context) if is_new else None, free, due, measured)))
    await asyncio.gather(*tasks)
    for visitor in visitors:
        visitor.leave()
    return measured


async def _visit(newcomer: Visitor | None, free: asyncio.Queue[Visitor], due: float, measured: Measured) -> None:
    try:
        async with asyncio.timeout(PATIENCE_S):
            visitor = newcomer or await free.get()
            try:
                await visitor.ask()
            finally:
                if newcomer is None:
                    free.put_nowait(visitor)
                else:
                    newcomer.leave()
    except (OSError, ValueError) as error:
        measured.failures.append(f"{type(error).__name__}: {error}")
    else:
        measured.times.append(monotonic() - due)
