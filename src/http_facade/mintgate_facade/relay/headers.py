"""Which headers pass the gateway, in either direction."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from mintgate_facade.relay.credentials import CREDENTIAL_HEADERS

if TYPE_CHECKING:
    from collections.abc import Collection

    from mintgate_facade.relay.asgi import Headers

_HOP_BY_HOP = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)

_REQUEST_DROPPED = (
    _HOP_BY_HOP
    | CREDENTIAL_HEADERS
    | {
        # Made anew for the provider.
        b"host",
        b"content-length",
        b"accept-encoding",
        b"expect",
        # They would choose an account, project or tenant of the operator's.
        b"cookie",
        b"openai-organization",
        b"openai-project",
        b"anthropic-workspace-id",
        b"anthropic-user-profile-id",
        b"x-dashscope-workspace",
        b"x-goog-user-project",
        # Who our client is, is no business of the provider's.
        b"forwarded",
        b"via",
        b"x-real-ip",
        b"cf-connecting-ip",
        b"true-client-ip",
        b"origin",
        b"referer",
        # Anthropic refuses what says that it comes from a browser, where an organisation's
        # settings forbid that. What it gets comes from the gateway.
        b"anthropic-dangerous-direct-browser-access",
    }
)
_REQUEST_DROPPED_PREFIXES = (b"x-forwarded-", b"mintgate-", b"sec-", b"cf-")

_NAMES_OF_REPEATS = frozenset({"idempotency-key", "x-idempotency-key"})

_RESPONSE_DROPPED = _HOP_BY_HOP | {
    # The length is ours to state; the server writes the date.
    b"content-length",
    b"date",
    # They name the operator's account, or speak for the provider's host name.
    b"set-cookie",
    b"openai-organization",
    b"openai-project",
    b"anthropic-organization-id",
    b"alt-svc",
    b"strict-transport-security",
    b"nel",
    b"report-to",
    # What the provider tells browsers of its own host name; ours is told by the gateway.
    b"access-control-allow-credentials",
    b"access-control-allow-headers",
    b"access-control-allow-methods",
    b"access-control-allow-origin",
    b"access-control-allow-private-network",
    b"access-control-expose-headers",
    b"access-control-max-age",
    b"cross-origin-embedder-policy",
    b"cross-origin-opener-policy",
    b"cross-origin-resource-policy",
}


def forwarded_headers(headers: Headers, also_dropped: Collection[bytes]) -> dict[str, str]:
    """Headers of a request as they go to the provider: lower-case names, no credential.

    `also_dropped` holds the provider's own names. Repeated headers are joined
    with a comma, as HTTP allows for every header that may repeat.
    """
    named = _named_by_connection(headers)
    kept: dict[str, str] = {}
    repeated: dict[str, list[str]] = {}
    for name, value in headers:
        if name in _REQUEST_DROPPED or name in also_dropped or name in named:
            continue
        if name.startswith(_REQUEST_DROPPED_PREFIXES):
            continue
        key = name.decode("latin-1")
        text = value.decode("latin-1")
        if key in kept:
            repeated.setdefault(key, [kept[key]]).append(text)
        else:
            kept[key] = text
    # Joined once: a head holds tens of thousands of the shortest ones.
    kept.update((key, ", ".join(values)) for key, values in repeated.items())
    return kept


def scoped_headers(headers: dict[str, str], secret_sha256: bytes) -> dict[str, str]:
    """Those headers, with names of repeats that are the key's own.

    All keys share the operator's account, so a provider that answers a repeat from memory
    would answer one key with what another was answered.
    """
    for name in _NAMES_OF_REPEATS & headers.keys():
        headers[name] = hashlib.sha256(secret_sha256 + headers[name].encode()).hexdigest()
    return headers


def relayed_headers(
    headers: Headers, also_dropped: Collection[bytes] = (), *, decoded: bool = False
) -> list[tuple[bytes, bytes]]:
    """Headers of a provider's answer as they go to the client, without the length.

    `also_dropped` holds the provider's own names; `decoded` says that the body's
    content coding was undone on the way.
    """
    named = _named_by_connection(headers)
    kept = []
    for name, value in headers:
        lower = name.lower()
        if lower in _RESPONSE_DROPPED or lower in also_dropped or lower in named:
            continue
        if lower.startswith(b"mintgate-") or (decoded and lower == b"content-encoding"):
            continue
        kept.append((lower, value))
    return kept


def _named_by_connection(headers: Headers) -> set[bytes]:
    """Names that `Connection` headers declare to be hop-by-hop, too (RFC 9110, 7.6.1)."""
    named: set[bytes] = set()
    for name, value in headers:
        if len(name) == len(b"connection") and name.lower() == b"connection":
            named.update(part.strip().lower() for part in value.split(b","))
    return named
