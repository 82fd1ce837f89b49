"""Where requests go: the providers' route tables joined with the operator's accounts there."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mintgate_facade.dialects.base import Failure, FailureKind, Policy, RefusedRequest
from mintgate_facade.providers.registry import REGISTRY
from mintgate_facade.providers.routing import METHODS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mintgate_facade.providers.base import Provider, Surface
    from mintgate_facade.providers.registry import Registry, Resolution
    from mintgate_facade.relay.exchange import Admitted, Exchange
    from mintgate_facade.settings import ProviderAccount
    from mintgate_facade.upstream import Answer, Upstream


_NO_ROW = frozenset({Policy.UNKNOWN, Policy.WRONG_METHOD})


@dataclass(frozen=True, slots=True)
class Target:
    """One provider, with what the hot path needs of it made ready."""

    provider: Provider
    account: ProviderAccount | None
    """None: the operator has no account there, so nothing can be forwarded."""
    addresses: Mapping[str, str]
    """Where each of its surfaces begins, by name; empty without an account."""

    @classmethod
    def of(cls, provider: Provider, account: ProviderAccount | None) -> Target:
        """Join a provider with the operator's account there."""
        if account is None:
            return cls(provider, None, {})
        addresses = {s.name: provider.address(s, account.base_url) for s in provider.surfaces}
        return cls(provider, account, addresses)

    @property
    def slug(self) -> str:
        """The provider's name."""
        return self.provider.slug

    @property
    def simulated(self) -> bool:
        """Whether its answers are made up."""
        return self.account is not None and self.account.simulated

    def require_account(self) -> ProviderAccount:
        """The operator's account; raises `RefusedRequest` (404) when there is none."""
        if self.account is None:
            raise RefusedRequest(
                Failure(FailureKind.NOT_FOUND, f"This gateway has no access to {self.slug}.")
            )
        return self.account

    def surface(self, name: str) -> Surface | None:
        """One of its surfaces by its name."""
        return next((s for s in self.provider.surfaces if s.name == name), None)

    def url(self, surface: Surface, path: str, query: bytes) -> str:
        """The address of a path of a surface; `path` is percent-encoded."""
        url = self.addresses[surface.name] + path
        return f"{url}?{query.decode('latin-1')}" if query else url


class Targets:
    """The providers that this gateway stands in front of."""

    def __init__(
        self,
        accounts: Mapping[str, ProviderAccount],
        upstream: Upstream,
        registry: Registry = REGISTRY,
    ) -> None:
        self._upstream = upstream
        self._registry = registry
        self._by_slug = {
            provider.slug: Target.of(provider, accounts.get(provider.slug))
            for provider in registry.providers
        }

    def resolve(
        self, method: str, path: str, headers: Mapping[str, str], query: Mapping[str, str]
    ) -> tuple[Target, Resolution] | None:
        """Find the provider and route of a request; None when it is no provider's."""
        found = self._registry.resolve(method, path, headers, query)
        return None if found is None else (self._by_slug[found.provider.slug], found)

    def methods(
        self, path: str, headers: Mapping[str, str], query: Mapping[str, str]
    ) -> tuple[str, ...] | None:
        """The methods that a path has rows for, denied ones too; None when it is no provider's."""
        meant = {method: self._registry.resolve(method, path, headers, query) for method in METHODS}
        if not any(meant.values()):
            return None
        return tuple(
            method
            for method, found in meant.items()
            if found is not None and found.match.route.policy not in _NO_ROW
        )

    def target(self, slug: str) -> Target | None:
        """A provider by its slug."""
        return self._by_slug.get(slug)

    def by_model(self, exchange: Exchange, model: str) -> bool:
        """Move a request that named no provider to the one whose model it names.

        Returns whether it moved.
        """
        found = self._registry.by_model(exchange.found, model)
        moved = found is not exchange.found
        if moved:
            exchange.target, exchange.found = self._by_slug[found.provider.slug], found
        return moved

    def hint(self, exchange: Exchange, model: str) -> str:
        """Where a model that is unknown here may be found, or nothing."""
        return self._registry.hint(exchange.target.provider, model)

    async def read(
        self,
        exchange: Exchange,
        admitted: Admitted,
        path: str,
        method: str = "GET",
        query: bytes = b"",
    ) -> Answer:
        """Ask for another path of the same surface; percent-encoded, without a body.

        Raises `RefusedRequest` (404, 502, 504).
        """
        headers = _with_credential(exchange, admitted)
        url = exchange.target.url(exchange.found.surface, path, query)
        return await self._upstream.open(method, url, headers, b"")

    async def look(self, exchange: Exchange, path: str) -> Answer:
        """Ask for what is nobody's request: nothing that the client sent goes with it.

        Raises `RefusedRequest` (404, 502, 504).
        """
        account, surface = exchange.target.require_account(), exchange.found.surface
        name, value = surface.credential(account.api_key)
        headers = {"accept": "application/json", "accept-encoding": "identity", name: value}
        return await self._upstream.open(
            "GET", exchange.target.url(surface, path, b""), headers, b""
        )

    async def open(self, exchange: Exchange, admitted: Admitted, body: bytes) -> Answer:
        """Send a request to its provider with the operator's credential.

        Raises `RefusedRequest` (404, 502, 504).
        """
        headers = _with_credential(exchange, admitted)
        if body:
            headers.setdefault("content-type", "application/json")
        payload = await admitted.payload(body)
        url = exchange.target.url(
            exchange.found.surface, exchange.match.upstream_path, admitted.query
        )
        exchange.forwarded_ns = time.monotonic_ns()
        response = await self._upstream.open(exchange.scope["method"], url, headers, payload)
        exchange.answered_ns = time.monotonic_ns()
        return response


def _with_credential(exchange: Exchange, admitted: Admitted) -> dict[str, str]:
    """The request's headers as its provider gets them. Raises `RefusedRequest` (404)."""
    account = exchange.target.require_account()
    name, value = exchange.found.surface.credential(account.api_key)
    return {**admitted.view.headers, "accept-encoding": "identity", name: value}
