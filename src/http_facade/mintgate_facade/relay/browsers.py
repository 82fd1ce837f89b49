"""What browsers are told, so that pages of other origins may call the gateway (Fetch, CORS).

Credentials of the browser itself (cookies) are never allowed: the key in the request is the
only one. So any origin may be told yes, and the key's own list decides; see docs/access.md.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mintgate.places import ANY_ORIGIN, NO_ORIGIN, ORIGIN_CHARACTERS_MAX

from mintgate_facade.relay.asgi import send_start, send_whole
from mintgate_facade.relay.caller import Caller
from mintgate_facade.relay.credentials import CREDENTIAL_HEADERS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from mintgate_facade.relay.asgi import Headers, Message, Send

PREFLIGHT_KEPT_S = 7_200
"""How long a browser may remember a preflight; Chrome keeps none longer."""
REQUESTED_HEADERS_MAX = 64

OPAQUE = "null"
"""The origin that no list can have; it stands for one that is no origin at all, too."""

_HEADERS = frozenset(name.decode() for name in CREDENTIAL_HEADERS) | {
    "accept",
    "accept-language",
    "baggage",
    "cache-control",
    "content-language",
    "content-type",
    "dnt",
    "http-referer",
    "idempotency-key",
    "if-match",
    "if-none-match",
    "last-event-id",
    "pragma",
    "prefer",
    "priority",
    "range",
    "sentry-trace",
    "traceparent",
    "tracestate",
    "user-agent",
    "x-request-id",
    "x-requested-with",
    "x-server-timeout",
    "x-title",
}
"""What SDKs, tracers and pages send besides the names that begin with a provider's."""
_PREFIXES = (
    "mintgate-",
    # Generators of SDKs: Stainless (OpenAI, Anthropic, Cerebras), Fern (ElevenLabs, Deepgram),
    # Speakeasy (Mistral).
    "x-stainless-",
    "x-fern-",
    "x-speakeasy-",
    # Providers whose headers do not begin with their names.
    "x-goog-",
    "x-dashscope-",
    "x-grok-",
    "x-msh-",
    "dg-",
    "xi-",
    "x-client-",
    "x-datadog-",
)
_ALWAYS_READABLE = frozenset(
    {
        b"cache-control",
        b"content-language",
        b"content-length",
        b"content-type",
        b"expires",
        b"last-modified",
        b"pragma",
    }
)
"""Headers of an answer that a page may read without being told so."""
_VARY = b"Origin, Access-Control-Request-Method, Access-Control-Request-Headers"
_PRIVATE = "access-control-request-private-network"


class Browsers:
    """The gateway's rule about origins, and the headers that follow from it."""

    def __init__(self, origins: str, names: Iterable[str]) -> None:
        """`origins` is the operator's setting; `names` are the providers', for their headers."""
        self._any = origins == ANY_ORIGIN
        each = [] if origins in {ANY_ORIGIN, NO_ORIGIN} else origins.split(",")
        patterns = (re.escape(one).replace(r"\*", r"[a-z0-9_-][a-z0-9_.-]*") for one in each)
        self._listed = re.compile("|".join(patterns)) if each else None
        own = (prefix for name in names for prefix in (f"{name}-", f"x-{name}-"))
        self._prefixes = tuple(dict.fromkeys((*_PREFIXES, *own)))

    def caller(self, origin: str, host: str, client_address: str) -> Caller:
        """Who asks, and whether the gateway serves its page."""
        return Caller(_bounded(origin), client_address, self.serves(origin, host))

    def serves(self, origin: str, host: str) -> bool:
        """Whether pages of this origin are served; those of the gateway itself are."""
        if self._any or (host and origin.partition("://")[2] == host):
            return True
        return self._listed is not None and self._listed.fullmatch(origin) is not None

    async def preflight(
        self, send: Send, headers: Mapping[str, str], methods: Sequence[str]
    ) -> None:
        """Answer the question that a browser asks before a request. It carries no key.

        `methods` are those of the path; without any the one that is asked for is allowed.
        """
        origin = headers["origin"]
        if not self.serves(origin, headers.get("host", "")):
            text = f"This gateway does not serve pages of {_bounded(origin)}."
            kind = (b"content-type", b"text/plain; charset=utf-8")
            await send_whole(send, 403, [kind, (b"vary", b"Origin")], text.encode())
            return
        asked = headers["access-control-request-method"]
        told = [
            (b"access-control-allow-origin", origin.encode("latin-1")),
            (b"access-control-allow-methods", (", ".join(methods) or asked).encode("latin-1")),
            (b"access-control-max-age", b"%d" % PREFLIGHT_KEPT_S),
            (b"vary", _VARY),
        ]
        if allowed := self._allowed(requested_headers(headers)):
            told.append((b"access-control-allow-headers", ", ".join(allowed).encode()))
        if headers.get(_PRIVATE) == "true":
            told.append((b"access-control-allow-private-network", b"true"))
        await _send_empty(send, told)

    def _allowed(self, names: Iterable[str]) -> list[str]:
        return [name for name in names if name in _HEADERS or name.startswith(self._prefixes)]


def is_preflight(method: str, headers: Mapping[str, str]) -> bool:
    """Whether a request with an origin is a browser's question and no request yet."""
    return method == "OPTIONS" and "access-control-request-method" in headers


def requested_headers(headers: Mapping[str, str]) -> list[str]:
    """The names that a preflight asks for, in lower case."""
    names = headers.get("access-control-request-headers", "").split(",", REQUESTED_HEADERS_MAX)
    return [name for name in (n.strip().lower() for n in names[:REQUESTED_HEADERS_MAX]) if name]


def answering(send: Send, origin: str) -> Send:
    """Make an answer readable for a page of this origin, with every header that it has."""
    sent_origin = origin.encode("latin-1")

    async def send_readable(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = message.get("headers", ())
            message = {**message, "headers": [*headers, *_readable(sent_origin, headers)]}
        await send(message)

    return send_readable


def _readable(origin: bytes, headers: Headers) -> list[tuple[bytes, bytes]]:
    names = dict.fromkeys(name.lower() for name, _ in headers)
    exposed = [name for name in names if name not in _ALWAYS_READABLE]
    return [
        (b"access-control-allow-origin", origin),
        (b"access-control-expose-headers", b", ".join(exposed)),
        (b"vary", b"Origin"),
    ]


async def _send_empty(send: Send, headers: Headers) -> None:
    """Send an answer without a body (204)."""
    await send_start(send, 204, headers)
    await send({"type": "http.response.body", "body": b"", "more_body": False})


def _bounded(origin: str) -> str:
    """An origin as core takes it: one that no browser writes is opaque."""
    fits = len(origin) <= ORIGIN_CHARACTERS_MAX and origin.isascii() and origin.isprintable()
    return origin if fits else OPAQUE
