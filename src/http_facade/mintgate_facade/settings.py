"""What one facade worker needs to know, taken from the installation's settings."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mintgate.channel import Tls
from mintgate.config import DEFAULT, ConfigError
from mintgate.places import ANY_ORIGIN
from mintgate.providers import DEFAULT_BASE_URLS, SIMULATED_PATHS
from mintgate.tls import core_tls

from mintgate_facade.connections import HttpBounds
from mintgate_facade.providers.added import ProviderFileError, registry_with
from mintgate_facade.providers.registry import REGISTRY, Registry

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from mintgate.config import Settings
    from mintgate.tokens import Tokens

_SIMULATED_KEY = "simulated"
_NOBODY_ANSWERS = (
    "providers are simulated, but no simulator is named: set a provider's key, for example"
    " OPENAI_API_KEY, or MINTGATE_SIMULATOR_PORT to that of `mintgate simulate`"
)
_OUTBOX_DIRECTORY = "outbox"
_UPLOADS_DIRECTORY = "uploads"


@dataclass(frozen=True, slots=True)
class ProviderAccount:
    """The operator's account at one provider."""

    base_url: str
    """Without a slash at its end."""
    api_key: str = field(repr=False)
    simulated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FacadeSettings:
    """Settings of one worker."""

    host: str
    http_port: int
    core_target: str
    """host:port of a core, or of several with commas between them."""
    service_token: str = field(repr=False)
    outbox_directory: Path
    uploads_directory: Path
    simulated: bool
    accounts: Mapping[str, ProviderAccount]
    """By provider slug; providers without an account are not served."""
    registry: Registry = REGISTRY
    core_tls: Tls | None = None
    public_url: str = ""
    """Where users find the gateway; empty: where a request came to."""
    hold_ttl_ms: int = 0
    upload_bytes_max: int = 100 << 20
    audio_duration_max_ms: int = 4 * 3_600_000
    drain_s: float = 30.0
    """How long running requests may go on after a signal to stop."""
    bounds: HttpBounds = field(default_factory=HttpBounds)
    log_level: str = "INFO"
    log_format: str = "auto"
    metrics_host: str = "127.0.0.1"
    cors_origins: str = ANY_ORIGIN
    """Whose pages are served: "*", "none", or origins with commas between them."""
    trusted_proxies: tuple[str, ...] = ()
    """Ranges of addresses of the proxies in front."""
    metrics_port: int | None = None
    """This worker's own; 0 picks a free one, None serves no metrics."""

    def shuffled_core_targets(self) -> list[str]:
        """The cores in an order of this worker's own, so that workers spread over them."""
        targets = self.core_target.split(",")
        return random.sample(targets, len(targets))

    @classmethod
    def of(cls, settings: Settings, tokens: Tokens, worker: int = 0) -> FacadeSettings:
        """Derive a worker's settings. Raises `ConfigError` for what cannot work."""
        try:
            registry = registry_with(settings.providers_dir)
        except ProviderFileError as error:
            raise ConfigError((str(error),)) from None
        tls = core_tls(settings)
        accounts = _accounts(settings, registry)
        if settings.simulated and not accounts:
            raise ConfigError((_NOBODY_ANSWERS,))
        # The installation's metrics port is the core's; the workers' follow it.
        metrics_port = settings.metrics_port + 1 + worker if settings.metrics_port else None
        return cls(
            host=settings.host,
            http_port=settings.http_port,
            core_target=settings.core_target,
            core_tls=tls,
            service_token=tokens.service,
            outbox_directory=settings.data_dir / _OUTBOX_DIRECTORY,
            uploads_directory=settings.data_dir / _UPLOADS_DIRECTORY,
            upload_bytes_max=settings.upload_max_mb << 20,
            audio_duration_max_ms=settings.audio_max_seconds * 1_000,
            simulated=settings.simulated,
            accounts=accounts,
            registry=registry,
            public_url=settings.public_url if settings.sources.get("public_url") != DEFAULT else "",
            hold_ttl_ms=settings.hold_ttl_ms,
            drain_s=settings.drain_seconds,
            bounds=HttpBounds(
                connections_max=settings.http_connections_max,
                head_wait_s=settings.http_head_wait_ms / 1_000,
                body_wait_s=settings.http_body_wait_ms / 1_000,
                bodies_bytes_max=settings.http_bodies_mb << 20,
            ),
            log_level=settings.log_level,
            log_format=settings.log_format,
            cors_origins=settings.cors_origins,
            trusted_proxies=tuple(filter(None, settings.trusted_proxies.split(","))),
            metrics_host=settings.metrics_host,
            metrics_port=metrics_port,
        )


def _accounts(settings: Settings, registry: Registry) -> dict[str, ProviderAccount]:
    """The providers that can be reached: those with a key, or their simulated twins.

    A base URL that was set by hand is kept even when providers are simulated, so
    that a test can put another twin in its place.
    """
    accounts: dict[str, ProviderAccount] = {}
    for slug, provider in settings.providers.items():
        # A provider that was added says its address itself.
        base_url = (provider.base_url or registry.base_url(slug)).rstrip("/")
        if not settings.simulated:
            if provider.api_key is not None:
                accounts[slug] = ProviderAccount(base_url, provider.api_key)
        elif provider.base_url != DEFAULT_BASE_URLS.get(slug, ""):
            api_key = provider.api_key or _SIMULATED_KEY
            accounts[slug] = ProviderAccount(base_url, api_key, simulated=True)
        elif slug in SIMULATED_PATHS and settings.simulator_port:
            twin = f"http://{settings.host}:{settings.simulator_port}{SIMULATED_PATHS[slug]}"
            accounts[slug] = ProviderAccount(twin, _SIMULATED_KEY, simulated=True)
    return accounts
