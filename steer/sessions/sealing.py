"""Sealing at the door: an engine, its disk and its replicas see ciphertext; with `hash_keys` not even the ids.

A value is AES-256-GCM under a key of its record alone:

    1 (one byte) | key id (4) | nonce (12, random) | ciphertext | tag (16)
    record key = HMAC(namespace key, record's key)     namespace key = HKDF(ring's key, namespace)

So the number of values under one ring key is without practical limit (NIST SP 800-38D, section 8.3: 2**32 for one key
and random nonces). Namespace, kind, record's key and field are authenticated with it: a value cannot be moved to
another session, another field, another namespace. An engine's owner can still put back an older value of the same
place: who may write to the engine is for its access rules.

What cannot be opened is a miss and an alarm, never an error to the client: it gets a new session, the operator a line.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import os
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import lru_cache
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from steer.clock import Clock
from steer.store.errors import Conflict, StoreError
from steer.store.model import Acknowledge, Assignment, Condition, FieldsWritten, Namespace, Record, Value, Written

logger = logging.getLogger("steer.sessions.sealing")

FORMAT = b"\x01"
ID_BYTES = 4
NONCE_BYTES = 12
HEAD_BYTES = len(FORMAT) + ID_BYTES + NONCE_BYTES
OVERHEAD = HEAD_BYTES + 16

CIPHERS = 2048
"""Records whose cipher is kept, about 3 KiB each: a request reads its session and then writes it, and comes again."""

ALARM_EVERY = 60.0
"""Seconds between two lines of the log about the same kind of trouble; all are counted."""


class RingKey(Protocol):
    """`id` is 8 hexadecimal digits, `secret` 32 bytes."""

    @property
    def id(self) -> str: ...

    @property
    def secret(self) -> bytes: ...


class KeyRing(Protocol):
    """One key seals, all of them open: `steer.sessions.keyring.Ring` is one."""

    @property
    def keys(self) -> Sequence[RingKey]: ...

    @property
    def active(self) -> RingKey: ...


class Unopened(Exception):
    """The message says why, for the operator."""


class Seals:
    """The ciphers of one namespace. `ring` gives the ring as it is now."""

    def __init__(self, namespace: str, ring: Callable[[], KeyRing]) -> None:
        self._namespace = namespace.encode()
        self._sized_namespace = sized(self._namespace)
        self._ring = ring
        self._derive = lru_cache(maxsize=32)(self._namespace_key)
        self._ciphers = lru_cache(maxsize=CIPHERS)(self._cipher_of)

    def seal(self, key: bytes, kind: bytes, values: Mapping[bytes, bytes]) -> dict[bytes, bytes]:
        """The values of one record by field; a plain value is the field "" of kind `S`."""
        active = self._ring().active
        cipher = self._cipher(active, key)
        head = FORMAT + bytes.fromhex(active.id)
        return {field: self._sealed(cipher, head, self._place(kind, key, field), values[field]) for field in values}

    @staticmethod
    def _sealed(cipher: AESGCM, head: bytes, place: bytes, value: bytes) -> bytes:
        nonce = os.urandom(NONCE_BYTES)
        return head + nonce + cipher.encrypt(nonce, value, place)

    def open(self, key: bytes, kind: bytes, values: Mapping[bytes, bytes]) -> dict[bytes, bytes]:
        """All, or `Unopened`."""
        return {field: self._opened(key, kind, field, sealed) for field, sealed in values.items()}

    def _opened(self, key: bytes, kind: bytes, field: bytes, sealed: bytes) -> bytes:
        if len(sealed) < OVERHEAD or sealed[:1] != FORMAT:
            raise Unopened("a value is not sealed")
        id = sealed[1 : 1 + ID_BYTES].hex()
        found = self._key(id)
        nonce = sealed[HEAD_BYTES - NONCE_BYTES : HEAD_BYTES]
        try:
            return self._cipher(found, key).decrypt(nonce, sealed[HEAD_BYTES:], self._place(kind, key, field))
        except InvalidTag:
            raise Unopened("a value was changed, or moved from another place") from None

    def _key(self, id: str) -> RingKey:
        """Raises Unopened."""
        ring = self._ring()
        for each in (ring.active, *ring.keys):
            if each.id == id:
                return each
        raise Unopened(f"a value is sealed with key {id}, which is not in the ring")

    def names(self, key: bytes) -> list[bytes]:
        """The record's key as the engine has it, by each key of the ring; that of the active one is first."""
        ring = self._ring()
        keys = [ring.active, *(each for each in ring.keys if each.id != ring.active.id)]
        return [hmac.digest(self._derive(each.id, each.secret, b"names"), key, "sha256") for each in keys]

    def local_name(self, key: bytes) -> bytes:
        """Of a lock: the same whichever key is active, so that two edges in the middle of a rotation share it."""
        return hashlib.sha256(self._namespace + b"\0" + key).digest()

    def _cipher(self, ring_key: RingKey, key: bytes) -> AESGCM:
        return self._ciphers(ring_key.id, ring_key.secret, key)

    def _cipher_of(self, id: str, secret: bytes, key: bytes) -> AESGCM:
        return AESGCM(hmac.digest(self._derive(id, secret, b"values"), key, "sha256"))

    def _namespace_key(self, id: str, secret: bytes, use: bytes) -> bytes:
        return HKDF(SHA256(), 32, None, b"steer sessions " + use + b" " + self._namespace).derive(secret)

    def _place(self, kind: bytes, key: bytes, field: bytes) -> bytes:
        """Each part with its length: no two places are written alike."""
        return self._sized_namespace + sized(kind) + sized(key) + sized(field)


def sized(part: bytes) -> bytes:
    """With its length before it."""
    return len(part).to_bytes(4, "big") + part


