"""What a provider is: a closed table of routes, its credentials' form, and a dialect."""

from __future__ import annotations

from dataclasses import dataclass, field

from mintgate_facade.dialects.base import Dialect, Policy, Route
from mintgate_facade.providers.routing import RouteMatch, RouteTable


@dataclass(frozen=True, slots=True)
class Provider:
    """One provider, as data. Equal by identity: there is one object a provider."""

    slug: str
    """Its name in the catalogue, on charges and in settings, for example "openai"."""
    dialect: Dialect
    base_url: str
    """Its own root, as its SDK has it by default; upstream paths are relative to it."""
    auth_header: str
    """Lower-case name of the header that carries the operator's key."""
    routes: tuple[Route, ...]
    auth_format: str = "{}"
    """How the key stands in that header, for example "Bearer {}"."""
    prefixes: tuple[str, ...] = ()
    """First path segments that choose it; its slug always does."""
    versions: tuple[str, ...] = ("v1",)
    """Version segments that a client may write, once or twice, or leave out."""
    keeps_version: bool = False
    """The version that a client writes is also the one upstream gets."""
    unprefixed: bool = False
    """Its paths are also served without a prefix."""
    strip_request_headers: frozenset[bytes] = frozenset()
    """Lower-case names that choose the operator's account or project, or another method."""
    strip_response_headers: frozenset[bytes] = frozenset()
    """Lower-case names that tell about the operator's account."""
    table: RouteTable = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        table = RouteTable(self.routes, self.versions, keeps_version=self.keeps_version)
        object.__setattr__(self, "table", table)

    @property
    def all_prefixes(self) -> tuple[str, ...]:
        """Every first segment that chooses this provider."""
        return tuple(dict.fromkeys((self.slug, *self.prefixes)))

    def match(self, method: str, path: str) -> RouteMatch | None:
        """Find the route of a path, without the provider's prefix; none when there is none.

        `path` is percent-decoded and has no query. Duplicate slashes are one; a
        version may be missing or doubled.
        """
        return self.table.match(method, path)

    def methods(self, path: str) -> tuple[str, ...]:
        """The methods that are served on a path: what a 405 may suggest."""
        return self.table.methods(path)

    def credential(self, key: str) -> tuple[str, str]:
        """The header, name and value, that carries the operator's key."""
        return self.auth_header, self.auth_format.format(key)


def metered(method: str, path: str, operation: str) -> Route:
    """A row that is held, forwarded and settled."""
    return Route(method, path, Policy.METERED, operation)


def free(method: str, path: str, operation: str) -> Route:
    """A row that is authenticated and forwarded."""
    return Route(method, path, Policy.FREE, operation)


def local(path: str) -> Route:
    """A models row, answered from the catalogue."""
    return Route("GET", path, Policy.LOCAL, "models")


def denied(reason: str, *paths: str, method: str = "*") -> tuple[Route, ...]:
    """Rows that are refused with a reason; `/*` at the end covers all below, and itself."""
    return tuple(Route(method, path, Policy.DENIED, reason=reason) for path in paths)
