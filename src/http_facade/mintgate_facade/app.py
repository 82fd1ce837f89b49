"""The composition root of one facade worker."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING

from mintgate.channel import open_aio_channel
from mintgate.scrape import serving_metrics
from mintgate.v1.jobs_pb2_grpc import JobsServiceStub
from mintgate.v1.keys_pb2_grpc import KeysServiceStub
from mintgate.v1.ledger_pb2_grpc import LedgerServiceStub
from mintgate.v1.meter_pb2_grpc import MeterServiceStub
from mintgate.v1.objects_pb2_grpc import ObjectsServiceStub

from mintgate_facade.background import TaskSet
from mintgate_facade.control.app import create_control, served_methods
from mintgate_facade.control.core import Core
from mintgate_facade.jobs.poller import Poller
from mintgate_facade.jobs.readers import READERS
from mintgate_facade.providers.registry import PROVIDERS
from mintgate_facade.relay.asgi import closing
from mintgate_facade.relay.browsers import Browsers
from mintgate_facade.relay.caller import ClientAddresses
from mintgate_facade.relay.charges import Charges
from mintgate_facade.relay.common import CommonObjects
from mintgate_facade.relay.core_calls import CoreCalls
from mintgate_facade.relay.cores import Cores
from mintgate_facade.relay.deferred import Deferrals
from mintgate_facade.relay.failures import GATEWAY_STOPS
from mintgate_facade.relay.gateway import Gateway
from mintgate_facade.relay.holds import ActiveHolds
from mintgate_facade.relay.link import LedgerLink
from mintgate_facade.relay.long_bodies import LongBodies
from mintgate_facade.relay.metered import Metered
from mintgate_facade.relay.metrics import Metrics
from mintgate_facade.relay.objects import Objects
from mintgate_facade.relay.outbox import Outbox
from mintgate_facade.relay.owned import Owned
from mintgate_facade.relay.recent import RecentOperations
from mintgate_facade.relay.resumable import Resumable, Seal
from mintgate_facade.relay.revocations import RevocationWatch
from mintgate_facade.relay.slots import Slots
from mintgate_facade.relay.targets import Targets
from mintgate_facade.relay.unmetered import Unmetered
from mintgate_facade.uploads.durations import Durations
from mintgate_facade.uploads.receive import Uploads
from mintgate_facade.upstream import Upstream

if TYPE_CHECKING:
    from mintgate.tracing import Traces

    from mintgate_facade.relay.asgi import Receive, Scope, Send
    from mintgate_facade.settings import FacadeSettings

_log = logging.getLogger("mintgate.facade")

STOP_WAIT_S = 5.0
"""How long requests that were cancelled have to put their charges away."""
DELIVER_WAIT_S = 2.0
"""How long the outbox then has to reach the ledger; the rest waits on the disk."""


class Facade:
    """One worker: an ASGI app that starts and stops with the server's lifespan."""

    def __init__(self, settings: FacadeSettings, traces: Traces | None = None) -> None:
        self._settings = settings
        self._traces = traces
        self._running: _Running | None = None
        self._draining = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif self._running is None:
            raise RuntimeError("the facade was not started")
        else:
            await self._running.gateway(scope, receive, closing(send) if self._draining else send)

    def drain(self) -> None:
        """Say that this worker is not ready any more, and close connections after each answer."""
        self._draining = True
        if self._running is not None:
            self._running.draining = True

    def end_running(self) -> None:
        """End every running request with its native error, charged for what was delivered."""
        if self._running is not None:
            self._running.holds.end_all(GATEWAY_STOPS)

    @property
    def metrics_port(self) -> int | None:
        """Where this worker's metrics are; None while there are none."""
        return None if self._running is None else self._running.metrics_port

    async def start(self) -> None:
        """Open everything; must be called on the loop that will serve."""
        self._running = await _Running.open(self._settings, self._traces)

    async def stop(self) -> None:
        """Put every open charge away and close everything."""
        running, self._running = self._running, None
        if running is not None:
            await running.close()

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            await self.start()
        except OSError as failure:
            message = f"the facade cannot start: {failure}"
            await send({"type": "lifespan.startup.failed", "message": message})
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self.stop()
        await send({"type": "lifespan.shutdown.complete"})


