"""How many objects of one kind a key may own, where the operator's account has few places."""

from __future__ import annotations

import contextlib
from collections import Counter
from typing import TYPE_CHECKING

from mintgate_facade.dialects.base import Failure, FailureKind, RefusedRequest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from mintgate_facade.relay.exchange import Admitted, Exchange
    from mintgate_facade.relay.objects import Objects


class Slots:
    """Counts what is being made, so that requests at once do not each find the last place free.

    It knows of the requests of one worker: of several, each may fill the last place once.
    """

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._making: Counter[tuple[str, str, str]] = Counter()

    @contextlib.asynccontextmanager
    async def taken(
        self, exchange: Exchange, admitted: Admitted, key_id: str
    ) -> AsyncIterator[None]:
        """Hold a place for what the request makes, or raise `RefusedRequest` (400)."""
        slug, kind, most = exchange.target.slug, exchange.route.kind, exchange.route.most
        if not most:
            yield
            return
        maker = key_id, slug, kind
        self._making[maker] += 1
        place = self._making[maker]
        try:
            owned = await self._objects.all_of(
                admitted.secret_sha256, exchange.caller, slug, kind, newest=True
            )
            if len(owned) + place > most:
                raise RefusedRequest(_full(kind, most))
            yield
        finally:
            self._making[maker] -= 1
            if not self._making[maker]:
                del self._making[maker]


def _full(kind: str, most: int) -> Failure:
    return Failure(
        FailureKind.BAD_REQUEST,
        f"A key may own {most} objects of the kind '{kind}' here, and this one does. "
        "Delete one, then try again.",
        code=f"{kind}_limit_reached",
    )
