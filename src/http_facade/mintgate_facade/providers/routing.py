"""Matches request paths against a provider's closed table of routes.

Fixed paths, which nearly all traffic has, are one dictionary lookup in every
spelling that SDKs produce. Paths with placeholders, and denied subtrees, come after.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from urllib.parse import quote

from mintgate_facade.dialects.base import Policy, Route

METHODS = ("DELETE", "GET", "PATCH", "POST", "PUT")
VERSIONS_WRITTEN_MAX = 2
"""A base URL that has the version, and an SDK that adds it, write it twice."""
PATH_CHARS_MAX = 1_024
MATCHES_KEPT = 1_024
"""Matches of paths with placeholders that are remembered; there are few models."""

_PLACEHOLDER = re.compile(r"\{(\w+)\}")
_SUBTREE = "/*"
_SLASHES = re.compile(r"/{2,}")
_UNSAFE = re.compile(r"[\x00-\x20\\\x7f]")
_PATH_SAFE = "/:@!$&'()*+,;=~-._"


@dataclass(frozen=True, slots=True)
class RouteMatch:
    """A route, and what the request's path filled in."""

    route: Route
    path_model: str
    """What stood at `{model}`, percent-decoded."""
    upstream_path: str
    """Percent-encoded and relative to the surface's address, without the query."""
    ids: Mapping[str, str] = field(default_factory=dict)
    """What stood at the other placeholders, by name, percent-decoded."""


@dataclass(frozen=True, slots=True)
class _Template:
    """A route with placeholders, as the pattern of its path without a version.

    `{model}` may hold slashes, since names of models do; what stands for any other
    placeholder is one segment.
    """

    route: Route
    pattern: re.Pattern[str]
    literal_chars: int
    """Of two rows that match, the one that says more is meant."""


class RouteTable:
    """The compiled rows of one provider."""

    def __init__(
        self, routes: Sequence[Route], versions: tuple[str, ...], *, keeps_version: bool
    ) -> None:
        self._versions = frozenset(versions)
        self._keeps_version = keeps_version
        self._fixed: dict[tuple[str, str], Route] = {}
        self._templates: dict[tuple[str, str], list[_Template]] = {}
        self._subtrees: dict[str, list[Route]] = {}
        for route in routes:
            self._add(route)
        for templates in self._templates.values():
            templates.sort(key=lambda template: -template.literal_chars)
        for rows in self._subtrees.values():
            rows.sort(key=lambda row: -len(row.path))
        self._spelled = dict(self._spellings())
        self._paths = frozenset(path for _, path in self._fixed)
        self._match_parts = lru_cache(MATCHES_KEPT)(self._find_parts)

    def match(self, method: str, path: str) -> RouteMatch | None:
        """Find the route of `method` and `path`, or none."""
        found = self._spelled.get((method, path))
        if found is not None:
            return found
        if len(path) > PATH_CHARS_MAX:
            return None
        path = single_slashes(path)
        found = self._spelled.get((method, path))
        return found if found is not None else self._match_parts(method, path)

    def methods(self, path: str) -> tuple[str, ...]:
        """The methods under which `path` has a row that is not denied."""
        matches = ((method, self.match(method, path)) for method in METHODS)
        return tuple(
            method for method, found in matches if found and found.route.policy is not Policy.DENIED
        )

    def fixed_paths(self) -> dict[tuple[str, str], RouteMatch]:
        """Every fixed path in every spelling, by method and path."""
        return dict(self._spelled)

    def has_version(self, path: str) -> bool:
        """Whether `path` has a version of this provider first, or second as in `/upload/v1beta`."""
        return not self._versions.isdisjoint(path.lstrip("/").split("/", 2)[:2])

    def _add(self, route: Route) -> None:
        _, path = self._without_version(route.path)
        methods = METHODS if route.method == "*" else (route.method,)
        if path.endswith(_SUBTREE):
            self._subtrees.setdefault(_first_segment(path), []).append(route)
        elif "{" in path:
            template = _template(route, path)
            for method in methods:
                self._templates.setdefault((method, _first_segment(path)), []).append(template)
        else:
            for method in methods:
                self._fixed[(method, path)] = route

    def _spellings(self) -> Iterator[tuple[tuple[str, str], RouteMatch]]:
        for (method, path), route in self._fixed.items():
            yield (method, path), self._matched(route, "", path)
            for version in self._versions:
                found = self._matched(route, version, path)
                for times in range(1, VERSIONS_WRITTEN_MAX + 1):
                    yield (method, f"/{version}" * times + path), found

    def _find_parts(self, method: str, path: str) -> RouteMatch | None:
        if _UNSAFE.search(path) or not path.startswith("/"):
            return None
        # A dot segment would be resolved upstream, out of the row that matched here.
        if any(segment in {".", ".."} for segment in path.split("/")):
            return None
        version, path = self._without_version(path)
        for template in self._templates.get((method, _first_segment(path)), ()):
            found = template.pattern.fullmatch(path)
            if found is not None:
                ids = found.groupdict()
                model = ids.pop("model", "")
                return self._matched(template.route, version, path, model, ids)
        if path in self._paths:  # It is a fixed path, only by another method.
            return None
        for row in self._subtrees.get(_first_segment(path), ()):
            _, stem = self._without_version(row.path.removesuffix(_SUBTREE))
            beyond = path.removeprefix(stem)
            if beyond != path and beyond[:1] in {"", "/", ":"} and row.method in {"*", method}:
                return self._matched(row, version, path)
        return None

    def _matched(
        self,
        route: Route,
        version: str,
        path: str,
        model: str = "",
        ids: Mapping[str, str] | None = None,
    ) -> RouteMatch:
        own, _ = self._without_version(route.path)
        if version and self._keeps_version:
            own = version
        upstream = f"/{own}{path}" if own else path
        return RouteMatch(route, model, quote(upstream, safe=_PATH_SAFE), ids or {})

    def _without_version(self, path: str) -> tuple[str, str]:
        """Take the leading version off, once or twice; return the first one and the rest."""
        first = ""
        for _ in range(VERSIONS_WRITTEN_MAX):
            segment, slash, rest = path[1:].partition("/")
            if not slash or segment not in self._versions:
                break
            first = first or segment
            path = f"/{rest}"
        return first, path


def single_slashes(path: str) -> str:
    """`path` with every run of slashes made one."""
    return _SLASHES.sub("/", path) if "//" in path else path


def _template(route: Route, path: str) -> _Template:
    parts = _PLACEHOLDER.split(path)
    literals, names = parts[::2], parts[1::2]
    pattern = re.escape(literals[0])
    for name, literal in zip(names, literals[1:], strict=True):
        inner = ".+" if name == "model" else "[^/:]+"
        pattern += f"(?P<{name}>{inner}){re.escape(literal)}"
    return _Template(route, re.compile(pattern), sum(map(len, literals)))


def _first_segment(path: str) -> str:
    return re.split(r"[/:]", path[1:], maxsplit=1)[0]
