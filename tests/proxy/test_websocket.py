from __future__ import annotations

from steer.proxy.websocket import accept_for


def test_the_proof_is_that_of_rfc_6455_section_1_3() -> None:
    assert accept_for(b"dGhlIHNhbXBsZSBub25jZQ==") == b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
