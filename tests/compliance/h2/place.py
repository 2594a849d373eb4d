"""Where the cases of HTTP/2 happen: the same as for HTTP/1.1, and a client that speaks frames."""

from __future__ import annotations

from tests.compliance.place import Place
from tests.kit.certificates import Authority
from tests.kit.edge import HOST, Tree
from tests.kit.h2_client import H2Client

HEAD_LIMIT = 2048
FIELDS_LIMIT = 10
BODY_LIMIT = 1024
STREAMS_LIMIT = 3


def listeners(authority: Authority) -> dict[str, Tree]:
    """`h2` with the defaults, `tight` with limits that a test reaches, `http` for the counter-check."""
    pairs = (authority.issue(HOST), authority.issue("other.agency.example"))
    tls = {"certificates": [{"certificate": str(files.certificate), "key": str(files.key)} for files in pairs]}
    sizes = {"head": HEAD_LIMIT, "fields": FIELDS_LIMIT, "body": BODY_LIMIT, "streams": STREAMS_LIMIT}
    times = {"head_time": "500ms", "idle": "700ms", "body_rate": "64KiB", "body_grace": "300ms"}
    return {"http": {}, "h2": {"tls": tls}, "tight": {"tls": tls, "limits": {**sizes, **times}}}


class H2Place(Place):
    """One for all tests; `begin` starts a case."""

    def h2(
        self,
        listener: str = "h2",
        *,
        settings: dict[int, int] | None = None,
        credit: bool = True,
        source: str = "127.0.0.1",
    ) -> H2Client:
        return H2Client(
            self.edge.port(listener), self.authority.trust(), settings=settings, credit=credit, source=source
        )

    def flooder(self, listener: str = "h2", *, settings: dict[int, int] | None = None, credit: bool = True) -> H2Client:
        """One that will not be welcome again: each comes from an address of its own."""
        source = f"127.66.{next(self._numbers) >> 8 & 255}.{next(self._numbers) & 255}"
        return self.h2(listener, settings=settings, credit=credit, source=source)

    def goes_on(self, client: H2Client, stream: int) -> None:
        """The connection was kept: a further request on it is served."""
        path = f"{self.path}-next"
        answer = client.ask(stream, path)
        assert (answer.status, answer.body) == (200, b"ok")
        assert self.origin.the(path).is_whole
