from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steer.config.units import (
    format_duration,
    format_share,
    format_size,
    parse_duration,
    parse_share,
    parse_size,
)

numbers = st.integers(0, 999_999_999)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("500ms", 0.5), ("5s", 5.0), ("1.5s", 1.5), ("10m", 600.0), ("8h", 28_800.0), ("400d", 34_560_000.0), ("0s", 0.0)],
)
def test_durations_are_seconds(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "5", "s", "-5s", "5 s", "5S", "1h30m", "1e3s", "5sec", "\u0663s", "1.s", 5, 5.0, None, True]
)
def test_what_is_no_duration_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="must be a duration such as 500ms, 5s, 10m or 8h"):
        parse_duration(text)


@given(numbers, st.sampled_from(["ms", "s", "m", "h", "d"]))
def test_a_duration_that_is_written_again_is_the_same_and_no_longer(number: int, unit: str) -> None:
    seconds = parse_duration(f"{number}{unit}")
    again = format_duration(seconds)
    assert parse_duration(again) == seconds
    assert format_duration(parse_duration(again)) == again
    assert len(again) <= len(f"{number}{unit}")


@given(st.decimals(0, 100, places=3))
def test_a_share_that_is_written_again_is_the_same(percent: object) -> None:
    share = parse_share(f"{percent}%")
    assert 0 <= share <= 1
    assert parse_share(format_share(share)) == share


@pytest.mark.parametrize(("text", "share"), [("20%", 0.2), ("0%", 0.0), ("100%", 1.0), ("0.5%", 0.005)])
def test_shares_are_parts_of_one(text: str, share: float) -> None:
    assert parse_share(text) == share
    assert format_share(share) == text


@pytest.mark.parametrize("text", ["20", "101%", "-1%", "%", "20 %", 0.2, 20, None])
def test_what_is_no_share_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="must be a share from 0% to 100%"):
        parse_share(text)


@given(numbers, st.sampled_from(["B", "KiB", "MiB", "GiB"]))
def test_a_size_that_is_written_again_is_the_same(number: int, unit: str) -> None:
    size = parse_size(f"{number}{unit}")
    assert parse_size(format_size(size)) == size


@pytest.mark.parametrize(("text", "size"), [("64KiB", 65_536), ("512B", 512), ("1GiB", 1 << 30), (0, 0), (1000, 1000)])
def test_sizes_are_bytes(text: object, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["64", "64kb", "64KB", "1.5KiB", "-1B", -1, 1.0, True, None])
def test_what_is_no_size_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="must be a size such as 64KiB"):
        parse_size(text)