class SealedNamespace:
    """A `Namespace` over another one, which gets ciphertext. `hides_keys` is `hash_keys`."""

    def __init__(self, inner: Namespace, seals: Seals, clock: Clock, *, hides_keys: bool = False) -> None:
        # For the life of the namespace.
        self._inner = inner
        self._seals = seals
        self._clock = clock
        self._hides_keys = hides_keys
        # So far.
        self.unopened = 0
        self._next_alarm = 0.0

    async def get(self, key: bytes) -> Record | None:
        record = await self._inner.get(await self._name(key))
        return self._open_if(key, record)

    async def get_all(self, keys: Sequence[bytes]) -> list[Record | None]:
        records = await self._inner.get_all([await self._name(key) for key in keys])
        return list(map(self._open_if, keys, records))

    async def put(
        self,
        key: bytes,
        value: bytes | Mapping[bytes, bytes],
        ttl: float | None,
        *,
        condition: Condition | None = None,
        request: bytes | None = None,
        acknowledge: Acknowledge | None = None,
        want_previous: bool = False,
    ) -> Written:
        try:
            written = await self._inner.put(
                await self._name(key),
                self._seal(key, value),
                ttl,
                condition=condition,
                request=request,
                acknowledge=acknowledge,
                want_previous=want_previous,
            )
        except Conflict as conflict:
            raise Conflict(conflict.stamp, self._open_if(key, conflict.current)) from conflict
        return Written(written.stamp, written.acknowledged, self._open_if(key, written.previous))

    async def put_all(self, puts: Sequence[Assignment]) -> list[Written | StoreError]:
        return await self._inner.put_all(
            [Assignment(await self._name(key), self._seal(key, value), ttl) for key, value, ttl in puts]
        )

    async def touch(self, key: bytes, ttl: float) -> bool:
        return await self._inner.touch(await self._name(key), ttl)

    async def delete(self, key: bytes, *, condition: Condition | None = None) -> bool:
        return await self._inner.delete(await self._name(key), condition=condition)

    async def put_fields(
        self,
        key: bytes,
        set: Mapping[bytes, bytes],
        unset: Collection[bytes],
        ttl: float | None,
        *,
        condition: Condition | None = None,
        request: bytes | None = None,
        acknowledge: Acknowledge | None = None,
    ) -> FieldsWritten:
        return await self._inner.put_fields(
            await self._name(key),
            self._seals.seal(key, b"H", set),
            unset,
            ttl,
            condition=condition,
            request=request,
            acknowledge=acknowledge,
        )

    async def scan(self, cursor: int, match: bytes | None, count: int) -> tuple[int, list[bytes]]:
        if self._hides_keys:
            raise StoreError("this namespace hides its keys (hash_keys): they cannot be listed")
        return await self._inner.scan(cursor, match, count)

    # Locks: their values are no session's, and are compared by the engine.

    async def local_set(self, key: bytes, value: bytes, ttl: float | None, *, only_absent: bool = False) -> bool:
        return await self._inner.local_set(self._local(key), value, ttl, only_absent=only_absent)

    async def local_get(self, key: bytes) -> bytes | None:
        return await self._inner.local_get(self._local(key))

    async def local_ttl(self, key: bytes) -> float | None:
        return await self._inner.local_ttl(self._local(key))

    async def local_delete(self, key: bytes, *, if_value: bytes | None = None) -> bool:
        return await self._inner.local_delete(self._local(key), if_value=if_value)

    async def local_touch(self, key: bytes, ttl: float, *, if_value: bytes | None = None) -> bool:
        return await self._inner.local_touch(self._local(key), ttl, if_value=if_value)

    # Names.

    def _local(self, key: bytes) -> bytes:
        return self._seals.local_name(key) if self._hides_keys else key

    async def _name(self, key: bytes) -> bytes:
        """Where the record is, under the active key's name: one that an earlier key named is moved there first."""
        if not self._hides_keys:
            return key
        name, *others = self._seals.names(key)
        for other in others:
            record = await self._inner.get(other)
            if record is not None:
                await self._move(other, name, record)
        return name

    async def _move(self, old: bytes, new: bytes, record: Record) -> None:
        """Its value stays as it is sealed: names are no part of what is authenticated. The later write wins."""
        there = await self._inner.get(new)
        if there is None or there.stamp < record.stamp:
            ttl = max(0.001, record.deadline - self._clock.wall())
            await self._inner.put(new, record.value, ttl, condition=there.stamp if there else "absent")
        await self._inner.delete(old)

    # Values.

    def _seal(self, key: bytes, value: bytes | Mapping[bytes, bytes]) -> Value:
        if isinstance(value, bytes):
            return self._seals.seal(key, b"S", {b"": value})[b""]
        return self._seals.seal(key, b"H", value)

    def _open_if(self, key: bytes, record: Record | None) -> Record | None:
        return self._open(key, record) if record is not None else None

    def _open(self, key: bytes, record: Record) -> Record | None:
        try:
            return Record(self._opened(key, record.value), record.stamp, record.deadline)
        except Unopened as problem:
            self._alarm(key, problem)
            return None

    def _opened(self, key: bytes, value: Value) -> Value:
        if isinstance(value, bytes):
            return self._seals.open(key, b"S", {b"": value})[b""]
        return self._seals.open(key, b"H", value)

    def _alarm(self, key: bytes, problem: Unopened) -> None:
        """The key itself may let somebody in: the log gets a digest of it."""
        self.unopened += 1
        now = self._clock.monotonic()
        if now >= self._next_alarm:
            self._next_alarm = now + ALARM_EVERY
            logger.error("record %s counts as absent: %s", hashlib.sha256(key).hexdigest()[:8], problem)
