"""Certificates that are replaced on disk while the edge serves."""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.kit.waiting import until
from tests.scenarios.town import Edge, Trust, configuration, over_tls, town
from tests.scenarios.traffic import Connection

SERVED_WITHIN = 2.0


@dataclass(frozen=True)
class Place:
    edge: Edge
    trust: Trust

    async def connect(self) -> Connection:
        return await Connection.open(self.edge.port(), tls=self.trust.client)

    async def shown(self) -> set[bytes]:
        """The certificates of so many new connections that every worker has some of them."""
        connections = [await self.connect() for _ in range(40)]
        found = {certificate(connection) for connection in connections}
        for connection in connections:
            await connection.close()
        return found


def certificate(connection: Connection) -> bytes:
    tls = connection.writer.get_extra_info("ssl_object")
    assert isinstance(tls, ssl.SSLObject)
    found = tls.getpeercert(binary_form=True)
    assert found is not None
    return found


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    tree = configuration()
    trust = over_tls(tree, tmp_path)
    with town(tmp_path, tree) as found:
        yield Place(found.edge, trust)


async def test_a_new_certificate_is_shown_to_new_connections_within_two_seconds(place: Place) -> None:
    old = place.trust.served
    assert await place.shown() == {old}
    before = await place.connect()
    place.trust.renew()
    replaced = time.monotonic()
    await until(lambda: time.monotonic() >= replaced + SERVED_WITHIN, "two seconds have passed")
    assert await place.shown() == {place.trust.served} != {old}
    assert (await before.ask()).status == 200
    await before.close()
    async with await place.connect() as after:
        assert (await after.ask()).status == 200


@pytest.mark.parametrize("spoiled", ["nonsense", "another key"])
async def test_a_certificate_that_cannot_be_used_leaves_the_old_one_in_use(place: Place, spoiled: str) -> None:
    old = place.trust.served
    if spoiled == "nonsense":
        place.trust.certificate.write_text("-----BEGIN CERTIFICATE-----\nno\n-----END CERTIFICATE-----\n")
    else:
        text = place.trust.certificate.read_text()
        place.trust.renew()
        place.trust.certificate.write_text(text)
    await until(lambda: "stays in use" in place.edge.log, "the edge says that it is wrong")
    assert await place.shown() == {old}
    place.trust.renew()
    replaced = time.monotonic()
    await until(lambda: time.monotonic() >= replaced + SERVED_WITHIN, "two seconds have passed")
    assert await place.shown() == {place.trust.served}
