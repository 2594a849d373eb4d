from __future__ import annotations

from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steer.proxy.http.cookies import cookie, drop_set_cookies, is_public, take_cookies

NAMES = (b"steer", b"__Host-steer")


@pytest.mark.parametrize(
    ("line", "left", "values"),
    [
        (b"Cookie: a=1; __Host-steer=x; b=2", b"Cookie: a=1; b=2", [b"x"]),
        (b"Cookie: __Host-steer=x; b=2", b"Cookie: b=2", [b"x"]),
        (b"cookie: a=1; __Host-steer=x", b"cookie: a=1", [b"x"]),
        (b"Cookie:__Host-steer=x;b=2;  c=3", b"Cookie:b=2;  c=3", [b"x"]),
        (b"Cookie: a=1;steer = x ;b=2", b"Cookie: a=1;b=2", [b"x"]),
        (b"Cookie: a=1; steer=x;", b"Cookie: a=1;", [b"x"]),
        (b"Cookie: a=steer=x; steer=y; b=2;steer=z", b"Cookie: a=steer=x; b=2", [b"y", b"z"]),
        (b"Cookie: steer=x=y=", None, [b"x=y="]),
        (b"Cookie: steer=x; ", None, [b"x"]),
        (b"Cookie: steer=x; steer=y; __Host-steer=z", None, [b"x", b"y", b"z"]),
        (b"Cookie: not-steer=1; steer-not=2; Steer=3", b"Cookie: not-steer=1; steer-not=2; Steer=3", []),
        (b"Cookie: a=steer; steer", b"Cookie: a=steer; steer", []),
        (b"X-Cookie: steer=x", b"X-Cookie: steer=x", []),
    ],
)
def test_a_cookie_is_taken_out_and_the_others_stay_as_they_are(
    line: bytes, left: bytes | None, values: list[bytes]
) -> None:
    lines = [b"Accept: */*", line, b"Via: 1.1 x"]
    assert [value for _, value in take_cookies(lines, NAMES)] == values
    assert lines == [b"Accept: */*", *([left] if left is not None else []), b"Via: 1.1 x"]


def test_it_is_taken_out_of_every_line_and_named() -> None:
    lines = [b"Cookie: steer=1", b"Cookie: a=b", b"Cookie: __Host-steer=2; c=d"]
    assert take_cookies(lines, NAMES) == [(b"steer", b"1"), (b"__Host-steer", b"2")]
    assert lines == [b"Cookie: a=b", b"Cookie: c=d"]


PAIRS = st.lists(st.binary(max_size=12).filter(lambda pair: b";" not in pair and b"steer" not in pair), max_size=6)


@given(PAIRS, PAIRS)
def test_whatever_stands_around_it_stays_byte_for_byte(before: list[bytes], after: list[bytes]) -> None:
    lines = [b"Cookie:" + b";".join([*before, b" steer=x", *after])]
    assert take_cookies(lines, NAMES) == [(b"steer", b"x")]
    rest = [*before, *after]
    assert lines == ([b"Cookie:" + b";".join(rest)] if b"".join(rest).strip(b" \t") else [])


def test_a_line_full_of_them_costs_what_its_length_does() -> None:
    assert seconds_for(8000) < 30 * seconds_for(1000), "linear: 8, quadratic: 64"


def seconds_for(pairs: int) -> float:
    """The least of a few, since noise only adds."""
    line = b"Cookie: " + b"steer=x;" * pairs + b"a=1"
    found = []
    for _ in range(5):
        lines, began = [line], process_time()
        assert len(take_cookies(lines, NAMES)) == pairs
        found.append(process_time() - began)
        assert lines == [b"Cookie:a=1"]
    return min(found)


def test_a_cookie_is_found_by_its_name() -> None:
    lines = [b"Cookie: a=1; session=2; b=3", b"Cookie: session=4"]
    assert cookie(lines, b"session") == b"2"
    assert cookie(lines, b"sess") is None
    assert cookie([b"Accept: session=1"], b"session") is None


def test_a_nodes_own_cookie_of_the_name_goes_and_its_others_stay() -> None:
    lines = [
        b"Set-Cookie: steer=x; Path=/",
        b"set-cookie:__Host-steer=; Max-Age=0",
        b"Set-Cookie: session=steer; Path=/",
        b"Set-Cookie: steering=1",
        b"X-Steer: steer=x",
    ]
    assert drop_set_cookies(lines, NAMES) == lines[2:]


@pytest.mark.parametrize(
    ("value", "public"),
    [
        (b"Cache-Control: public", True),
        (b"cache-control:max-age=60, PUBLIC", True),
        (b"Cache-Control: s-maxage=1", True),
        (b"Cache-Control: private, max-age=60", False),
        (b"Cache-Control: max-age=60", False),
        (b'Cache-Control: no-cache="public-x"', False),
        (b"X-Cache-Control: public", False),
    ],
)
def test_what_a_shared_cache_may_keep_is_public(value: bytes, public: bool) -> None:
    assert is_public([b"Content-Type: text/html", value]) is public
