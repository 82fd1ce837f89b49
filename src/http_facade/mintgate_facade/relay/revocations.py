"""Listens to the core for keys that were revoked, and ends what they have running here.

A revocation must reach every worker, so each asks for itself. Silence is not
trusted: the core says something every few seconds, and what was missed while the
connection was away is told when it is back.
"""

from __future__ import annotations

import asyncio
import logging
import random
from typing import TYPE_CHECKING

import grpc
from mintgate.v1.ledger_pb2 import WatchRevocationsRequest, WatchRevocationsResponse

if TYPE_CHECKING:
    from collections.abc import Callable

    from mintgate.v1.ledger_pb2_grpc import LedgerServiceAsyncStub

    from mintgate_facade.relay.holds import ActiveHolds

_log = logging.getLogger("mintgate.revocations")

SILENCE_WAIT_S = 15.0
"""Three of the core's heartbeats."""
_REFUSED = frozenset({grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED})

RECONNECT_FIRST_S = 0.1
RECONNECT_MAX_S = 1.0
"""A revocation during a reconnect must still end its requests within two seconds."""


class RevocationWatch:
    """Keeps one watch open for as long as the worker runs."""

    def __init__(
        self,
        stub: LedgerServiceAsyncStub,
        service_token: str,
        holds: ActiveHolds,
        on_epoch: Callable[[int], None] = lambda _epoch: None,
    ) -> None:
        """`on_epoch` hears the store's epoch with every message."""
        self._stub = stub
        self._metadata = (("authorization", f"Bearer {service_token}"),)
        self._holds = holds
        self._on_epoch = on_epoch
        self.known = False
        """Whether the core knows this facade: it did when it was last asked."""
        self._said = ""
        self._told_until_ms = 0
        self._retry_s = RECONNECT_FIRST_S

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            try:
                await self._watch()
            except grpc.aio.AioRpcError as failure:
                if failure.code() in _REFUSED:
                    self.known = False
                self._say_lost(f"{failure.code().name} {failure.details()}")
            except TimeoutError:
                self._say_lost(f"silence for {SILENCE_WAIT_S} s")
            except Exception:  # noqa: BLE001 - the watch must outlive any defect
                _log.exception("watch of revocations failed")
            await asyncio.sleep(self._retry_s * random.uniform(0.5, 1))  # noqa: S311 - jitter
            self._retry_s = min(self._retry_s * 2, RECONNECT_MAX_S)

    async def _watch(self) -> None:
        # The core itself looks back a margin for clocks and late commits.
        request = WatchRevocationsRequest(since_ms=self._told_until_ms)
        call = self._stub.WatchRevocations(request, metadata=self._metadata)
        try:
            while True:
                async with asyncio.timeout(SILENCE_WAIT_S):
                    news = await call.read()
                if not isinstance(news, WatchRevocationsResponse):
                    return
                self.known = True
                self._said = ""
                self._retry_s = RECONNECT_FIRST_S
                self._told_until_ms = max(self._told_until_ms, news.told_until_ms)
                self._holds.revoke(news.key_ids)
                self._on_epoch(news.store_epoch)
        finally:
            call.cancel()

    def _say_lost(self, why: str) -> None:
        """Log why the watch was lost; the same again, try after try, says nothing new."""
        if why != self._said:
            self._said = why
            _log.warning("watch of revocations lost: %s", why)
