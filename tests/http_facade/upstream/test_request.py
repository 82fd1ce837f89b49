"""Requests as they are written to a provider."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from mintgate_facade.upstream.request import (
    WHOLE_BODY_BYTES_MAX,
    Origin,
    render,
    split_url,
)

ORIGIN = Origin("api.example.com", 443, tls=True, authority="api.example.com")


@pytest.mark.parametrize(
    ("url", "origin", "target"),
    [
        ("https://api.example.com/v1/chat?a=b", ORIGIN, "/v1/chat?a=b"),
        ("https://api.example.com", ORIGIN, "/"),
        ("http://[::1]:8080/x", Origin("::1", 8080, tls=False, authority="[::1]:8080"), "/x"),
        ("http://localhost/x", Origin("localhost", 80, tls=False, authority="localhost"), "/x"),
    ],
)
def test_url_is_an_origin_and_a_target(url: str, origin: Origin, target: str) -> None:
    """A URL says where to connect and what to ask for there."""
    assert split_url(url) == (origin, target)


@pytest.mark.parametrize("url", ["ftp://host/x", "host/x", "https:///x", "http://host:port/x"])
def test_what_is_no_address_is_refused(url: str) -> None:
    """Only http and https lead to a provider."""
    with pytest.raises(ValueError, match=r"address|[Pp]ort"):
        split_url(url)


def test_password_of_an_address_is_not_told() -> None:
    """Credentials in a base URL never stand in the Host header."""
    assert split_url("http://user:secret@host:81/x")[0].authority == "host:81"


@pytest.mark.parametrize("target", ["/a b", "/a\r\nx: y", "/\x00", "/a\tb"])
def test_target_cannot_end_its_line(target: str) -> None:
    """A path that holds white space or a control character is not sent."""
    with pytest.raises(ValueError, match="percent-encoded"):
        render("GET", ORIGIN, target, {}, b"")


@pytest.mark.parametrize(
    "headers", [{"x": "a\r\nhost: b"}, {"x": "a\nb"}, {"x\r\ny": "a"}, {"x": "a\rb"}]
)
def test_header_cannot_begin_another(headers: dict[str, str]) -> None:
    """A header that holds the end of a line is not sent."""
    with pytest.raises(ValueError, match="end of a line"):
        render("POST", ORIGIN, "/", headers, b"{}")


def test_short_body_is_written_with_its_head() -> None:
    """One write carries the whole request, its length stated."""
    request = render("POST", ORIGIN, "/v1", {"x-name": "naïve"}, b"{}")
    assert request.body is None
    assert request.head == (
        b"POST /v1 HTTP/1.1\r\nhost: api.example.com\r\nx-name: na\xefve\r\n"
        b"content-length: 2\r\n\r\n{}"
    )


def test_only_methods_with_a_body_state_an_empty_one() -> None:
    """A POST without a body has the length 0, which some servers insist on; a GET has none."""
    assert b"content-length: 0" in render("POST", ORIGIN, "/", {}, b"").head
    assert b"content-length" not in render("GET", ORIGIN, "/", {}, b"").head


def test_long_body_is_written_piece_by_piece() -> None:
    """A body that would stall the loop is read from like a file."""
    body = b"x" * (WHOLE_BODY_BYTES_MAX + 1)
    request = render("POST", ORIGIN, "/", {}, body)
    assert b"content-length: %d" % len(body) in request.head
    assert request.body is not None
    assert request.body.read() == body


def test_file_is_sent_from_where_it_stands(tmp_path: Path) -> None:
    """The length is what is left of the file, in memory or on disk."""
    path = tmp_path / "upload"
    path.write_bytes(b"0123456789")
    with path.open("rb") as file:
        file.seek(4)
        assert b"content-length: 6" in render("POST", ORIGIN, "/", {}, file).head
    memory = io.BytesIO(b"0123456789")
    memory.seek(9)
    assert b"content-length: 1" in render("POST", ORIGIN, "/", {}, memory).head
