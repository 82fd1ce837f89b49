"""What a provider is: its surfaces, each with a dialect, an address and a closed route table."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from mintgate_facade.dialects.base import (
    Access,
    BodyKind,
    Dialect,
    Failure,
    FileReader,
    ObjectName,
    Policy,
    RefusedRequest,
    Route,
)
from mintgate_facade.dialects.common import Common, Filter
from mintgate_facade.providers.routing import RouteMatch, RouteTable, single_slashes

if TYPE_CHECKING:
    from mintgate.v1.keys_pb2 import Key


@dataclass(frozen=True, slots=True, eq=False)
class Surface:
    """One wire shape that a provider speaks. Equal by identity.

    Most providers have one; several offer Anthropic's Messages beside OpenAI's chat.
    """

    dialect: Dialect
    routes: tuple[Route, ...]
    name: str = ""
    """Unique within its provider; the dialect's name unless given."""
    mount: str = ""
    """Where it stands below the provider's prefix, for example "/anthropic"."""
    upstream: str | None = None
    """Its path below the provider's root; None: the provider's base URL itself."""
    auth_header: str = "authorization"
    """Lower-case name of the header that carries the operator's key."""
    auth_format: str = "Bearer {}"
    """How the key stands in that header."""
    versions: tuple[str, ...] = ("v1",)
    """Version segments that a client may write, once or twice, or leave out."""
    keeps_version: bool = False
    """The version that a client writes is also the one upstream gets."""
    table: RouteTable = field(init=False, repr=False)

    def __post_init__(self) -> None:
        table = RouteTable(self.routes, self.versions, keeps_version=self.keeps_version)
        object.__setattr__(self, "table", table)
        object.__setattr__(self, "name", self.name or self.dialect.name)

    def below(self, path: str) -> str | None:
        """The rest of `path` below the mount; None when it is not below it."""
        if not self.mount:
            return path
        rest = path.removeprefix(self.mount)
        return rest if rest != path and rest[:1] in {"", "/"} else None

    def credential(self, key: str) -> tuple[str, str]:
        """The header, name and value, that carries the operator's key."""
        return self.auth_header, self.auth_format.format(key)


class Found(NamedTuple):
    """A surface and its route for a path."""

    surface: Surface
    match: RouteMatch


@dataclass(frozen=True, slots=True, eq=False)
class Provider:
    """One provider, as data. Equal by identity: there is one object a provider."""

    slug: str
    """Its name in the catalogue, on charges and in settings, for example "openai"."""
    surfaces: tuple[Surface, ...]
    """The first one answers for paths that none of them has."""
    base_url: str
    """Its own root, as its SDK has it by default."""
    base_path: str = ""
    """What `base_url` ends with beyond the root that surfaces with `upstream` stand below."""
    prefixes: tuple[str, ...] = ()
    """First path segments that choose it; its slug always does."""
    unprefixed: tuple[str, ...] = ()
    """Beginnings of paths that are served without a prefix; "/" is all of its paths."""
    header_marks: frozenset[str] = frozenset()
    """Lower-case names of headers that only this provider's SDKs send."""
    query_marks: frozenset[str] = frozenset()
    """The same of query parameters."""
    models: re.Pattern[str] | None = None
    """Names of models that this provider alone has: a request that names one without a
    prefix is for it. Names that several host (gpt-oss, llama) are left out."""
    hosts: re.Pattern[str] | None = None
    """Names of models that it has as well as others do: only a prefix tells which is meant."""
    use: str = ""
    """How an SDK is pointed at it, for hints: "the OpenAI SDK with the base URL ..."."""
    common: Mapping[str, Common] = field(default_factory=dict)
    """By kind: how objects are told that the provider has for everybody."""
    operator_errors: re.Pattern[bytes] | None = None
    """What an error's body says when it is about the operator's key or balance, where the
    status alone does not tell."""
    refused_headers: Mapping[str, Failure] = field(default_factory=dict)
    """Lower-case names that no request may bear where its row does not say so, and what is
    answered to one that does."""
    strip_request_headers: frozenset[bytes] = frozenset()
    """Lower-case names that choose the operator's account or project, or another method."""
    strip_response_headers: frozenset[bytes] = frozenset()
    """Lower-case names that tell about the operator's account."""

    def __post_init__(self) -> None:
        names = [surface.name for surface in self.surfaces]
        if len(set(names)) != len(names):
            raise ValueError(f"{self.slug} has two surfaces of one name: {names}")

    @property
    def dialect(self) -> Dialect:
        """The dialect of its first surface."""
        return self.surfaces[0].dialect

    @property
    def routes(self) -> tuple[Route, ...]:
        """The rows of all its surfaces."""
        return tuple(route for surface in self.surfaces for route in surface.routes)

    @property
    def all_prefixes(self) -> tuple[str, ...]:
        """Every first segment that chooses this provider."""
        return tuple(dict.fromkeys((self.slug, *self.prefixes)))

    def find(self, method: str, path: str) -> Found | None:
        """Find the surface and route of a path, without the provider's prefix; or none.

        `path` is percent-decoded and has no query. Duplicate slashes are one; a
        version may be missing or doubled.
        """
        path = single_slashes(path)
        for surface in self.surfaces:
            rest = surface.below(path)
            found = None if rest is None else surface.table.match(method, rest)
            if found is not None:
                return Found(surface, found)
        return None

    def match(self, method: str, path: str) -> RouteMatch | None:
        """The route of `find` alone."""
        found = self.find(method, path)
        return None if found is None else found.match

    def methods(self, path: str) -> tuple[str, ...]:
        """The methods that are served on a path: what a 405 may suggest."""
        path = single_slashes(path)
        rests = ((surface, surface.below(path)) for surface in self.surfaces)
        served = (s.table.methods(rest) for s, rest in rests if rest is not None)
        return tuple(sorted({method for methods in served for method in methods}))

    def closest(self, path: str, headers: Mapping[str, str]) -> Surface:
        """The surface whose errors a caller of an unknown path can read."""
        path = single_slashes(path)
        below = [s for s in self.surfaces if s.mount and s.below(path) is not None]
        if below:
            return below[0]
        if "anthropic-version" in headers:
            for surface in self.surfaces:
                if surface.dialect.name == "anthropic" and not surface.mount:
                    return surface
        return self.surfaces[0]

    def check_headers(self, headers: Mapping[str, str], route: Route) -> None:
        """Raise `RefusedRequest` for a header that no request for the route may bear."""
        for name in (self.refused_headers.keys() & headers.keys()) - route.bears:
            raise RefusedRequest(self.refused_headers[name])

    def serves_unprefixed(self, path: str) -> bool:
        """Whether `path` is among those that it serves without a prefix."""
        return path.startswith(self.unprefixed)

    def address(self, surface: Surface, base_url: str) -> str:
        """Where a surface's paths begin, for an account with this base URL (no slash at its end).

        An account whose base URL lacks the provider's own end (`base_path`) is one behind
        another proxy: its surfaces are then looked for right below it.
        """
        if surface.upstream is None:
            return base_url
        return base_url.removesuffix(self.base_path) + surface.upstream


