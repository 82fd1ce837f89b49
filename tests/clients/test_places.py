"""How origins and address ranges may be written."""

from __future__ import annotations

import re

import pytest
from mintgate.places import parse_cidr, parse_origin

ORIGINS = (
    "https://app.example.com",
    "https://app.example.com:8443",
    "http://localhost:3000",
    "http://127.0.0.1:5173",
    "http://[::1]:5173",
    "https://*.example.com",
    "https://*.preview.example.com:8443",
    "http://*.localhost:3000",
    "https://xn--bcher-kva.example",
    "capacitor://localhost",
    "tauri://localhost",
    "chrome-extension://abcdefghijklmnop",
)

BAD_ORIGINS = (
    ("", "is not an origin"),
    ("*", "is not an origin"),
    ("null", "sandboxed"),
    ("app.example.com", "is not an origin"),
    ("https://app.example.com/", "without a path"),
    ("https://app.example.com/chat", "without a path"),
    ("https://App.example.com", "lower case"),
    ("https://user@example.com", "is not an origin"),
    ("https://bücher.example", "is not an origin"),
    ("https://a..example.com", "empty label"),
    ("https://app.example.com:443", "write 'https://app.example.com'"),
    ("http://app.example.com:80", "write 'http://app.example.com'"),
    ("https://app.example.com:65536", "above 65535"),
    ("https://app.example.com:", "is not an origin"),
    ("https://*", "is not an origin"),
    ("https://*.com", "every site under 'com'"),
    ("https://app.*.com", "is not an origin"),
    ("https://*app.example.com", "is not an origin"),
    ("https://*.*.example.com", "is not an origin"),
    ("https://app.example.com\n", "is not an origin"),
    ("https://" + "a" * 300, "at most 300"),
)

CIDRS = (
    ("203.0.113.0/24", "203.0.113.0/24"),
    ("203.0.113.7", "203.0.113.7/32"),
    ("0.0.0.0/0", "0.0.0.0/0"),
    ("2001:db8::/32", "2001:db8::/32"),
    ("2001:0DB8:0::1", "2001:db8::1/128"),
    ("10.0.0.0/255.0.0.0", "10.0.0.0/8"),
)

BAD_CIDRS = (
    ("", "is not a range"),
    ("example.com", "is not a range"),
    ("203.0.113.0/33", "is not a range"),
    ("203.0.113.07/32", "is not a range"),
    ("203.0.113/24", "is not a range"),
    ("fe80::1%eth0", "is not a range"),
    ("1" * 5_000, "is not a range"),
    ("203.0.113.7/24", "write '203.0.113.0/24'"),
    ("2001:db8::1/32", "write '2001:db8::/32'"),
    ("::ffff:203.0.113.0/120", "write '203.0.113.0/24'"),
)


@pytest.mark.parametrize("text", ORIGINS)
def test_origins_as_browsers_write_them_are_kept(text: str) -> None:
    """What is taken is kept to the letter, because it is compared to the letter."""
    assert parse_origin(text) == text


@pytest.mark.parametrize(("text", "told"), BAD_ORIGINS)
def test_what_no_browser_sends_is_refused(text: str, told: str) -> None:
    """An entry that could never match, or would match too much, is refused with what to write."""
    with pytest.raises(ValueError, match=re.escape(told)) as refused:
        parse_origin(text)
    assert len(str(refused.value)) < 600


@pytest.mark.parametrize(("text", "kept"), CIDRS)
def test_ranges_are_kept_as_the_library_writes_them(text: str, kept: str) -> None:
    """An address alone is a range of one."""
    assert parse_cidr(text) == kept


@pytest.mark.parametrize(("text", "told"), BAD_CIDRS)
def test_what_is_no_range_is_refused(text: str, told: str) -> None:
    """A range that means something else than it looks like is refused with what to write."""
    with pytest.raises(ValueError, match=re.escape(told)) as refused:
        parse_cidr(text)
    assert len(str(refused.value)) < 600
