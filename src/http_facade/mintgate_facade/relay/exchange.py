"""One request on a provider route and its answer: the facts that every step shares."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from mintgate.ids import new_id, request_name

from mintgate_facade.dialects.base import BodyKind, RequestView
from mintgate_facade.dialects.jsontext import parse_object
from mintgate_facade.relay import asgi
from mintgate_facade.relay.body import is_json, read_body, require_json
from mintgate_facade.relay.caller import NOWHERE, Caller
from mintgate_facade.relay.credentials import read_credentials
from mintgate_facade.relay.headers import forwarded_headers, relayed_headers, scoped_headers

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from mintgate_facade.dialects.base import Dialect, FilePart, Route
    from mintgate_facade.providers.registry import Resolution
    from mintgate_facade.providers.routing import RouteMatch
    from mintgate_facade.relay.asgi import Headers, Receive, Scope, Send
    from mintgate_facade.relay.core_calls import CoreCalls
    from mintgate_facade.relay.long_bodies import LongBodies
    from mintgate_facade.relay.targets import Target
    from mintgate_facade.relay.tracing import RequestTrace
    from mintgate_facade.uploads.receive import Uploads
    from mintgate_facade.uploads.spool import Spool

_NANO_PER_MICRO = 1_000
_NS_PER_MS = 1_000_000
_NO_FIELDS: Mapping[str, Any] = MappingProxyType({})


@dataclass(slots=True, eq=False)
class Exchange:
    """A request under way. `id` also names its hold."""

    target: Target
    found: Resolution
    scope: Scope
    receive: Receive
    send: Send
    body_wait_s: float
    """How long the client may take to send its body."""
    bodies: LongBodies
    """Where a long one has room, until `forget` with the exchange's id."""
    caller: Caller = NOWHERE
    id: bytes = field(default_factory=new_id)
    started_ns: int = field(default_factory=time.monotonic_ns)
    first_byte_ms: int = 0
    admitted_ns: int = 0
    """When all of a metered request was read; this and the next three for the metrics."""
    forwarded_ns: int = 0
    answered_ns: int = 0
    """When the provider's headers had come; 0 until then."""
    upstream_ended_ns: int = 0
    """When the provider's answer had ended; 0 for one that broke off."""
    status: int = 0
    """Of the answer; 0 until it has begun."""
    key_id: str = ""
    cost_nano_usd: int | None = None
    trace: RequestTrace | None = None
    """None: it is not traced."""
    output_bound_tokens: int | None = None
    """Set when the gateway wrote an output limit into the request."""

    @property
    def match(self) -> RouteMatch:
        """The row that matched, and what the path filled in."""
        return self.found.match

    @property
    def route(self) -> Route:
        """The row of the route table that matched."""
        return self.found.match.route

    @property
    def dialect(self) -> Dialect:
        """The wire shape that the client speaks."""
        return self.found.surface.dialect

    @property
    def request_id(self) -> str:
        """What the client, the log and the event know this request by."""
        return request_name(self.id)

    @property
    def route_name(self) -> str:
        """The route as logs, metrics and traces name it: one of a closed set."""
        return self.route.operation or self.route.policy.value

    @property
    def trace_id(self) -> str:
        """The trace that it belongs to, or nothing."""
        return "" if self.trace is None else self.trace.id

    def elapsed_ms(self) -> int:
        """Since the first byte of the request."""
        return (time.monotonic_ns() - self.started_ns) // _NS_PER_MS

    def own_headers(self) -> list[tuple[bytes, bytes]]:
        """The gateway's own headers, as far as they are known now."""
        headers = [(b"mintgate-request-id", self.request_id.encode())]
        if self.target.simulated:
            headers.append((b"mintgate-simulated", b"1"))
        if self.output_bound_tokens is not None:
            headers.append((b"mintgate-output-bound", b"%d" % self.output_bound_tokens))
        if self.cost_nano_usd is not None:
            headers.append((b"mintgate-cost-micros", b"%d" % to_micros(self.cost_nano_usd)))
        return headers

    def relayed(self, headers: Headers, *, decoded: bool = False) -> list[tuple[bytes, bytes]]:
        """Headers of the provider's answer as the client gets them, without the length."""
        kept = relayed_headers(
            headers, self.target.provider.strip_response_headers, decoded=decoded
        )
        return kept + self.own_headers()

    async def send_start(self, status: int, headers: Headers) -> None:
        """Begin the answer."""
        self.status = status
        self.first_byte_ms = self.elapsed_ms()
        await asgi.send_start(self.send, status, headers)

    async def send_whole(self, status: int, headers: Headers, body: bytes) -> None:
        """Send a complete answer."""
        self.status = status
        self.first_byte_ms = self.elapsed_ms()
        await asgi.send_whole(self.send, status, headers, body)


