"""What a dialect is: the wire shape of a family of providers, as pure functions.

A dialect turns a request into upper bounds, an answer into exact units, and a
failure into the body that the provider's own SDK understands. It does no I/O,
so that any split of the same bytes can be tested to give the same usage.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from mintgate_facade.dialects.terms import Terms

if TYPE_CHECKING:
    from mintgate.v1.keys_pb2 import Key
    from mintgate.v1.ledger_pb2 import Bound, SettledBy
    from mintgate.v1.meter_pb2 import ModelPrice

    from mintgate_facade.dialects.common import Filter


class Policy(enum.StrEnum):
    """What the gateway does with a route. The table of routes is closed."""

    METERED = "metered"
    """Held, forwarded, settled."""
    FREE = "free"
    """Authenticated and forwarded; the provider bills nothing for it."""
    OWNED = "owned"
    """About objects at the provider, for the key that created them; else 404. Bills nothing."""
    LOCAL = "local"
    """Answered by the gateway itself."""
    DENIED = "denied"
    """Refused (403) with `Route.reason`."""
    UNKNOWN = "unknown"
    """No such path (404). Never a row: made for what no row matches."""
    WRONG_METHOD = "wrong_method"
    """The path exists under other methods (405). Never a row, as above."""


class BodyKind(enum.StrEnum):
    """How a route's body is read before a dialect sees it."""

    JSON = "json"
    """Read whole, parsed once."""
    FORM = "form"
    """`multipart/form-data`: kept on disk beyond a megabyte, its fields parsed."""
    BYTES = "bytes"
    """One file as it is: kept on disk beyond a megabyte."""


class Access(enum.StrEnum):
    """What an owned route does with objects."""

    CREATE = "create"
    """Makes one; the answer names it."""
    USE = "use"
    """Reads or changes the one in the path, or what is below it."""
    LIST = "list"
    """Lists them: the gateway's own record says which."""
    FORGET = "forget"
    """Deletes the one in the path."""
    READ = "read"
    """Reads the one in the path, which may be one that the provider has for everybody."""
    FILTER = "filter"
    """Lists what the provider lists, less what is neither the key's nor everybody's."""
    UPLOAD = "upload"
    """Makes one in several requests, by Google's resumable protocol."""


class ObjectName(NamedTuple):
    """How an object at a provider is known there."""

    kind: str
    id: str


class FileReader(Protocol):
    """Reads a file before it is stored, so that its use can be bounded."""

    def feed(self, data: bytes) -> None:
        """Take the next bytes. Raises `RefusedRequest` for what could never be used."""

    def note(self) -> str:
        """What is kept with the file, at its end: at most 512 characters. Raises as above."""


