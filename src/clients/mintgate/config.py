"""Settings of the whole gateway, read once and frozen.

The environment wins over the TOML file, and the file over the defaults. Core,
facade, simulator and command line all read the same names, so that one file or
one set of variables describes an installation.

    settings = Settings.load()
    settings.http_port, settings.providers["openai"].base_url
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from . import _config_sources as sources
from ._config_values import (
    SETTINGS,
    ConfigError,
    NotInThisVersionError,
    default_core_target,
    default_public_url,
    parse_api_key,
    parse_url,
)
from ._store_url import is_postgres, store_path
from .channel import mask
from .errors import InvalidArgument
from .money import nano_usd
from .providers import Provider

__all__ = ["ConfigError", "Described", "Settings"]

DEFAULT: Final = "default"


@dataclass(frozen=True, slots=True)
class Described:
    """One effective setting for display; `value` is masked when it is secret."""

    name: str
    value: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Settings:
    """Everything that can be set, each with its effective value."""

    host: str
    http_port: int
    grpc_port: int
    data_dir: Path
    providers_dir: Path | None
    """Where each file `<slug>.py` adds a provider; see docs/adding-a-provider.md."""
    store: str
    redis_url: str | None
    workers: int
    """Facade processes."""
    simulate: bool | None
    """What was asked for; None when nobody said. See `simulated`."""
    simulator_port: int
    bootstrap_master_key: str | None
    bootstrap_wallet_usd: Decimal
    bootstrap_postpaid: bool
    operator_token: str | None
    """None: see `mintgate.tokens`."""
    service_token: str | None
    core_target: str
    """Where a facade finds the core, host:port; several cores with commas between them."""
    grpc_tls_cert: Path | None
    """Core's certificate and, in the next two, its key and whose clients it lets in."""
    grpc_tls_key: Path | None
    grpc_tls_client_ca: Path | None
    grpc_insecure: bool
    """Plain text is allowed between machines, because their network is private."""
    grpc_streams_max: int
    """Open calls of one connection to core."""
    grpc_connections_max: int
    """Of one core."""
    grpc_idle_ms: int
    """How long core keeps a connection without a call."""
    grpc_keepalive_ms: int
    """How long core lets a connection be silent before it asks whether its other end lives."""
    http_connections_max: int
    """Of one facade worker."""
    http_head_wait_ms: int
    """How long a client may take to send the head of a request."""
    http_body_wait_ms: int
    """How long it may then take to send the body."""
    http_bodies_mb: int
    """MiB of long request bodies that one facade worker keeps at once."""
    core_ca: Path | None
    """Who signs core's certificate, for facades and commands; see `mintgate.tls`."""
    core_cert: Path | None
    core_key: Path | None
    core_server_name: str | None
    public_url: str
    """Where users find the gateway, without a slash at its end."""
    cors_origins: str
    """Whose pages may call the gateway: "*", "none", or origins with commas between them."""
    trusted_proxies: str
    """Whose forwarding headers are believed: ranges of addresses with commas between them."""
    hold_ttl_ms: int
    drain_seconds: int
    """How long running requests may go on after a signal to stop."""
    upload_max_mb: int
    audio_max_seconds: int
    restarts_per_minute: int
    """How often `mintgate up` starts a process that died again before it gives up."""
    log_level: str
    log_format: str
    """"auto", "json" or "text"; see `mintgate.logs`."""
    metrics_host: str
    metrics_port: int
    """The core's; facade workers take the ports above it, one each. 0: no metrics."""
    audit_interval_s: int
    """Between two audits of a running core; 0: none."""
    audit_full_interval_s: int
    """Between two that read everything and not only what is new; 0: none."""
    prices_stale_days: int
    """How old packaged prices may be before core and command line warn; 0: never warn."""
    objects_per_key: int
    """How many objects at providers (files, batches, stored answers) one key may own."""
    tracing: bool | None
    """None: on where OTEL_EXPORTER_OTLP_ENDPOINT is set."""
    providers: Mapping[str, Provider]
    sources: Mapping[str, str] = field(compare=False)
    """Where each value comes from, by flat name: "environment", a file, "default"."""

    @classmethod
    def load(
        cls, environ: Mapping[str, str] | None = None, directory: Path | None = None
    ) -> Settings:
        """Read the environment and the file. Raises `ConfigError` with every problem.

        `directory` is where `mintgate.toml` is looked for; default: the current one.
        """
        environ = os.environ if environ is None else environ
        path = sources.find_file(environ, Path() if directory is None else directory)
        document = sources.read_document(path) if path else {}
        known = sources.known_providers(environ, document)
        written, problems = sources.read_file(path, document, known) if path else ({}, [])
        from_environment, more_problems = sources.read_environment(environ, known)
        written.update(from_environment)
        problems += more_problems
        values: dict[str, Any] = {}
        for setting in SETTINGS:
            # The default stands in for a bad value too, so that all problems are found.
            values[setting.name] = setting.default(values)
            entry = written.get(setting.name)
            if entry is not None:
                parsed = _parse(
                    entry, setting.parse, setting.allowed, setting.secret, problems, setting.show
                )
                values[setting.name] = values[setting.name] if parsed is None else parsed
        values["providers"] = _providers(known, written, problems)
        if problems:
            raise ConfigError(tuple(problems))
        names = sources.variable_names(known).values()
        origin = {name: written[name].source if name in written else DEFAULT for name in names}
        return cls(**values, sources=origin)

    @property
    def simulated(self) -> bool:
        """Answers come from the simulator: asked for, or nothing else is possible.

        `MINTGATE_SIMULATE=0` rules it out, so that a gateway whose provider keys
        got lost refuses to start rather than sell made-up answers.
        """
        if self.simulate is None:
            return not any(provider.configured for provider in self.providers.values())
        return self.simulate

    @property
    def store_is_postgres(self) -> bool:
        """Whether the books are in PostgreSQL, and not in a file."""
        return is_postgres(self.store)

    @property
    def store_path(self) -> Path:
        """The file of the SQLite store."""
        return store_path(self.store)

    @property
    def bootstrap_wallet_nano_usd(self) -> int:
        """The first wallet's balance, nano-USD."""
        return nano_usd(self.bootstrap_wallet_usd)

    def with_ports(self, *, http_port: int, grpc_port: int) -> Settings:
        """Return the settings with ports that were picked, and what follows from them."""
        changed = replace(self, http_port=http_port, grpc_port=grpc_port)
        values = {"host": self.host, "http_port": http_port, "grpc_port": grpc_port}
        if self.sources.get("core_target") == DEFAULT:
            changed = replace(changed, core_target=default_core_target(values))
        if self.sources.get("public_url") == DEFAULT:
            changed = replace(changed, public_url=default_public_url(values))
        return changed

    def describe(self) -> list[Described]:
        """Return every effective value with its source, secrets masked."""
        described = []
        for setting in SETTINGS:
            value = getattr(self, setting.name)
            shown = mask(value) if setting.secret else setting.show(_text(value))
            described.append(Described(setting.name, shown, self.sources[setting.name]))
        for provider in self.providers.values():
            for key, shown in (("api_key", provider.masked_key), ("base_url", provider.base_url)):
                source = self.sources[f"{provider.name}.{key}"]
                described.append(Described(f"providers.{provider.name}.{key}", shown, source))
        return described

    def environment(self, *, provider_keys: bool) -> dict[str, str]:
        """Return the variables that make a child process load the same settings.

        Holds secrets. Without `provider_keys` it holds none of the operator's
        provider keys, for children that have no use for them.
        """
        values = {setting.variable: _text(getattr(self, setting.name)) for setting in SETTINGS}
        values["MINTGATE_SIMULATE"] = _text(self.simulated)
        for name, provider in self.providers.items():
            values[f"MINTGATE_{name.upper()}_BASE_URL"] = provider.base_url
            if provider_keys:
                values[f"{name.upper()}_API_KEY"] = provider.api_key or ""
        return {name: value for name, value in values.items() if value}

    def __repr__(self) -> str:
        shown = ", ".join(f"{entry.name}={entry.value!r}" for entry in self.describe())
        return f"Settings({shown})"