@dataclass(frozen=True, slots=True)
class Admitted:
    """A request that was read: whose it is, and what would be forwarded."""

    secret_sha256: bytes
    query: bytes
    """Without any key, otherwise as it was sent."""
    view: RequestView
    upload: Spool | None = None
    """The body, where it is a form or a file."""

    async def payload(self, body: bytes) -> bytes | IO[bytes]:
        """What to send: the upload as it came, else `body`."""
        return body if self.upload is None else await self.upload.reader()


def to_micros(amount_nano_usd: int) -> int:
    """Nano-USD as micro-USD, rounded half to even."""
    micros, rest = divmod(amount_nano_usd, _NANO_PER_MICRO)
    half = _NANO_PER_MICRO // 2
    return micros + (rest > half or (rest == half and micros % 2 == 1))


async def admit(exchange: Exchange, core: CoreCalls, *, json_only: bool) -> Admitted:
    """Read credentials and body; nothing that could hold a key is kept.

    Raises `RefusedRequest` (400, 401, 403, 413, 415, 503) and `ClientGoneError`.
    """
    scope = exchange.scope
    presented = read_credentials(scope["headers"], scope["query_string"])
    headers = _headers_of(exchange, presented.secret_sha256)
    length = _content_length(scope["headers"])
    # The model, which is not known yet, may be another provider's.
    slug = exchange.target.slug if exchange.found.explicit else ""
    known = partial(core.authenticate, presented.secret_sha256, exchange.caller, slug)
    keep = partial(exchange.bodies.keep, exchange.id, presented.secret_sha256)
    body = await read_body(exchange.receive, headers, length, exchange.body_wait_s, known, keep)
    if body and json_only:
        require_json(headers)
    document = parse_object(body) if json_only and body else {}
    view = _view(exchange, headers, presented.query, body=body, document=document)
    return Admitted(presented.secret_sha256, presented.query, view)


def is_upload(exchange: Exchange) -> bool:
    """Whether the request's body is a form or a file rather than one JSON document."""
    kind = exchange.route.body
    if kind is BodyKind.BYTES:
        # The same route may take a JSON document in place of the file.
        for name, value in exchange.scope["headers"]:
            if name == b"content-type":
                return not is_json({"content-type": value.decode("latin-1")})
        return True
    return kind is BodyKind.FORM


@contextlib.asynccontextmanager
async def admit_upload(
    exchange: Exchange, uploads: Uploads, core: CoreCalls
) -> AsyncIterator[Admitted]:
    """Read credentials, ask whose they are, and only then receive an upload.

    Raises `RefusedRequest` (400, 401, 403, 413, 415, 503) and `ClientGoneError`.
    """
    scope = exchange.scope
    presented = read_credentials(scope["headers"], scope["query_string"])
    # A hundred megabytes are taken from nobody who has no key.
    await core.authenticate(presented.secret_sha256, exchange.caller, exchange.target.slug)
    headers = _headers_of(exchange, presented.secret_sha256)
    length = _content_length(scope["headers"])
    async with uploads.received(exchange.receive, headers, length, exchange.route) as upload:
        view = _view(
            exchange,
            headers,
            presented.query,
            document=upload.document,
            files=upload.files,
        )
        yield Admitted(presented.secret_sha256, presented.query, view, upload.body)


@contextlib.asynccontextmanager
async def admit_sealed(
    exchange: Exchange, uploads: Uploads, query: bytes
) -> AsyncIterator[Admitted]:
    """Receive an upload whose address itself says whose it is; `query` is what upstream gets.

    Raises `RefusedRequest` (400, 413, 415, 503) and `ClientGoneError`.
    """
    scope = exchange.scope
    headers = forwarded_headers(scope["headers"], exchange.target.provider.strip_request_headers)
    length = _content_length(scope["headers"])
    async with uploads.received(exchange.receive, headers, length, exchange.route) as upload:
        view = _view(exchange, headers, query, files=upload.files)
        yield Admitted(b"", query, view, upload.body)


def _view(
    exchange: Exchange,
    headers: Mapping[str, str],
    query: bytes,
    *,
    body: bytes = b"",
    document: Mapping[str, Any] = _NO_FIELDS,
    files: tuple[FilePart, ...] = (),
) -> RequestView:
    """The request as its dialect sees it; `query` is without any key."""
    text = query.decode("latin-1")
    return RequestView(
        body=body,
        document=document,
        path_model=exchange.match.path_model,
        query=dict(parse_qsl(text)) if text else {},
        headers=headers,
        files=files,
        path_ids=exchange.match.ids,
        query_string=text,
        now_ms=time.time_ns() // _NS_PER_MS,
    )


def _headers_of(exchange: Exchange, secret_sha256: bytes) -> dict[str, str]:
    """What goes to the provider of the headers of a request with a key. Raises `RefusedRequest`."""
    provider = exchange.target.provider
    kept = forwarded_headers(exchange.scope["headers"], provider.strip_request_headers)
    headers = scoped_headers(kept, secret_sha256)
    provider.check_headers(headers, exchange.route)
    return headers


def _content_length(headers: Headers) -> int:
    for name, value in headers:
        if name == b"content-length":
            return int(value) if value.isdigit() else -1
    return -1