@dataclass(frozen=True, slots=True)
class Route:
    """One row of a provider's closed route table.

    `path` is relative to the provider's base URL as its SDK has it by default
    and may hold one `{model}` placeholder. `operation` names the dialect's
    reading of it, for example "chat". A denied row may end in `/*`.
    """

    method: str
    path: str
    policy: Policy
    operation: str = ""
    reason: str = ""
    body: BodyKind = BodyKind.JSON
    measured: bool = False
    """Files of the body are audio: they are decoded, so that their length is known."""
    kind: str = ""
    """Of the objects of an owned route, for example "file"."""
    access: Access | None = None
    id_query: str = ""
    """Of an owned row whose path names no object: the query parameter that does."""
    most: int = 0
    """How many objects of the kind a key may own; 0: as many as of all kinds together."""
    filtered: Filter | None = None
    """Of a row whose list is the provider's own, filtered."""
    lists: str = ""
    """The field of a list's answer that holds the objects, where it is Google's shape."""
    oldest_first: bool = False
    """Of a list: its order where none is asked for."""
    repeated: frozenset[str] = frozenset()
    """Fields of the form that may come more than once, besides names that end in `[]`."""
    reads: Callable[[Mapping[str, Any]], FileReader | None] | None = None
    """Of a row that stores a file: from the form's fields, what reads the file beforehand."""
    mentions: tuple[tuple[str, str], ...] = ()
    """Of an owned row: fields of the object that name others, and their kinds. Those are the
    key's, too."""
    names: Callable[[Mapping[str, Any]], Sequence[ObjectName]] | None = None
    """The same of objects that are named deeper within it."""
    of: str = ""
    """Of a row that makes an object out of another, as a part of an upload: the kind of the one
    in the path, which must be the key's."""
    made_at: str = "id"
    """Of a row that makes an object: where the answer names it, for example "file.id"."""
    kept_ms: int = 0
    """Of the same, and of what an answer names: how long the provider keeps it; 0: until it is
    deleted."""
    sized_by: str = ""
    """Of the same: the field of the body that says how many bytes it will have. They are bounded
    as those of a file that comes whole."""
    uses: Callable[[Mapping[str, Any]], Sequence[ObjectName]] | None = None
    """Of an owned row: from its body, the other objects that it reads, which must be the key's.
    Raises `RefusedRequest` for what must not be stored."""
    addresses: tuple[tuple[str, str], ...] = ()
    """Of an owned row: fields of the object that hold an address at the provider, and the path
    that the client gets in its place; `{id}` in it is the object's. SDKs join it to the address
    of the gateway."""
    described_by: str = ""
    """Of an owned row: the query that makes the provider describe an object and leave out what is
    too long to be read whole."""
    bears: frozenset[str] = frozenset()
    """Lower-case names of headers that a request may bear here, and on no other row."""
    of_key: Callable[[Key], bytes] | None = None
    """Of a local row that tells about the caller's own key: how its JSON answer is made."""


@dataclass(frozen=True, slots=True)
class FilePart:
    """A file in a request's body, as far as a bound needs to know it."""

    name: str
    """Of the form's field; empty when the file is the whole body."""
    size_bytes: int
    content_type: str = ""
    duration_ms: int = 0
    """Of the longest audio in it, decoded from the file itself; 0 when it was not measured."""
    duration_max_ms: int = 0
    """What it is held for: `duration_ms`, and what no decoder here read at the lowest bit rate."""
    channels: int = 1
    unreadable: str = ""
    """Why it could not be measured, as the end of a sentence; empty when it was."""


@dataclass(frozen=True, slots=True)
class RequestView:
    """A request as a dialect sees it: parsed once, credentials already removed."""

    body: bytes
    """The exact bytes that would be forwarded; empty for a form or a file."""
    document: Mapping[str, Any]
    """`body` parsed; duplicate keys were refused before. Of a form its fields, as strings,
    and lists of strings for names that may come more than once. Empty for GET and for a file."""
    path_model: str = ""
    """What stood at `{model}` in the path."""
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    """Lower-case names."""
    files: tuple[FilePart, ...] = ()
    """The files of a form, or the one that is the body."""
    path_ids: Mapping[str, str] = field(default_factory=dict)
    """What stood at the path's other placeholders, by name."""
    query_string: str = ""
    """What `query` was read from, as it is forwarded: there a name may stand twice."""
    now_ms: int = 0
    """When it was read, milliseconds since 1970: for requests that say until when."""


@dataclass(frozen=True, slots=True)
class LaterWork:
    """What the provider goes on with after an answer that only names it: a job."""

    operation: str
    """Which reader of the dialect reads it."""
    state: bytes
    """What that reader needs."""
    units: Mapping[int, int]
    """Charged, and all the output that was held, where its end never comes to be known."""
    ttl_ms: int = 0
    """How long it may take; 0 means a day."""


