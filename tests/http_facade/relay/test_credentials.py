"""Every place an SDK may put a key, and what is no key of ours."""

from __future__ import annotations

import base64
import hashlib

import pytest
from mintgate_facade.dialects.base import FailureKind, RefusedRequest
from mintgate_facade.relay.credentials import read_credentials

KEY = b"qlk_live_" + b"0a" * 32
OTHER = b"qlk_live_" + b"0b" * 32
DIGEST = hashlib.sha256(KEY).digest()


def basic(text: bytes) -> bytes:
    return b"Basic " + base64.b64encode(text)


PLACES: list[tuple[list[tuple[bytes, bytes]], bytes]] = [
    ([(b"authorization", b"Bearer " + KEY)], b""),
    ([(b"authorization", b"bearer  " + KEY)], b""),
    ([(b"authorization", b"Token " + KEY)], b""),
    ([(b"authorization", b"Key " + KEY)], b""),
    ([(b"authorization", basic(KEY + b":"))], b""),
    ([(b"authorization", basic(b"user:" + KEY))], b""),
    ([(b"x-api-key", KEY)], b""),
    ([(b"x-goog-api-key", KEY)], b""),
    ([(b"xi-api-key", KEY)], b""),
    ([(b"api-key", KEY)], b""),
    ([], b"key=" + KEY),
    ([], b"api_key=" + KEY),
    ([], b"access_token=" + KEY),
    ([], b"k%65y=" + KEY),
    ([(b"authorization", b"Bearer " + KEY), (b"x-api-key", KEY)], b"key=" + KEY),
]


@pytest.mark.parametrize(("headers", "query"), PLACES)
def test_a_key_is_found(headers: list[tuple[bytes, bytes]], query: bytes) -> None:
    """A key is found wherever an SDK may put it, and only its digest is kept."""
    presented = read_credentials(headers, query)

    assert presented.secret_sha256 == DIGEST
    assert KEY not in repr(presented).encode()
    assert presented.query == b""


REFUSED: list[tuple[list[tuple[bytes, bytes]], bytes, str]] = [
    ([], b"", "No API key"),
    ([(b"x-api-key", b" ")], b"", "No API key"),
    ([(b"authorization", b"Bearer " + KEY), (b"x-api-key", OTHER)], b"", "Two different"),
    ([(b"authorization", b"Bearer " + KEY)], b"key=" + OTHER, "Two different"),
    ([(b"authorization", b"Bearer " + KEY), (b"authorization", b"Bearer x")], b"", "Two different"),
    ([(b"authorization", b"Bearer sk-something")], b"", "not one of this gateway"),
    ([(b"authorization", b"Bearer " + KEY.upper())], b"", "not one of this gateway"),
    ([(b"authorization", b"Bearer " + KEY + b"0")], b"", "not one of this gateway"),
    ([(b"authorization", KEY[:-1])], b"", "not one of this gateway"),
    ([(b"authorization", b"Basic !!!")], b"", "not one of this gateway"),
]


@pytest.mark.parametrize(("headers", "query", "words"), REFUSED)
def test_what_is_no_key_is_refused(
    headers: list[tuple[bytes, bytes]], query: bytes, words: str
) -> None:
    """No key, two keys and a foreign key are each a 401 that says which, without the key."""
    with pytest.raises(RefusedRequest) as refused:
        read_credentials(headers, query)

    assert FailureKind.UNAUTHENTICATED is refused.value.failure.kind
    assert words in refused.value.failure.message
    assert "0a0a" not in refused.value.failure.message


def test_the_rest_of_the_query_stays_as_it_is() -> None:
    """Only keys leave the query; everything else keeps its bytes and order."""
    query = b"alt=sse&x=%2F+a&key=" + KEY + b"&$filter=a=b&x="
    assert read_credentials([], query).query == b"alt=sse&x=%2F+a&$filter=a=b&x="