def metered(method: str, path: str, operation: str) -> Route:
    """A row that is held, forwarded and settled."""
    return Route(method, path, Policy.METERED, operation)


def uploaded(
    path: str,
    operation: str,
    *,
    body: BodyKind = BodyKind.FORM,
    measured: bool = False,
    repeated: frozenset[str] = frozenset(),
) -> Route:
    """A metered row whose body is a form or a file; `measured`: of audio."""
    return Route(
        "POST", path, Policy.METERED, operation, body=body, measured=measured, repeated=repeated
    )


def owned(
    method: str,
    path: str,
    kind: str,
    access: Access,
    *,
    body: BodyKind = BodyKind.JSON,
    reads: Callable[[Mapping[str, Any]], FileReader | None] | None = None,
    mentions: tuple[tuple[str, str], ...] = (),
    names: Callable[[Mapping[str, Any]], Sequence[ObjectName]] | None = None,
    addresses: tuple[tuple[str, str], ...] = (),
    lists: str = "",
    uses: Callable[[Mapping[str, Any]], Sequence[ObjectName]] | None = None,
    of: str = "",
    made_at: str = "id",
    kept_ms: int = 0,
    sized_by: str = "",
    id_query: str = "",
    most: int = 0,
    filtered: Filter | None = None,
) -> Route:
    """A row about objects of one kind; `{id}` in the path is the object's, or of kind `of`."""
    return Route(
        method,
        path,
        Policy.OWNED,
        f"{kind}_{access}",
        body=body,
        kind=kind,
        access=access,
        reads=reads,
        mentions=mentions,
        names=names,
        addresses=addresses,
        lists=lists,
        uses=uses,
        of=of,
        made_at=made_at,
        kept_ms=kept_ms,
        sized_by=sized_by,
        id_query=id_query,
        most=most,
        filtered=filtered,
    )


def google_kept(
    path: str,
    kind: str,
    field: str,
    *beyond: tuple[str, str],
    described_by: str = "",
    names: Callable[[Mapping[str, Any]], Sequence[ObjectName]] | None = None,
    kept_ms: int = 0,
) -> tuple[Route, ...]:
    """`kept`, where lists are Google's: `field` and `nextPageToken`.

    The list and the object itself name others (`names`), which live for `kept_ms`.
    """
    listed, read, *others = kept(path, kind, *beyond)
    return (
        replace(listed, lists=field, described_by=described_by, names=names, kept_ms=kept_ms),
        replace(read, described_by=described_by, names=names, kept_ms=kept_ms),
        *others,
    )


def kept(path: str, kind: str, *beyond: tuple[str, str]) -> tuple[Route, ...]:
    """The usual rows of objects of a kind: list, read, delete; `beyond` are (method, end) pairs."""
    return (
        owned("GET", path, kind, Access.LIST),
        owned("GET", f"{path}/{{id}}", kind, Access.USE),
        owned("DELETE", f"{path}/{{id}}", kind, Access.FORGET),
        *(owned(method, f"{path}/{{id}}{end}", kind, Access.USE) for method, end in beyond),
    )


def free(method: str, path: str, operation: str) -> Route:
    """A row that is authenticated and forwarded."""
    return Route(method, path, Policy.FREE, operation)


def local(path: str, operation: str = "models") -> Route:
    """A row that the gateway answers: models from the catalogue, anything else with nothing."""
    return Route("GET", path, Policy.LOCAL, operation)


def of_key(path: str, operation: str, answer: Callable[[Key], bytes]) -> Route:
    """A row that tells about the caller's own key, and nothing of the operator's account."""
    return Route("GET", path, Policy.LOCAL, operation, of_key=answer)


def denied(reason: str, *paths: str, method: str = "*") -> tuple[Route, ...]:
    """Rows that are refused with a reason; `/*` at the end covers all below, and itself."""
    return tuple(Route(method, path, Policy.DENIED, reason=reason) for path in paths)
