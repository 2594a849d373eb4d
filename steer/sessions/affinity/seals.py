"""Sealing: AES-256-GCM under the ring's active key, opening under any of its keys.

    key id (4 bytes) | nonce (12, random) | ciphertext | tag (16)

A random nonce is safe for 2**32 messages under one key (NIST SP 800-38D, section 8.3): 49 days of a thousand new
cookies a second, which is why keys are rotated.
"""

from __future__ import annotations

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from steer.sessions.keyring import ID_BYTES, Ring

NONCE_BYTES = 12
TAG_BYTES = 16
OVERHEAD = ID_BYTES + NONCE_BYTES + TAG_BYTES


class Seals:
    """The ciphers of one process. `version` changes with the ring."""

    def __init__(self, ring: Ring) -> None:
        self.version = 0
        self._take(ring)

    def follow(self, ring: Ring) -> None:
        """Seal and open with these keys from now on."""
        self.version += 1
        self._take(ring)

    def _take(self, ring: Ring) -> None:
        self._ciphers = {bytes.fromhex(key.id): AESGCM(key.secret) for key in ring.keys}
        self._active = bytes.fromhex(ring.active.id)

    def seal(self, plain: bytes, context: bytes) -> bytes:
        nonce = os.urandom(NONCE_BYTES)
        return self._active + nonce + self._ciphers[self._active].encrypt(nonce, plain, context)

    def open(self, sealed: bytes, context: bytes) -> bytes | None:
        """None: under no key of ours, for another context, or changed on the way."""
        cipher = self._ciphers.get(sealed[:ID_BYTES])
        if cipher is None:
            return None
        nonce_end = ID_BYTES + NONCE_BYTES
        try:
            return cipher.decrypt(sealed[ID_BYTES:nonce_end], sealed[nonce_end:], context)
        except InvalidTag:
            return None
