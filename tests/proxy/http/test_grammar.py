"""The expressions, at their edges. What they mean for whole messages stands in tests/compliance."""

from __future__ import annotations

import re

import pytest

from steer.proxy.http import grammar


@pytest.mark.parametrize(
    ("expression", "fits", "does_not"),
    [
        (grammar.TOKEN, ["GET", "a", "!#$%&'*+-.^_`|~"], ["", "a b", "a:", "a\xe9", "a\n", "(a)"]),
        (grammar.FIELD, ["a:", "a:b", "a: b:c", "a:\tb \xff"], ["a", ":b", "a :b", " a:b", "a:b\n", "a:\0", "a:\x7f"]),
        (grammar.TARGET, ["/", "*", '/a?b\\"<>', "~"], ["", "/#", "/ ", "/\x7f", "/\xe9", "/\n"]),
        (grammar.CONTENT_LENGTH, ["0", "007", "9" * 18], ["", "-1", "+1", "1 ", "1,1", "9" * 19, "1\n", "\xb2"]),
        (
            grammar.AUTHORITY,
            ["a", "a.b", "a-b_c", "127.0.0.1", "[::1]", "[::ffff:1.2.3.4]:1", "a:80", "a."],
            ["", ":80", "a:", "a:b", "a:123456", "-a", ".a", "a b", "a@b", "a/b", "[", "[g]", "::1", "a%41", "a\n"],
        ),
        (
            grammar.ABSOLUTE_FORM,
            ["http://a", "HTTPS://a/b?c", "http://a?b"],
            ["ftp://a", "http:///", "http://a@b", "//a"],
        ),
        (
            grammar.STATUS_LINE,
            ["HTTP/1.1 200 OK", "HTTP/1.0 599 ", "HTTP/1.1 100"],
            ["HTTP/1.1 600 A", "HTTP/1.1 20 A", "HTTP/2.0 200 A", "HTTP/1.1  200", "HTTP/1.1 200A", "HTTP/1.1 200 \n"],
        ),
        (
            grammar.CHUNK_LINE,
            ["0", "aB9", "5;a", "5 ;a=b", "5\t;"],
            ["", "5 ", " 5", "0x5", "-5", "g", "5,", "5\n", "1" * 16],
        ),
        (grammar.WEBSOCKET_KEY, ["A" * 22 + "=="], ["A" * 22, "A" * 23 + "==", "A" * 21 + "-==", "A" * 22 + "==\n"]),
    ],
    ids=["token", "field", "target", "length", "authority", "absolute form", "status line", "chunk line", "key"],
)
def test_an_expression_takes_and_refuses(expression: re.Pattern[bytes], fits: list[str], does_not: list[str]) -> None:
    assert [text for text in fits if not expression.fullmatch(text.encode("latin-1"))] == []
    assert [text for text in does_not if expression.fullmatch(text.encode("latin-1"))] == []


@pytest.mark.parametrize(
    ("path", "is_found"),
    [
        (b"/.", True),
        (b"/..", True),
        (b"/a/./b", True),
        (b"/%2e%2E/", True),
        (b"/.%2e;a", True),
        (b"/a\\..\\b", True),
        (b"/a%2f..%5Cb", True),
        (b"/...", False),
        (b"/.a", False),
        (b"/a.", False),
        (b"/a../b", False),
        (b"/%2e%2ea", False),
        (b"/..%20", False),
    ],
)
def test_dot_segments_are_found(path: bytes, is_found: bool) -> None:
    assert bool(grammar.DOT_SEGMENT.search(path)) is is_found


@pytest.mark.parametrize(
    ("data", "is_bare"),
    [
        (b"", False),
        (b"a\r\nb\r\n", False),
        (b"a\r", False),
        (b"\r\n\r", False),
        (b"\n", True),
        (b"a\nb", True),
        (b"\r\r\n", True),
        (b"a\rb", True),
        (b"\r\n\n", True),
        (b"\n\r", True),
        (b"\r\r", True),
    ],
)
def test_bare_line_ends_are_found_and_a_last_cr_may_still_get_its_lf(data: bytes, is_bare: bool) -> None:
    assert grammar.has_bare_line_end(data) is is_bare


@pytest.mark.parametrize(
    ("data", "left"),
    [(b"\r\n\r\nGET", b"GET"), (b"GET\r\n\r\n", b"GET\r\n\r\n"), (b"\n\r\n", b"\n\r\n"), (b"\r\n", b"")],
)
def test_empty_lines_are_taken_from_the_beginning_only(data: bytes, left: bytes) -> None:
    assert grammar.EMPTY_LINES.sub(b"", data) == left
