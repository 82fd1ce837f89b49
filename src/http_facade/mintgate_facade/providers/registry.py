"""Tells from a request which provider it means.

An explicit prefix (`/anthropic/...`) decides first, then a path that only one
provider has, then the headers that only one provider's SDK sends; what is left
is OpenAI's, unless the model that it names is another's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from mintgate_facade.dialects.base import Dialect, Policy, Route
from mintgate_facade.providers.anthropic import ANTHROPIC
from mintgate_facade.providers.base import Found, Provider, Surface
from mintgate_facade.providers.cerebras import CEREBRAS
from mintgate_facade.providers.dashscope import DASHSCOPE
from mintgate_facade.providers.deepgram import DEEPGRAM
from mintgate_facade.providers.deepseek import DEEPSEEK
from mintgate_facade.providers.elevenlabs import ELEVENLABS
from mintgate_facade.providers.gemini import GEMINI
from mintgate_facade.providers.hints import model_hint
from mintgate_facade.providers.minimax import MINIMAX
from mintgate_facade.providers.mistral import MISTRAL
from mintgate_facade.providers.moonshot import MOONSHOT
from mintgate_facade.providers.openai import OPENAI
from mintgate_facade.providers.routing import RouteMatch, single_slashes
from mintgate_facade.providers.xai import XAI

__all__ = ["PROVIDERS", "REGISTRY", "Registry", "Resolution"]

PROVIDERS: tuple[Provider, ...] = (
    OPENAI,
    ANTHROPIC,
    GEMINI,
    XAI,
    DASHSCOPE,
    MOONSHOT,
    MINIMAX,
    DEEPSEEK,
    MISTRAL,
    CEREBRAS,
    ELEVENLABS,
    DEEPGRAM,
)
"""In the order in which they are asked for a path without a prefix."""


class Resolution(NamedTuple):
    """The provider that a request means, and its route there."""

    provider: Provider
    surface: Surface
    match: RouteMatch
    """Of policy UNKNOWN or WRONG_METHOD when the provider has no such route."""
    explicit: bool = False
    """The request named the provider, by a prefix."""

    @property
    def dialect(self) -> Dialect:
        """The wire shape of the request."""
        return self.surface.dialect


class Registry:
    """The providers that are served. Immutable after construction."""

    def __init__(self, providers: Sequence[Provider]) -> None:
        self.providers = tuple(providers)
        self._by_slug = {provider.slug: provider for provider in providers}
        self._by_prefix: dict[str, Provider] = {}
        for provider in providers:
            for prefix in provider.all_prefixes:
                if prefix in self._by_prefix:
                    raise ValueError(f"two providers claim the prefix {prefix!r}")
                self._by_prefix[prefix] = provider
        # Of two surfaces that speak one dialect, and of two rows, the first is meant.
        self._operations = {
            (provider.slug, surface.dialect.name, match.route.operation): (surface, match)
            for provider in providers
            for surface in reversed(provider.surfaces)
            for match in reversed(surface.table.fixed_paths().values())
            if match.route.policy is Policy.METERED
        }
        self._unique = self._unique_paths()

    def provider(self, slug: str) -> Provider:
        """Find a provider. Raises `KeyError` when it is not served."""
        return self._by_slug[slug]

    def base_url(self, slug: str) -> str:
        """Where a provider is by default; empty for one that is not served."""
        provider = self._by_slug.get(slug)
        return "" if provider is None else provider.base_url

    def resolve(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        query: Mapping[str, str],
    ) -> Resolution | None:
        """Find whose request this is; none when the path is no provider's at all.

        `path` is percent-decoded, `headers` have lower-case names.
        """
        start = 0
        while path.startswith("/", start):
            start += 1
        end = path.find("/", start)
        if end > 0:
            provider = self._by_prefix.get(path[start:end])
            if provider is not None:
                rest = path[end:]
                found = provider.find(method, rest) or _mismatch(provider, method, rest, headers)
                return Resolution(provider, *found, explicit=True)
        unique = self._unique.get((method, path))
        return unique if unique is not None else self._by_marks(method, path, headers, query)

    def by_model(self, found: Resolution, model: str) -> Resolution:
        """Whose a metered request without a prefix is, now that its model is known.

        It goes to the provider that alone has such models, where that one speaks the
        same dialect and has the same operation; else it stays where it was.
        """
        if found.explicit or not model:
            return found
        own = found.provider.models
        if own is not None and own.match(model):
            return found
        for provider in self.providers:
            if provider.models is not None and provider.models.match(model):
                key = (provider.slug, found.dialect.name, found.match.route.operation)
                there = self._operations.get(key)
                return found if there is None else Resolution(provider, *there)
        return found

    def hint(self, asked: Provider, model: str) -> str:
        """One sentence that says where `model` is served, or nothing; see `model_hint`."""
        return model_hint(self.providers, asked, model)

    def _by_marks(
        self, method: str, path: str, headers: Mapping[str, str], query: Mapping[str, str]
    ) -> Resolution | None:
        marked = self._marked(headers, query)
        claims = self._claims(method, path, marked)
        if claims:
            return claims[0]
        for provider in self.providers:
            served = provider is marked or provider.serves_unprefixed(path)
            if served and provider.methods(path):
                return Resolution(provider, *_mismatch(provider, method, path, headers))
        return None

    def _marked(self, headers: Mapping[str, str], query: Mapping[str, str]) -> Provider | None:
        """The provider whose SDK alone would have sent these."""
        for provider in self.providers:
            if not provider.header_marks.isdisjoint(headers):
                return provider
        for provider in self.providers:
            if not provider.query_marks.isdisjoint(query):
                return provider
        return None

    def _claims(self, method: str, path: str, marked: Provider | None = None) -> list[Resolution]:
        """Every provider that would serve a path without a prefix, the marked one first."""
        claims = []
        for provider in self.providers:
            if not (provider is marked or provider.serves_unprefixed(path)):
                continue
            found = provider.find(method, path)
            if found is None:
                continue
            # Without a version, a denied word may be a path of the gateway's own.
            denied = found.match.route.policy is Policy.DENIED
            if denied and not found.surface.table.has_version(path):
                continue
            claims.append(Resolution(provider, *found))
        claims.sort(key=lambda claim: claim.provider is not marked)
        return claims

    def _unique_paths(self) -> dict[tuple[str, str], Resolution]:
        """Precompute the fixed paths that only one provider claims, whatever marks it bears."""
        spelled = {
            (method, surface.mount + path)
            for provider in self.providers
            for surface in provider.surfaces
            for method, path in surface.table.fixed_paths()
        }
        markable = [p for p in self.providers if p.header_marks or p.query_marks]
        unique = {}
        for method, path in spelled:
            claims = self._claims(method, path)
            rivals = [p for p in markable if p.find(method, path) is not None]
            if claims and len({c.provider.slug for c in claims} | {p.slug for p in rivals}) == 1:
                unique[(method, path)] = claims[0]
        return unique


def _mismatch(provider: Provider, method: str, path: str, headers: Mapping[str, str]) -> Found:
    """Make the match of a path that has no row, with a reason that says what to do."""
    surface = provider.closest(path, headers)
    methods = provider.methods(path)
    if methods:
        reason = f"Not with {method}: use {' or '.join(methods)}."
        route = Route(method, path, Policy.WRONG_METHOD, reason=reason)
    else:
        reason = f"This gateway serves no such path of {provider.slug}: {method} {path[:200]}"
        route = Route(method, path, Policy.UNKNOWN, reason=reason)
    return Found(surface, RouteMatch(route, "", single_slashes(path)))


REGISTRY = Registry(PROVIDERS)
