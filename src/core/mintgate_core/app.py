"""The composition root: builds every part once, in order, and takes it down in reverse."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import grpc
from grpc import aio
from grpc_health.v1 import health, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from mintgate.scrape import serving_metrics
from mintgate.staleness import stale_text
from mintgate.tracing import Traces
from mintgate.v1 import (
    jobs_pb2,
    jobs_pb2_grpc,
    keys_pb2,
    keys_pb2_grpc,
    ledger_pb2,
    ledger_pb2_grpc,
    meter_pb2,
    meter_pb2_grpc,
    objects_pb2,
    objects_pb2_grpc,
)

from mintgate_core import auditor, folding, sweeper
from mintgate_core.bootstrap import FirstAccount, bootstrap
from mintgate_core.clock import Clock, monotonic_ms, wall_clock_ms
from mintgate_core.lane import Lanes
from mintgate_core.ledger.errors import Unavailable
from mintgate_core.ledger.operations import Answer, Operation
from mintgate_core.ratelimit.base import Limiter
from mintgate_core.ratelimit.fallback import open_limiter
from mintgate_core.readiness import Readiness
from mintgate_core.service.admission import Admission
from mintgate_core.service.bounds import GrpcBounds
from mintgate_core.service.desk import Desk
from mintgate_core.service.hold_token import TokenSigner
from mintgate_core.service.interceptors import Guard
from mintgate_core.service.jobs_service import JobsService
from mintgate_core.service.keys_service import AccountsService, KeysService
from mintgate_core.service.ledger_service import LedgerService
from mintgate_core.service.meter_service import MeterService
from mintgate_core.service.metrics import Metrics
from mintgate_core.service.minting import Mint
from mintgate_core.service.objects_service import ObjectsService
from mintgate_core.service.operations import Operator
from mintgate_core.service.principal import Gatekeeper
from mintgate_core.service.refusals import Refusals
from mintgate_core.service.revocations import Revocations
from mintgate_core.service.tail import Tail
from mintgate_core.service.tracing import OperationTraces
from mintgate_core.stores.base import Store
from mintgate_core.stores.postgres import PostgresStore, PostgresUrl
from mintgate_core.stores.sqlite import SqliteStore

STOP_GRACE_S = 1.0
"""Single calls end within milliseconds. Streams never end by themselves and are cut: their
callers repeat what was not answered, by its id."""

CLOCKS_APART_S_MAX = 300
"""Holds and windows go by the database's clock, prices by this machine's. Machines that keep time
differ by far less; with more, a price would be in force at a core long before or after its time."""

POSTGRES_LANES = 2
"""Batches in flight. One waits for the database while another is decided; more would only make
batches smaller. The embedded store has one writer, and so one lane."""

SERVICES = (
    ledger_pb2.DESCRIPTOR.services_by_name["LedgerService"].full_name,
    jobs_pb2.DESCRIPTOR.services_by_name["JobsService"].full_name,
    objects_pb2.DESCRIPTOR.services_by_name["ObjectsService"].full_name,
    keys_pb2.DESCRIPTOR.services_by_name["KeysService"].full_name,
    keys_pb2.DESCRIPTOR.services_by_name["AccountsService"].full_name,
    meter_pb2.DESCRIPTOR.services_by_name["MeterService"].full_name,
)

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class CoreOptions:
    """What a core needs to know. The tokens are left out of its repr."""

    store_path: Path
    operator_token: str
    service_token: str
    host: str = "127.0.0.1"
    port: int = 0
    first: FirstAccount = field(default_factory=FirstAccount)
    credentials: grpc.ServerCredentials | None = None
    """TLS; None for plain text."""
    bounds: GrpcBounds = field(default_factory=GrpcBounds)
    sweep: bool = True
    metrics_host: str = "127.0.0.1"
    metrics_port: int | None = None
    """0 picks a free one; None serves no metrics."""
    audit_interval_s: float = 0.0
    """0: no continuous audit."""
    audit_full_interval_s: float = 0.0
    """Between two of everything, by any core; 0: only what is new."""
    prices_stale_days: int = 0
    """How old the packaged prices may be before a start warns; 0: never."""
    redis_url: str | None = None
    """Where cores share their rate limits; None: each counts alone."""
    traces: Traces | None = field(default=None, repr=False)
    """None: no traces."""
    objects_per_key: int = 100_000
    """How many objects at providers a key may own."""
    database: PostgresUrl | None = None
    """Where the books are instead of in the file at `store_path`."""

    def __repr__(self) -> str:
        return f"CoreOptions({self.database or self.store_path}, {self.host}:{self.port})"


@dataclass(frozen=True, slots=True)
class Core:
    """A running core."""

    port: int
    generated_master_key: str = field(repr=False)
    """Shown once; empty unless this start made the first account."""
    store: Store
    lanes: Lanes
    metrics_port: int | None = None


@asynccontextmanager
async def running(
    options: CoreOptions, clock: Clock = wall_clock_ms, ticks: Clock = monotonic_ms
) -> AsyncIterator[Core]:
    """Run a core for the length of the block.

    `clock` is what money and prices go by; `ticks`, which is never set back, is for rate
    limits and for what is remembered for a moment.

    Raises `Unavailable` when the store or the port cannot be had.
    """
    store = await open_store(options, clock)
    try:
        async with serving(store, options, clock, ticks) as core:
            yield core
    finally:
        await store.close()


async def open_store(options: CoreOptions, clock: Clock = wall_clock_ms) -> Store:
    """Open the books. PostgreSQL has a clock of its own, unless a test brings another.

    Raises `Unavailable`.
    """
    if options.database is None:
        return SqliteStore.open(options.store_path, clock)
    if clock is not wall_clock_ms:
        return await PostgresStore.open(options.database, clock)
    store = await PostgresStore.open(options.database)
    try:
        _require_one_time(clock(), await store.now_ms())
    except BaseException:
        await store.close()
        raise
    return store


def _require_one_time(here_ms: int, there_ms: int) -> None:
    """Refuse clocks of which one is plainly wrong. Raises `Unavailable`."""
    apart_s = (here_ms - there_ms) // 1_000
    if abs(apart_s) > CLOCKS_APART_S_MAX:
        how = "ahead of" if apart_s > 0 else "behind"
        raise Unavailable(
            f"this machine's clock is {abs(apart_s)} s {how} the database's: set one of them right"
        )


@asynccontextmanager
async def serving(
    store: Store, options: CoreOptions, clock: Clock, ticks: Clock = monotonic_ms
) -> AsyncIterator[Core]:
    """Serve an open store."""
    try:
        async with (
            open_limiter(options.redis_url, ticks) as limiter,
            _serving(store, options, clock, ticks, limiter) as core,
        ):
            yield core
    except BaseExceptionGroup as group:
        # A task group wraps even the one refusal that ended the start.
        if len(group.exceptions) > 1:
            raise
        raise group.exceptions[0] from None


@asynccontextmanager
async def _serving(
    store: Store, options: CoreOptions, clock: Clock, ticks: Clock, limiter: Limiter
) -> AsyncIterator[Core]:
    tail = Tail()
    metrics = Metrics(store, clock, limiter)

    def committed(operations: Sequence[Operation], answers: Sequence[Answer]) -> None:
        tail.committed(operations, answers)
        metrics.committed(operations, answers)
        admission.committed(operations, answers)

    traces = None if options.traces is None else OperationTraces(options.traces, clock)

    def batched(operations: Sequence[Operation], seconds: float) -> None:
        metrics.batch(operations, seconds)
        if traces is not None:
            traces.batch(operations, seconds)

    count = 1 if options.database is None else POSTGRES_LANES
    lanes = Lanes(store, count, on_commit=committed, on_batch=batched)
    admission = Admission(store, lanes, limiter, Refusals(ticks), ticks)
    metrics.queue_is(lambda: lanes.queued_operations)
    async with asyncio.TaskGroup() as tasks, AsyncExitStack() as open_ports:
        metrics_port = await _metrics_port(open_ports, options, metrics)
        running_lanes = tasks.create_task(lanes.run())
        running_limits = tasks.create_task(limiter.run())
        mint = Mint(store)
        generated = await bootstrap(store, lanes, mint, options.first)
        desk = await Desk.open(store, clock)
        metrics.prices_read_at(desk.prices_read_at_ms)
        if stale := stale_text(desk.prices_read_at_ms, clock(), options.prices_stale_days):
            log.warning("%s; compare them with a newer list: mintgate prices diff", stale)
        desk.warm()
        # The package's async servicer is public, its stubs just do not know it.
        healthy = health.aio.HealthServicer()  # type: ignore[attr-defined]
        ready = Readiness(store, healthy, ("", *SERVICES))
        await ready.check()
        server, port = await _server(
            store, admission, desk, mint, tail, metrics, traces, options, healthy
        )
        keeping = []
        if options.sweep:
            keeping.append(tasks.create_task(sweeper.run(store, lanes)))
            keeping.append(tasks.create_task(sweeper.run_objects(store)))
            keeping.append(tasks.create_task(folding.run(store)))
        keeping.append(tasks.create_task(ready.run()))
        keeping.append(tasks.create_task(desk.run()))
        if options.audit_interval_s:
            auditing = auditor.run(
                store,
                options.audit_interval_s,
                options.audit_full_interval_s,
                metrics.audited,
                ticks,
            )
            keeping.append(tasks.create_task(auditing))
        try:
            yield Core(port, generated, store, lanes, metrics_port)
        finally:
            # New calls are refused first; what is under way is answered; then the
            # lanes stop, with nothing left in them.
            # Facades that have another core go there as soon as they hear of it.
            await healthy.enter_graceful_shutdown()
            await server.stop(STOP_GRACE_S)
            for task in keeping:
                task.cancel()
            running_lanes.cancel()
            running_limits.cancel()


async def _server(
    store: Store,
    admission: Admission,
    desk: Desk,
    mint: Mint,
    tail: Tail,
    metrics: Metrics,
    traces: OperationTraces | None,
    options: CoreOptions,
    healthy: health_pb2_grpc.HealthServicer,
) -> tuple[aio.Server, int]:
    signer = TokenSigner(options.service_token)
    gatekeeper = Gatekeeper(store, options.operator_token, options.service_token)
    operator = Operator(store, admission, desk, signer, metrics.answered, traces)
    server = aio.server(
        interceptors=[Guard(gatekeeper)],
        options=[*options.bounds.channel_arguments(), ("grpc.so_reuseport", 0)],
        maximum_concurrent_rpcs=options.bounds.calls_max,
    )
    ledger_pb2_grpc.add_LedgerServiceServicer_to_server(
        LedgerService(store, gatekeeper, operator, Revocations(store)), server
    )
    jobs_pb2_grpc.add_JobsServiceServicer_to_server(JobsService(store, operator, signer), server)
    objects_pb2_grpc.add_ObjectsServiceServicer_to_server(
        ObjectsService(store, gatekeeper, options.objects_per_key), server
    )
    keys_pb2_grpc.add_KeysServiceServicer_to_server(
        KeysService(store, gatekeeper, mint, admission.changed), server
    )
    keys_pb2_grpc.add_AccountsServiceServicer_to_server(AccountsService(store, mint), server)
    meter_pb2_grpc.add_MeterServiceServicer_to_server(
        MeterService(store, gatekeeper, desk, tail), server
    )
    health_pb2_grpc.add_HealthServicer_to_server(healthy, server)
    reflection.enable_server_reflection((*SERVICES, reflection.SERVICE_NAME), server)
    address = host_and_port(options.host, options.port)
    try:
        if options.credentials is None:
            port = server.add_insecure_port(address)
        else:
            port = server.add_secure_port(address, options.credentials)
    except RuntimeError:
        raise Unavailable(f"cannot listen on {address}") from None
    await server.start()
    return server, port


async def _metrics_port(
    open_ports: AsyncExitStack, options: CoreOptions, metrics: Metrics
) -> int | None:
    if options.metrics_port is None:
        return None
    host, port = options.metrics_host, options.metrics_port
    try:
        return await open_ports.enter_async_context(serving_metrics(host, port, metrics.render))
    except OSError:
        raise Unavailable(f"cannot listen on {host_and_port(host, port)} for metrics") from None


def host_and_port(host: str, port: int) -> str:
    """An address in one text; IPv6 hosts are put in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
