"""Readiness: the health service says SERVING while the store answers, and not otherwise.

Load balancers and facades ask the health service, so that "ready" means "can reserve".
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Protocol

from grpc_health.v1.health_pb2 import HealthCheckResponse

from mintgate_core.ledger.errors import LedgerError
from mintgate_core.stores.base import Store

CHECK_INTERVAL_S = 1.0

log = logging.getLogger(__name__)


class Health(Protocol):
    """The part of the health service that is told."""

    async def set(self, service: str, status: HealthCheckResponse.ServingStatus.ValueType) -> None:
        """Change what a service answers."""


class Readiness:
    """Tells the health service about some services, whenever it changes."""

    def __init__(self, store: Store, health: Health, services: Sequence[str]) -> None:
        self._store = store
        self._health = health
        self._services = services
        self._ready: bool | None = None

    async def check(self) -> bool:
        """Ask the store once, within the bound that the store sets itself."""
        try:
            await self._store.check()
        except LedgerError:
            ready = False
        else:
            ready = True
        before, self._ready = self._ready, ready
        if ready is not before:
            status = HealthCheckResponse.SERVING if ready else HealthCheckResponse.NOT_SERVING
            for service in self._services:
                await self._health.set(service, status)
            if before is not None:
                log.warning("the store answers again" if ready else "the store does not answer")
        return ready

    async def run(self) -> None:
        """Check until cancelled."""
        while True:
            await asyncio.sleep(CHECK_INTERVAL_S)
            await self.check()
