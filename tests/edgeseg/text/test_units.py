"""Byte counts and link rates are read and written as people write them."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeseg.errors import UsageError
from edgeseg.text.units import (
    format_bytes,
    format_count,
    format_rate,
    format_seconds,
    parse_bytes,
    parse_rate,
    parse_seconds,
)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("4096", 4096),
        ("512MiB", 512 * 2**20),
        ("512 mib", 512 * 2**20),
        ("1.5GB", 1_500_000_000),
        (" 2 KiB ", 2048),
        ("7B", 7),
        ("1kb", 1000),
    ],
)
def test_byte_counts_are_read(text: str, count: int) -> None:
    assert parse_bytes(text) == count


@pytest.mark.parametrize("text", ["", "MiB", "-1", "0", "0.4", "1 TB", "1e9", "1,5GB", "½", "٣MiB"])
def test_what_is_no_byte_count_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_bytes(text)


@given(st.text(max_size=400) | st.from_regex(r"\d+(\.\d+)?\s*[kKmMgG]?i?B?", fullmatch=True))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(UsageError):
        assert parse_bytes(text) > 0


@pytest.mark.parametrize(
    ("text", "rate"),
    [("100Mbit", 12.5e6), ("1Gbit", 125e6), ("2.5 gbit/s", 312.5e6), ("8kbit", 1e3), ("8 bit", 1)],
)
def test_rates_are_read_as_bytes_a_second(text: str, rate: float) -> None:
    assert parse_rate(text) == rate


@pytest.mark.parametrize("text", ["", "100", "Mbit", "-1Mbit", "0Gbit", "100MB", "1Tbit", "1e3bit"])
def test_what_is_no_rate_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_rate(text)


@given(st.integers(1, 2**50))
def test_what_is_written_is_read_back(count: int) -> None:
    """The unit is the largest that leaves at least one, and one decimal place is kept."""
    assert parse_bytes(format_bytes(count)) == pytest.approx(count, rel=0.05)


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (484 * 2**20, "484 MiB")],
)
def test_bytes_are_written_in_binary_units(count: int, text: str) -> None:
    assert format_bytes(count) == text


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0"), (999, "999"), (96_200_556_544, "96.2 G"), (2e15, "2000 T")]
)
def test_counts_are_written_in_decimal_units(count: float, text: str) -> None:
    assert format_count(count) == text


@pytest.mark.parametrize(
    ("rate", "text"),
    [
        (117.9e6, "943.2Mbit"),
        (2.5e9, "20Gbit"),
        (0.125e6, "1Mbit"),
        (100, "800bit"),
        (1.249999e8, "1000Mbit"),
    ],
)
def test_rates_are_written_as_they_are_read(rate: float, text: str) -> None:
    assert format_rate(rate) == text
    assert parse_rate(text) == pytest.approx(rate, rel=1e-3)


@pytest.mark.parametrize(
    ("seconds", "written"),
    [
        (0, "0 s"),
        (0.4, "0 s"),
        (45, "45 s"),
        (60, "1 min"),
        (185, "3 min 5 s"),
        (3600, "1 h"),
        (3605, "1 h"),
        (3600 * 52 + 60, "2 d 4 h"),
    ],
)
def test_durations_are_written_in_their_two_largest_units(seconds: float, written: str) -> None:
    assert format_seconds(seconds) == written


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("30s", 30), ("2min", 120), ("1.5 h", 5400), ("0", 0)]
)
def test_times_are_read_as_people_write_them(text: str, seconds: float) -> None:
    assert parse_seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "-1", "2 years", "nan", "1e3"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is no time"):
        parse_seconds(text)
