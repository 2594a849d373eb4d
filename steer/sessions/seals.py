"""Sealing at the door: an engine, its disk and its replicas see ciphertext; with `hash_keys` not even the ids.

A value is AES-256-GCM under a key of its record alone:

    1 (one byte) | key id (4) | nonce (12, random) | ciphertext | tag (16)
    record key = HMAC(namespace key, record's key)     namespace key = HKDF(ring's key, namespace)

So the number of values under one ring key is without practical limit (NIST SP 800-38D, section 8.3: 2**32 for one key
and random nonces). Namespace, kind, record's key and field are authenticated with it: a value cannot be moved to
another session, another field, another namespace. An engine's owner can still put back an older value of the same
place: who may write to the engine is for its access rules.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

FORMAT = b"\x01"
ID_BYTES = 4
NONCE_BYTES = 12
HEAD_BYTES = len(FORMAT) + ID_BYTES + NONCE_BYTES
OVERHEAD = HEAD_BYTES + 16

CIPHERS = 2048
"""Records whose cipher is kept, about 3 KiB each: a request reads its session and then writes it, and comes again."""


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
