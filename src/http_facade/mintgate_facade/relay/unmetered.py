"""Routes that hold no money: free ones, forwarded, and those the gateway answers itself."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from mintgate_facade.dialects.base import RequestView
from mintgate_facade.relay.client_watch import InterruptedRequestError, while_listened
from mintgate_facade.relay.exchange import Exchange, admit
from mintgate_facade.relay.pass_through import pass_through

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mintgate.v1.meter_pb2 import ModelPrice

    from mintgate_facade.relay.core_calls import CoreCalls
    from mintgate_facade.relay.objects import Objects
    from mintgate_facade.relay.targets import Targets

_JSON = [(b"content-type", b"application/json")]
_EMPTY = b"{}"
"""Answers a route whose only use is that it is answered, such as a connection's warm-up."""


@dataclass(frozen=True, slots=True)
class Unmetered:
    """What requests without a hold share."""

    core: CoreCalls
    targets: Targets
    objects: Objects

    async def serve_free(self, exchange: Exchange) -> None:
        """Authenticate, forward and relay unchanged."""
        admitted = await admit(exchange, self.core, json_only=exchange.scope["method"] == "POST")
        key = await self.core.authenticate(
            admitted.secret_sha256, exchange.caller, exchange.target.slug, _model(admitted.view)
        )
        exchange.key_id = key.id
        if uses := exchange.dialect.uses(exchange.route, admitted.view):
            await self.objects.require(
                admitted.secret_sha256, exchange.caller, exchange.target.slug, uses
            )
        try:
            with while_listened(exchange.scope, exchange.receive):
                response = await self.targets.open(exchange, admitted, admitted.view.body)
        except InterruptedRequestError:
            return
        try:
            await pass_through(exchange, response)
        finally:
            response.close()

    async def serve_local(self, exchange: Exchange) -> None:
        """Authenticate and answer: from the catalogue, from the key itself, or with nothing."""
        admitted = await admit(exchange, self.core, json_only=False)
        slug = exchange.target.slug
        key = await self.core.authenticate(admitted.secret_sha256, exchange.caller, slug)
        exchange.key_id = key.id
        if exchange.route.of_key is not None:
            body = exchange.route.of_key(key)
            await exchange.send_whole(200, [*_JSON, *exchange.own_headers()], body)
            return
        if exchange.route.operation != "models":
            await exchange.send_whole(200, [*_JSON, *exchange.own_headers()], _EMPTY)
            return
        prices = await self.core.prices(key.account_id, slug)
        allowed = allowed_prices(prices, key.allowed_models)
        view = admitted.view
        query = {**view.query, "model": view.path_model} if view.path_model else view.query
        body = exchange.dialect.models(exchange.route, allowed, query)
        await exchange.send_whole(200, [*_JSON, *exchange.own_headers()], body)


def _model(view: RequestView) -> str:
    """The model that a free request names; a key that may not use it may not ask about it."""
    model = view.path_model or view.document.get("model")
    return model if isinstance(model, str) else ""


def allowed_prices(prices: Iterable[ModelPrice], patterns: Iterable[str]) -> list[ModelPrice]:
    """The prices whose model a key may use; no pattern at all allows every model."""
    wanted = tuple(patterns)
    if not wanted:
        return list(prices)
    return [
        price for price in prices if any(fnmatchcase(price.model, pattern) for pattern in wanted)
    ]