class _Running:
    """What exists between start and stop."""

    def __init__(self, settings: FacadeSettings, traces: Traces | None) -> None:
        token = settings.service_token
        channel = self.channel = Cores(
            [
                (target, open_aio_channel(target, settings.core_tls))
                for target in settings.shuffled_core_targets()
            ]
        )
        self.draining = False
        self.metrics = Metrics()
        self.metrics_port: int | None = None
        self._ports = contextlib.AsyncExitStack()
        self.link = LedgerLink(
            LedgerServiceStub(channel), token, self.metrics.link_answered, channel
        )
        self.channel.on_move(self.link.moved)
        self.outbox = Outbox(settings.outbox_directory, self.link)
        self.objects = Objects(ObjectsServiceStub(channel), token)
        self.recent = RecentOperations(
            settings.outbox_directory, self.link, changed=self.objects.heard
        )
        self.link.follow(self.recent)
        self.holds = ActiveHolds(self.link, settings.hold_ttl_ms)
        self.revocations = RevocationWatch(
            LedgerServiceStub(channel), token, self.holds, self.recent.heard
        )
        self.upstream = Upstream()
        self.durations = Durations(settings.audio_duration_max_ms)
        self.tasks = TaskSet()
        self.core = Core(channel, token)
        targets = Targets(settings.accounts, self.upstream, settings.registry)
        charges = Charges(self.link, self.outbox)
        self.poller = Poller(
            JobsServiceStub(channel),
            token,
            self.link,
            charges,
            targets,
            self.upstream,
            polled=self.metrics.polled,
        )
        self.gateway = self._gateway(settings, targets, charges, traces)
        self.metrics.watch(self.link, self.outbox, self.holds)

    def _gateway(
        self, settings: FacadeSettings, targets: Targets, charges: Charges, traces: Traces | None
    ) -> Gateway:
        token, channel = settings.service_token, self.channel
        core_calls = CoreCalls(KeysServiceStub(channel), MeterServiceStub(channel), token)
        objects = self.objects
        common = CommonObjects(objects, targets)
        uploads = Uploads(settings.uploads_directory, settings.upload_bytes_max, self.durations)
        seal = Seal.of(token)
        control = create_control(
            self.core,
            self.ready,
            body_wait_s=settings.bounds.body_wait_s,
            simulated=settings.simulated,
        )
        names = [prefix for provider in PROVIDERS for prefix in provider.all_prefixes]
        return Gateway(
            targets=targets,
            metered=Metered(
                self.link,
                charges,
                self.holds,
                targets,
                core_calls,
                uploads,
                objects,
                Deferrals(self.link, objects, targets, READERS),
                common,
                settings.hold_ttl_ms,
            ),
            unmetered=Unmetered(core_calls, targets, objects),
            owned=Owned(
                objects,
                core_calls,
                targets,
                uploads,
                Resumable(objects, core_calls, targets, uploads, seal, settings.public_url),
                common,
                Slots(objects),
            ),
            control=control,
            metrics=self.metrics,
            body_wait_s=settings.bounds.body_wait_s,
            bodies=LongBodies(settings.bounds.bodies_bytes_max),
            browsers=Browsers(settings.cors_origins, names),
            addresses=ClientAddresses(settings.trusted_proxies),
            control_methods=lambda path: served_methods(control, path),
            traces=traces,
        )

    @classmethod
    async def open(cls, settings: FacadeSettings, traces: Traces | None) -> _Running:
        """Make and start every part.

        Raises `OSError` when the outbox or the metrics port cannot be opened.
        """
        running = cls(settings, traces)
        running.channel.start()
        running.link.start()
        try:
            await running.serve_metrics(settings)
            await running.outbox.start()
            await running.recent.start()
        except OSError:
            await running.link.close()
            await running.channel.close(None)
            await running.close_ports()
            raise
        running.upstream.start()
        running.tasks.spawn(running.holds.run(), "holds")
        running.tasks.spawn(running.revocations.run(), "revocations")
        running.tasks.spawn(running.poller.run(), "jobs")
        running.tasks.spawn(running.objects.run(), "objects")
        return running

    async def serve_metrics(self, settings: FacadeSettings) -> None:
        """Open the port for metrics, if there is to be one."""
        if settings.metrics_port is None:
            return
        host, port = settings.metrics_host, settings.metrics_port
        try:
            self.metrics_port = await self._ports.enter_async_context(
                serving_metrics(host, port, self.metrics.render)
            )
        except OSError as failure:
            raise OSError(
                failure.errno, f"cannot listen on {host}:{port} for metrics: {failure.strerror}"
            ) from None

    async def close_ports(self) -> None:
        """Answer no scrape any more."""
        await self._ports.aclose()

    async def close(self) -> None:
        """Stop in the order in which nothing is lost: requests, outbox, ledger, the rest."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_WAIT_S):
                await self.holds.empty()
        await self.tasks.close()
        if self.link.connected:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(DELIVER_WAIT_S):
                    await self.outbox.delivered()
        await self.outbox.close()
        await self.link.drain()
        await self.link.close()
        await self.recent.close()
        await self.upstream.close()
        self.durations.close()
        await self.channel.close(None)
        await self.close_ports()
        if self.outbox.open_count:
            _log.warning("%d charges wait in the outbox", self.outbox.open_count)

    async def ready(self) -> str:
        """What is missing before a request could be served; nothing when all is well."""
        if self.draining:
            return "this worker is being stopped"
        if not self.outbox.accepting:
            return "the outbox cannot be written"
        if not self.link.connected or not await self.core.serving():
            return "the ledger is away"
        if not self.revocations.known:
            # The health service answers everybody; this one asks for the service token.
            return "the ledger does not know this facade"
        return ""
