"""Tells from a request which provider it means.

An explicit prefix (`/anthropic/...`) decides first, then a path that only one
provider has, then the headers that only one provider's SDK sends; what is left
is OpenAI's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from mintgate_facade.dialects.base import Policy, Route
from mintgate_facade.providers.anthropic import ANTHROPIC
from mintgate_facade.providers.base import Provider
from mintgate_facade.providers.gemini import GEMINI
from mintgate_facade.providers.hints import model_hint
from mintgate_facade.providers.openai import OPENAI
from mintgate_facade.providers.routing import RouteMatch

__all__ = ["PROVIDERS", "REGISTRY", "Registry", "Resolution", "model_hint", "resolve"]

PROVIDERS: tuple[Provider, ...] = (OPENAI, ANTHROPIC, GEMINI)


class Resolution(NamedTuple):
    """The provider that a request means, and its route there."""

    provider: Provider
    match: RouteMatch
    """Of policy UNKNOWN or WRONG_METHOD when the provider has no such route."""


class Registry:
    """The providers that are served. Immutable after construction."""

    def __init__(self, providers: Sequence[Provider]) -> None:
        self._by_slug = {provider.slug: provider for provider in providers}
        self._by_prefix: dict[str, Provider] = {}
        for provider in providers:
            for prefix in provider.all_prefixes:
                if prefix in self._by_prefix:
                    raise ValueError(f"two providers claim the prefix {prefix!r}")
                self._by_prefix[prefix] = provider
        self._unprefixed = [provider for provider in providers if provider.unprefixed]
        self._unique = self._unique_paths()

    def provider(self, slug: str) -> Provider:
        """Find a provider. Raises `KeyError` when it is not served."""
        return self._by_slug[slug]

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
                match = provider.match(method, rest) or _mismatch(provider, method, rest)
                return Resolution(provider, match)
        unique = self._unique.get((method, path))
        return unique if unique is not None else self._by_headers(method, path, headers, query)

    def _by_headers(
        self, method: str, path: str, headers: Mapping[str, str], query: Mapping[str, str]
    ) -> Resolution | None:
        claims = self._claims(method, path)
        if len(claims) > 1:
            marked = _marked_provider(headers, query)
            claims.sort(key=lambda claim: claim.provider.slug != marked)
        if claims:
            return claims[0]
        for provider in self._unprefixed:
            if provider.methods(path):
                return Resolution(provider, _mismatch(provider, method, path))
        return None

    def _claims(self, method: str, path: str) -> list[Resolution]:
        claims = []
        for provider in self._unprefixed:
            match = provider.match(method, path)
            if match is None:
                continue
            # Without a version, a denied word may be a path of the gateway's own.
            if match.route.policy is Policy.DENIED and not provider.table.has_version(path):
                continue
            claims.append(Resolution(provider, match))
        return claims

    def _unique_paths(self) -> dict[tuple[str, str], Resolution]:
        """Precompute the fixed paths that only one provider claims."""
        spelled = {key for provider in self._unprefixed for key in provider.table.fixed_paths()}
        claims = {key: self._claims(*key) for key in spelled}
        return {key: found[0] for key, found in claims.items() if len(found) == 1}


def _marked_provider(headers: Mapping[str, str], query: Mapping[str, str]) -> str:
    if "anthropic-version" in headers:
        return ANTHROPIC.slug
    if "x-goog-api-key" in headers or "key" in query:
        return GEMINI.slug
    return OPENAI.slug


def _mismatch(provider: Provider, method: str, path: str) -> RouteMatch:
    """Make the match of a path that has no row, with a reason that says what to do."""
    methods = provider.methods(path)
    if methods:
        reason = f"Not with {method}: use {' or '.join(methods)}."
        return RouteMatch(Route(method, path, Policy.WRONG_METHOD, reason=reason), "", path)
    reason = f"This gateway serves no such path of {provider.slug}: {method} {path[:200]}"
    return RouteMatch(Route(method, path, Policy.UNKNOWN, reason=reason), "", path)


REGISTRY = Registry(PROVIDERS)


def resolve(
    method: str, path: str, headers: Mapping[str, str], query: Mapping[str, str]
) -> Resolution | None:
    """`Registry.resolve` of all providers that are served."""
    return REGISTRY.resolve(method, path, headers, query)