@dataclass(frozen=True, slots=True)
class Ask:
    """What a metered request asks for."""

    model: str
    bound: Bound
    body: bytes
    """What to forward: `RequestView.body`, or a splice of it."""
    stream: bool = False
    hide_usage: bool = False
    """The usage chunk was asked for by us, so the client must not see it."""
    delivered_input_tokens: int = 0
    """Our count of the input, charged when the answer breaks off before the
    provider says its own; never above the bound."""
    uses: tuple[ObjectName, ...] = ()
    """Objects at the provider that it reads; each must be the key's."""
    noted: Callable[[Sequence[str]], Ask] | None = None
    """What stands for this once the notes on what it uses are known. Raises `RefusedRequest`."""
    creates: str = ""
    """The kind of object that the answer becomes, under its own id; empty if it is not kept."""
    creates_for_ms: int = 0
    """How long the provider keeps that object; 0: until it is deleted. With a charge it is
    recorded for so long, but for 90 days at most. With a job's start only what has an end is: the
    rest is recorded by itself, and counts toward what its key may own."""
    made: Callable[[dict[str, Any]], Sequence[str]] | None = None
    """Of an answer that is one JSON document, and makes objects other than itself: their ids."""
    later: LaterWork | None = None
    """Set when the answer is no answer yet. Whoever polls settles it then."""
    counted_ms: int = 0
    """The length of an upload's audio, charged where the answer states none."""
    counted: Reading | None = None
    """What the provider bills for the request whatever it answers (the text to be spoken,
    the audio to be heard): charged where the answer states nothing, or never began."""
    in_headers: Callable[[Mapping[str, str]], Reading | None] | None = None
    """How the headers of the answer, by lower-case name, state the usage: it then stands
    for `counted`. Some answers are audio, which can state nothing itself."""
    in_document: Callable[[dict[str, Any]], Reading | None] | None = None
    """The same of an answer that is one JSON document."""

    def answered(self, headers: Mapping[str, str]) -> Ask:
        """The same, now that the headers of its answer have come."""
        if self.in_headers is None:
            return self
        lower = {name.lower(): value for name, value in headers.items()}
        return replace(self, counted=self.in_headers(lower) or self.counted)


@dataclass(slots=True)
class Reading:
    """What an answer has been seen to use so far: totals, not increments.

    `units` maps `mintgate.v1.Unit` numbers to counts; units are disjoint.
    """

    units: dict[int, int] = field(default_factory=dict)
    basis: SettledBy.ValueType = 0  # type: ignore[assignment]  # UNSPECIFIED until something was read
    variants: tuple[str, ...] = ()
    model: str = ""
    provider_request_id: str = ""
    reasoning_tokens: int = 0
    note: str = ""
    """What is kept with the object that the answer becomes (`Ask.creates`), for the requests
    that will use it: at most 512 characters."""
    made: tuple[str, ...] = ()
    """Ids of objects that the answer has made, of the kind that was asked for."""


class Meter(Protocol):
    """Reads one answer as it passes, and decides what may pass at once.

    The closing bytes (the terminal event of a stream, the last byte of a JSON
    body) are kept back until `close`, because they may go to the client only
    after the charge is durable. Content never waits for later content.
    """

    @property
    def final(self) -> bool:
        """The exact usage is known and cannot change: the relay may settle."""

    @property
    def complete(self) -> bool:
        """The provider's own end of the answer was seen."""

    @property
    def failed(self) -> bool:
        """The provider itself said, in the answer, that it has failed."""

    @property
    def refused(self) -> int:
        """The status that a 2xx answer stands for which is a refusal; 0 for an answer.

        The provider has made nothing and bills nothing: the hold is given back.
        """

    def feed(self, chunk: bytes) -> bytes:
        """Take bytes from the provider; return those that may go on now.

        Raises `BrokenAnswer` when the bytes cannot be of this dialect.
        """

    def close(self) -> bytes:
        """The provider's body has ended cleanly: return what was kept back.

        Call it once. Half an event that no client could read is not returned.
        After a connection that broke, do not call it: `reading` alone is right.
        """

    def reading(self) -> Reading:
        """Usage so far: the provider's numbers, or counted from what passed."""


class FailureKind(enum.StrEnum):
    """Why the gateway itself answers; each dialect has a native shape for each."""

    BAD_REQUEST = "bad_request"  # 400
    UNAUTHENTICATED = "unauthenticated"  # 401
    PAYMENT_REQUIRED = "payment_required"  # 402, cap or wallet
    FORBIDDEN = "forbidden"  # 403, key may not, or the route is denied
    NOT_FOUND = "not_found"  # 404, unknown route
    MODEL_NOT_FOUND = "model_not_found"  # 404, unknown or unpriced model
    METHOD_NOT_ALLOWED = "method_not_allowed"  # 405
    TOO_LARGE = "too_large"  # 413
    UNSUPPORTED_MEDIA = "unsupported_media"  # 415, encoded or non-JSON body
    RATE_LIMITED = "rate_limited"  # 429
    INTERNAL = "internal"  # 500
    UPSTREAM_FAILED = "upstream_failed"  # 502
    LEDGER_AWAY = "ledger_away"  # 503
    UPSTREAM_TIMEOUT = "upstream_timeout"  # 504


