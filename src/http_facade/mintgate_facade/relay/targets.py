"""Where requests go: the providers' route tables joined with the operator's accounts there."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mintgate_facade.dialects.base import Failure, FailureKind, RefusedRequest
from mintgate_facade.providers.registry import PROVIDERS, resolve

if TYPE_CHECKING:
    from collections.abc import Mapping

    import aiohttp

    from mintgate_facade.providers.base import Provider
    from mintgate_facade.providers.routing import RouteMatch
    from mintgate_facade.relay.exchange import Admitted, Exchange
    from mintgate_facade.relay.upstream import Upstream
    from mintgate_facade.settings import ProviderAccount


@dataclass(frozen=True, slots=True)
class Target:
    """One provider, with what the hot path needs of it made ready."""

    provider: Provider
    account: ProviderAccount | None
    """None: the operator has no account there, so nothing can be forwarded."""

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


class Targets:
    """The providers that this gateway stands in front of."""

    def __init__(self, accounts: Mapping[str, ProviderAccount], upstream: Upstream) -> None:
        self._upstream = upstream
        self._by_slug = {
            provider.slug: Target(provider, accounts.get(provider.slug)) for provider in PROVIDERS
        }

    def resolve(
        self, method: str, path: str, headers: Mapping[str, str], query: Mapping[str, str]
    ) -> tuple[Target, RouteMatch] | None:
        """Find the provider and route of a request; None when it is no provider's."""
        found = resolve(method, path, headers, query)
        return None if found is None else (self._by_slug[found.provider.slug], found.match)

    async def open(
        self, exchange: Exchange, admitted: Admitted, body: bytes
    ) -> aiohttp.ClientResponse:
        """Send a request to its provider with the operator's credential.

        Raises `RefusedRequest` (404, 502, 504).
        """
        account = exchange.target.require_account()
        provider = exchange.target.provider
        headers = dict(admitted.view.headers)
        headers["accept-encoding"] = "identity"
        if body:
            headers.setdefault("content-type", "application/json")
        name, value = provider.credential(account.api_key)
        headers[name] = value
        url = account.base_url + exchange.match.upstream_path
        if admitted.query:
            url = f"{url}?{admitted.query.decode('latin-1')}"
        exchange.forwarded_ns = time.monotonic_ns()
        response = await self._upstream.open(exchange.scope["method"], url, headers, body)
        exchange.answered_ns = time.monotonic_ns()
        return response
