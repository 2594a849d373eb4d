"""The globs of SCAN, as Redis understands them."""

from __future__ import annotations

from time import monotonic

import pytest

from steer.store.glob import matches
from tests.kit.redis import RedisServer, needs_redis

PATTERNS = [
    "*",
    "a*",
    "*a",
    "a*c",
    "a?c",
    "a[bx]c",
    "a[^bx]c",
    "a[b-d]c",
    "a[d-b]c",
    r"a\*c",
    r"a[\]]c",
    "a[",
    "**c",
    "a*b*c",
]
PATTERNS += ["?", "a[b", "[", "a[]c", "a[^]c", "abc", "*b*"]
KEYS = [b"abc", b"axc", b"adc", b"a*c", b"a]c", b"abbc", b"a", b"ac", b"a-c", b"xabc"]


@pytest.mark.parametrize("pattern", ["a*", "*a*b*c*", "a[^x]*", r"\a*", "?*?"])
def test_a_star_takes_any_number_of_bytes(pattern: str) -> None:
    assert matches(b"a\nb\xffc", pattern.encode())
    assert not matches(b"", b"?")


def test_a_pattern_of_a_client_takes_no_more_steps_than_key_times_pattern() -> None:
    begin = monotonic()
    assert not matches(b"a" * 1024, b"*a" * 500 + b"b")
    assert monotonic() - begin < 5.0


@needs_redis
def test_it_says_what_redis_says(redis_server: RedisServer) -> None:
    redis_server.ask("FLUSHALL")
    for key in KEYS:
        redis_server.ask(f'SET "{key.decode()}" x')
    for pattern in PATTERNS:
        quoted = pattern.replace("\\", "\\\\")
        count = redis_server.ask(f'EVAL "return #redis.call(\'KEYS\', ARGV[1])" 0 "{quoted}"')
        assert count == f":{sum(matches(key, pattern.encode()) for key in KEYS)}", pattern