def _parse(
    entry: sources.Written,
    parse: Any,
    allowed: str,
    secret: bool,  # noqa: FBT001  # Passed on from the table's row.
    problems: list[str],
    show: Callable[[str], str] = str,
) -> Any:
    """Return a parsed value; None for a bad one, which is noted."""
    shown = mask(entry.text) if secret else show(entry.text)
    try:
        return parse(entry.text)
    except NotInThisVersionError as error:
        problems.append(f"{entry.label}: {error}; allowed: {allowed}")
    except (ValueError, InvalidArgument):
        problems.append(f"{entry.label}: {shown!r} is not allowed; it must be {allowed}")
    return None


def _providers(
    known: Mapping[str, str], written: Mapping[str, sources.Written], problems: list[str]
) -> dict[str, Provider]:
    """Return all providers, with what is written of them."""
    providers = {}
    for name, default_url in known.items():
        api_key, base_url = written.get(f"{name}.api_key"), written.get(f"{name}.base_url")
        providers[name] = Provider(
            name=name,
            base_url=(
                _parse(base_url, parse_url, "an http:// or https:// URL", False, problems)
                if base_url
                else default_url
            ),
            api_key=(
                _parse(api_key, parse_api_key, "printable, without blanks", True, problems)
                if api_key
                else None
            ),
        )
    return providers


def _text(value: object) -> str:
    """Return a value as it would be written in the environment."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "1" if value else "0"
    return str(value)


def _table_matches_fields() -> bool:
    """The table and the dataclass name the same settings."""
    extra = {"providers", "sources"}
    return {entry.name for entry in fields(Settings)} - extra == {row.name for row in SETTINGS}


if not _table_matches_fields():
    raise RuntimeError("Settings and its table of values have drifted apart")