STATUS: Mapping[FailureKind, int] = {
    FailureKind.BAD_REQUEST: 400,
    FailureKind.UNAUTHENTICATED: 401,
    FailureKind.PAYMENT_REQUIRED: 402,
    FailureKind.FORBIDDEN: 403,
    FailureKind.NOT_FOUND: 404,
    FailureKind.MODEL_NOT_FOUND: 404,
    FailureKind.METHOD_NOT_ALLOWED: 405,
    FailureKind.TOO_LARGE: 413,
    FailureKind.UNSUPPORTED_MEDIA: 415,
    FailureKind.RATE_LIMITED: 429,
    FailureKind.INTERNAL: 500,
    FailureKind.UPSTREAM_FAILED: 502,
    FailureKind.LEDGER_AWAY: 503,
    FailureKind.UPSTREAM_TIMEOUT: 504,
}


@dataclass(frozen=True, slots=True)
class Failure:
    """One answer of the gateway's own, before a dialect gives it its shape."""

    kind: FailureKind
    message: str
    """A sentence that says what to change."""
    param: str = ""
    """The field of the request at fault, in the provider's own naming."""
    code: str = ""
    """A stable code, for example "cap_exceeded"; each kind has a default."""
    request_id: str = ""
    required_micros: int | None = None
    remaining_micros: int | None = None
    affordable_max_output_tokens: int | None = None
    retry_after_s: int | None = None
    """When to try again, seconds; only told with 429 and 503, within 1..20."""
    retry_after_ms: int | None = None
    """The same to the millisecond, where it is known; told to SDKs that read it."""

    @property
    def status(self) -> int:
        """The HTTP status that all dialects agree on."""
        return STATUS[self.kind]


class RefusedRequest(Exception):
    """A request that must not be forwarded; raised before any hold."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


class BrokenAnswer(Exception):
    """The provider's bytes cannot be read; what was delivered is settled."""


class Dialect(Protocol):
    """The wire shape of a family of providers. Instances hold no state."""

    name: str

    @property
    def terms(self) -> Mapping[str, Terms]:
        """How each metered operation is bounded and metered, in words."""

    def read(self, route: Route, request: RequestView) -> Ask:
        """Turn a metered request into bounds, or raise `RefusedRequest`."""

    def uses(self, route: Route, request: RequestView) -> tuple[ObjectName, ...]:
        """Objects at the provider that a free request with a JSON body reads."""

    def with_output_limit(self, route: Route, ask: Ask, output_tokens: int) -> bytes:
        """`ask.body` with the provider's own limit field spliced in, otherwise unchanged."""

    def meter(self, route: Route, ask: Ask, content_type: str) -> Meter:
        """Make the reader of this request's successful (2xx) answer."""

    def error(self, failure: Failure) -> tuple[bytes, Sequence[tuple[bytes, bytes]]]:
        """Give a failure its native JSON body and its extra headers (lower-case)."""

    def stream_error(self, route: Route, failure: Failure, content_type: str = "") -> bytes:
        """The native in-stream error event, or empty when the dialect has none.

        `content_type` is the answer's; where a dialect streams in more than one
        framing it chooses the event's, and only SSE is assumed without it.
        """

    def models(
        self,
        route: Route,
        prices: Sequence[ModelPrice],
        query: Mapping[str, str],
        path_model: str = "",
    ) -> bytes:
        """Answer a local models route from the catalogue; raises `RefusedRequest` if unknown.

        A route with `{model}` answers the price named `path_model` (or `model` in
        `query`), or the first of `prices` when the caller has looked it up by name.
        """
