"""The part of an installation's settings that a core reads."""

from __future__ import annotations

from mintgate.config import Settings
from mintgate.tls import server_credentials
from mintgate.tokens import load_or_create
from mintgate.tracing import open_traces

from mintgate_core.app import CoreOptions
from mintgate_core.bootstrap import FirstAccount
from mintgate_core.service.bounds import GrpcBounds
from mintgate_core.stores.postgres import PostgresUrl


def core_options(settings: Settings) -> CoreOptions:
    """Options of a core. Makes the data directory and the tokens when they are missing.

    Raises `ConfigError` when a token's file cannot be used.
    """
    tokens = load_or_create(settings)
    return CoreOptions(
        store_path=settings.store_path,
        database=PostgresUrl.parse(settings.store) if settings.store_is_postgres else None,
        operator_token=tokens.operator,
        service_token=tokens.service,
        host=settings.host,
        port=settings.grpc_port,
        credentials=server_credentials(settings),
        bounds=GrpcBounds(
            streams_max=settings.grpc_streams_max,
            connections_max=settings.grpc_connections_max,
            idle_ms=settings.grpc_idle_ms,
            keepalive_ms=settings.grpc_keepalive_ms,
        ),
        metrics_host=settings.metrics_host,
        metrics_port=settings.metrics_port or None,
        audit_interval_s=settings.audit_interval_s,
        audit_full_interval_s=settings.audit_full_interval_s,
        objects_per_key=settings.objects_per_key,
        prices_stale_days=settings.prices_stale_days,
        redis_url=settings.redis_url,
        traces=open_traces(settings, "core"),
        first=FirstAccount(
            master_key=settings.bootstrap_master_key or "",
            wallet_nano_usd=settings.bootstrap_wallet_nano_usd,
            postpaid=settings.bootstrap_postpaid,
        ),
    )
