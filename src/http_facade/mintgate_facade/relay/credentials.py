"""Finds the caller's key in every place an SDK may put it, and takes it out of all of them.

Places (facts: SDK sources, 2026-11): `Authorization: Bearer|Token|Key|Basic`,
`x-api-key`, `x-goog-api-key`, `xi-api-key`, `api-key`, and the query parameters
`key`, `api_key`, `access_token`, `token`. A key anywhere else, such as in a JSON body, is not
looked for. The secret is hashed at once and kept nowhere.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote_plus

from mintgate_facade.dialects.base import Failure, FailureKind, RefusedRequest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mintgate_facade.relay.asgi import Headers

KEY_HEADERS = frozenset({b"x-api-key", b"x-goog-api-key", b"xi-api-key", b"api-key"})
KEY_PARAMETERS = frozenset({b"key", b"api_key", b"access_token", b"token"})
CREDENTIAL_HEADERS = KEY_HEADERS | {b"authorization", b"proxy-authorization"}

_KEY = re.compile(rb"qlk_live_[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Presented:
    """Who asks."""

    secret_sha256: bytes
    query: bytes
    """The query string without any key, otherwise byte for byte."""


def read_credentials(headers: Headers, query: bytes) -> Presented:
    """Find the one key of a request.

    Raises `RefusedRequest` (401) when there is none, when two differ, and when
    it is not a key of this gateway.
    """
    found = set(_in_headers(headers))
    kept = query
    if query:
        kept, in_query = _split_query(query)
        found.update(in_query)
    found.discard(b"")
    if not found:
        raise _refused("No API key was sent. Send the key that this gateway gave you.")
    if len(found) > 1:
        raise _refused("Two different API keys were sent. Send exactly one.")
    secret = found.pop()
    if _KEY.fullmatch(secret) is None:
        raise _refused("The API key is not one of this gateway: it begins with qlk_live_.")
    return Presented(hashlib.sha256(secret).digest(), kept)


def _in_headers(headers: Headers) -> Iterator[bytes]:
    for name, value in headers:
        if name == b"authorization":
            yield _in_authorization(value)
        elif name in KEY_HEADERS:
            yield value.strip()


def _in_authorization(value: bytes) -> bytes:
    scheme, _, rest = value.strip().partition(b" ")
    rest = rest.strip()
    kind = scheme.lower()
    if kind in {b"bearer", b"token", b"key"}:
        return rest
    if kind != b"basic":
        return value.strip()
    try:
        user, _, password = base64.b64decode(rest, validate=True).partition(b":")
    except binascii.Error:
        return rest
    return password if _KEY.fullmatch(password) else user


def _split_query(query: bytes) -> tuple[bytes, list[bytes]]:
    kept: list[bytes] = []
    keys: list[bytes] = []
    for part in query.split(b"&"):
        name, _, value = part.partition(b"=")
        if unquote_plus(name.decode("latin-1")).encode() in KEY_PARAMETERS:
            keys.append(unquote_plus(value.decode("latin-1")).encode().strip())
        else:
            kept.append(part)
    return b"&".join(kept), keys


def _refused(message: str) -> RefusedRequest:
    return RefusedRequest(Failure(FailureKind.UNAUTHENTICATED, message))
