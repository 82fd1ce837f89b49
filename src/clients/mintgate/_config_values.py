"""The table of settings: each one's name, default, and what a value may be.

Environment and file both arrive here as text, so that a value means the same
wherever it was written.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from ._store_url import SQLITE, STORE_ALLOWED, parse_store, show_store
from .logs import AUTO, FORMATS
from .money import nano_usd, usd
from .places import ANY_ORIGIN, CIDRS_MAX, NO_ORIGIN, ORIGINS_MAX, parse_cidr, parse_origin

PORT_MAX: Final = 65_535
WORKERS_MAX: Final = 64
CORES_MAX: Final = 16
BODIES_MB_MIN: Final = 128
"""Of it one key may have a quarter, which must be room for the longest body."""
BODIES_MB_MAX: Final = 65_536
UPLOAD_MB_MAX: Final = 4_096
AUDIO_SECONDS_MAX: Final = 86_400
DRAIN_SECONDS_MAX: Final = 3_600
HOLD_TTL_MS_MIN: Final = 1_000
RESTARTS_PER_MINUTE_MAX: Final = 1_000
HOLD_TTL_MS_MAX: Final = 3_600_000
TOKEN_CHARACTERS_MIN: Final = 32
LOG_LEVELS: Final = ("debug", "info", "warning", "error")
METRICS_PORT_MAX: Final = PORT_MAX - 1 - WORKERS_MAX
"""Facade workers listen on the ports above it, one each."""
PRICES_STALE_DAYS: Final = 60
PRICES_STALE_DAYS_MAX: Final = 3_650
AUDIT_INTERVAL_S_MAX: Final = 86_400
AUDIT_FULL_INTERVAL_S: Final = 86_400
AUDIT_FULL_INTERVAL_S_MAX: Final = 30 * 86_400
CONNECTIONS_MAX: Final = 1_000_000
WAIT_MS_MIN: Final = 100
WAIT_MS_MAX: Final = 86_400_000
OBJECTS_PER_KEY_MAX: Final = 100_000_000

_MASTER_KEY: Final = re.compile(r"qlk_live_[0-9a-f]{64}")
_HOST: Final = re.compile(r"[A-Za-z0-9._:-]+")
_REDIS_QUERY: Final = frozenset(
    {"db", "ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_cert_reqs", "ssl_check_hostname"}
)
"""No password: the part that is shown of a URL is its end."""
_ANY_ADDRESS: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}


class ConfigError(Exception):
    """Settings that cannot be used; one line for each problem, without secrets."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class NotInThisVersionError(ValueError):
    """A value that is known, but whose feature this version does not have."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One row of the table. `default` is made from the settings before it."""

    name: str
    parse: Callable[[str], Any]
    allowed: str
    default: Callable[[Mapping[str, Any]], Any]
    secret: bool = False
    show: Callable[[str], str] = str
    """How a value that holds a secret besides other things is shown."""

    @property
    def variable(self) -> str:
        """Name of the environment variable."""
        return f"MINTGATE_{self.name.upper()}"


def parse_whole(lowest: int, highest: int) -> Callable[[str], int]:
    """Return a parser of whole numbers within bounds, both inclusive."""

    def parse(text: str) -> int:
        if not text.isascii() or not text.isdigit() or not lowest <= int(text) <= highest:
            raise ValueError(text)
        return int(text)

    return parse


def parse_switch(text: str) -> bool:
    """Parse 1 or 0."""
    _refuse_unless(text in {"0", "1"})
    return text == "1"


def parse_host(text: str) -> str:
    """Parse a host name or address, without a scheme or a port."""
    _refuse_unless(_HOST.fullmatch(text) is not None)
    return text


def parse_target(text: str) -> str:
    """Parse host:port."""
    host, colon, port = text.rpartition(":")
    _refuse_unless(bool(host and colon))
    parse_host(host.removeprefix("[").removesuffix("]"))
    parse_whole(1, PORT_MAX)(port)
    return text


def parse_targets(text: str) -> str:
    """Parse host:port, or several with commas between them."""
    targets = [parse_target(target.strip()) for target in text.split(",")]
    _refuse_unless(len(set(targets)) == len(targets) <= CORES_MAX)
    return ",".join(targets)


def parse_origins(text: str) -> str:
    """Parse browser origins with commas between them, or a word for all or none."""
    if text in {ANY_ORIGIN, NO_ORIGIN}:
        return text
    origins = [parse_origin(origin.strip()) for origin in text.split(",")]
    _refuse_unless(len(origins) <= ORIGINS_MAX)
    return ",".join(origins)


def parse_cidrs(text: str) -> str:
    """Parse ranges of addresses with commas between them."""
    cidrs = [parse_cidr(cidr.strip()) for cidr in text.split(",")]
    _refuse_unless(len(cidrs) <= CIDRS_MAX)
    return ",".join(cidrs)


def parse_url(text: str) -> str:
    """Parse an http or https URL; a slash at its end is dropped."""
    parts = urlsplit(text)
    _refuse_unless(parts.scheme in {"http", "https"} and bool(parts.hostname))
    _refuse_unless(not parts.query and not parts.fragment and parts.username is None)
    _refuse_unless(parts.port is None or parts.port > 0)
    return text.rstrip("/")


def parse_redis(text: str) -> str:
    """Parse redis://, rediss:// or unix://; what the query may say is listed."""
    parts = urlsplit(text)
    query = parse_qs(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    _refuse_unless(not parts.fragment and _REDIS_QUERY.issuperset(query))
    if parts.scheme == "unix":
        # Also unix://user:password@/path, whose path must stay absolute.
        _refuse_unless(parts.path.startswith("/") and parts.path != "/" and not parts.hostname)
        return text
    _refuse_unless(parts.scheme in {"redis", "rediss"} and bool(parts.hostname))
    _refuse_unless(parts.port is None or parts.port > 0)
    database = parts.path.strip("/")
    _refuse_unless(database == "" or (database.isascii() and database.isdigit()))
    return text


def parse_master_key(text: str) -> str:
    """Parse the text of a key."""
    _refuse_unless(_MASTER_KEY.fullmatch(text) is not None)
    return text


def parse_token(text: str) -> str:
    """Parse a token: printable ASCII without blanks, long enough not to be guessed."""
    plain = text.isascii() and text.isprintable() and " " not in text
    _refuse_unless(plain and len(text) >= TOKEN_CHARACTERS_MIN)
    return text


def parse_api_key(text: str) -> str:
    """Parse a provider's key: printable ASCII without blanks, so that it fits a header."""
    _refuse_unless(text.isascii() and text.isprintable() and " " not in text)
    return text


def parse_usd(text: str) -> Decimal:
    """Parse an amount in USD, exact to nine decimals."""
    return usd(nano_usd(text))


def parse_level(text: str) -> str:
    """Parse a log level."""
    _refuse_unless(text.lower() in LOG_LEVELS)
    return text.lower()


def parse_log_format(text: str) -> str:
    """Parse a form of log lines."""
    _refuse_unless(text.lower() in FORMATS)
    return text.lower()


def parse_directory(text: str) -> Path:
    """Parse a path; `~` is the home directory."""
    return Path(text).expanduser()


def parse_file(text: str) -> Path:
    """Parse the path of a file; whether it can be used is told where it is."""
    _refuse_unless(bool(text))
    return Path(text).expanduser()


def reachable(host: str, port: int) -> str:
    """Return host:port as a client on this machine would write it."""
    host = _ANY_ADDRESS.get(host, host)
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def default_core_target(values: Mapping[str, Any]) -> str:
    """The core on this machine."""
    return reachable(values["host"], values["grpc_port"])


def default_public_url(values: Mapping[str, Any]) -> str:
    """The facade on this machine."""
    return f"http://{reachable(values['host'], values['http_port'])}"


def _default_workers() -> int:
    """Half of the processors that this process may use, at least one.

    The core needs about as much as a facade. On two processors a second facade made no clear
    difference (JSON 941 and 1,096 requests/s with one and two, streams 696 and 648, medians of
    three paired runs that varied by a third) and takes 85 MB. Linux knows about containers and
    affinity.
    """
    usable = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    return max(1, min(WORKERS_MAX, usable // 2))


def _refuse_unless(good: bool) -> None:  # noqa: FBT001  # A guard reads best with its condition.
    if not good:
        raise ValueError


def _bound(name: str, default: int, lowest: int, highest: int, unit: str = "") -> Setting:
    """A number that bounds what others may take."""
    allowed = f"{unit or 'a whole number'}, {lowest:,} to {highest:,}, without commas"
    return Setting(name, parse_whole(lowest, highest), allowed, _is(default))


def _is(value: object) -> Callable[[Mapping[str, Any]], Any]:
    return lambda _: value


_PORT = parse_whole(0, PORT_MAX)
_PORT_ALLOWED = "a port, 0 to 65535; 0 picks a free one"
_FILE_ALLOWED = "a file in PEM"
_SWITCH_ALLOWED = "1 or 0"
_TOKEN_ALLOWED = f"at least {TOKEN_CHARACTERS_MIN} printable characters without blanks"

SETTINGS: Final[tuple[Setting, ...]] = (
    Setting("host", parse_host, "a host name or address, without a port", _is("127.0.0.1")),
    Setting("http_port", _PORT, _PORT_ALLOWED, _is(8080)),
    Setting("grpc_port", _PORT, _PORT_ALLOWED, _is(50051)),
    Setting("data_dir", parse_directory, "a directory", _is(Path("data"))),
    Setting("providers_dir", parse_directory, "a directory", _is(None)),
    Setting(
        "store",
        parse_store,
        STORE_ALLOWED,
        lambda values: f"{SQLITE}{values['data_dir'] / 'mintgate.db'}",
        show=show_store,
    ),
    Setting(
        "redis_url",
        parse_redis,
        "redis://host:port/db, rediss://host:port/db or unix:///path/to/socket",
        _is(None),
        secret=True,
    ),
    Setting(
        "workers",
        parse_whole(1, WORKERS_MAX),
        f"a whole number, 1 to {WORKERS_MAX}",
        lambda _: _default_workers(),
    ),
    Setting("simulate", parse_switch, _SWITCH_ALLOWED, _is(None)),
    Setting("simulator_port", _PORT, _PORT_ALLOWED, _is(0)),
    Setting(
        "bootstrap_master_key",
        parse_master_key,
        "qlk_live_ and 64 lower-case hex characters",
        _is(None),
        secret=True,
    ),
    Setting(
        "bootstrap_wallet_usd",
        parse_usd,
        "an amount in USD with at most nine decimals",
        _is(Decimal(100)),
    ),
    Setting("bootstrap_postpaid", parse_switch, _SWITCH_ALLOWED, _is(value=False)),
    Setting("operator_token", parse_token, _TOKEN_ALLOWED, _is(None), secret=True),
    Setting("service_token", parse_token, _TOKEN_ALLOWED, _is(None), secret=True),
    Setting(
        "core_target",
        parse_targets,
        f"host:port, or up to {CORES_MAX} different ones with commas between them",
        default_core_target,
    ),
    Setting("grpc_tls_cert", parse_file, _FILE_ALLOWED, _is(None)),
    Setting("grpc_tls_key", parse_file, _FILE_ALLOWED, _is(None)),
    Setting("grpc_tls_client_ca", parse_file, _FILE_ALLOWED, _is(None)),
    Setting("grpc_insecure", parse_switch, _SWITCH_ALLOWED, _is(value=False)),
    _bound("grpc_streams_max", 1_024, 1, CONNECTIONS_MAX),
    _bound("grpc_connections_max", 4_096, 1, CONNECTIONS_MAX),
    _bound("grpc_idle_ms", 1_800_000, WAIT_MS_MIN, WAIT_MS_MAX, "milliseconds"),
    _bound("grpc_keepalive_ms", 30_000, WAIT_MS_MIN, WAIT_MS_MAX, "milliseconds"),
    _bound("http_connections_max", 16_384, 1, CONNECTIONS_MAX),
    _bound("http_head_wait_ms", 30_000, WAIT_MS_MIN, WAIT_MS_MAX, "milliseconds"),
    _bound("http_body_wait_ms", 60_000, WAIT_MS_MIN, WAIT_MS_MAX, "milliseconds"),
    _bound("http_bodies_mb", 1_024, BODIES_MB_MIN, BODIES_MB_MAX, "mebibytes"),
    Setting("core_ca", parse_file, _FILE_ALLOWED, _is(None)),
    Setting("core_cert", parse_file, _FILE_ALLOWED, _is(None)),
    Setting("core_key", parse_file, _FILE_ALLOWED, _is(None)),
    Setting("core_server_name", parse_host, "a host name, without a port", _is(None)),
    Setting("public_url", parse_url, "an http:// or https:// URL", default_public_url),
    Setting(
        "cors_origins",
        parse_origins,
        f"* for all, none, or up to {ORIGINS_MAX} origins such as https://app.example.com or"
        " https://*.example.com with commas between them",
        _is(ANY_ORIGIN),
    ),
    Setting(
        "trusted_proxies",
        parse_cidrs,
        f"up to {CIDRS_MAX} ranges of addresses such as 10.0.0.0/8 with commas between them",
        _is(""),
    ),
    Setting(
        "hold_ttl_ms",
        parse_whole(HOLD_TTL_MS_MIN, HOLD_TTL_MS_MAX),
        f"milliseconds, {HOLD_TTL_MS_MIN:,} to {HOLD_TTL_MS_MAX:,}, without commas",
        _is(120_000),
    ),
    Setting(
        "drain_seconds",
        parse_whole(0, DRAIN_SECONDS_MAX),
        f"seconds, 0 to {DRAIN_SECONDS_MAX}",
        _is(30),
    ),
    Setting(
        "upload_max_mb",
        parse_whole(1, UPLOAD_MB_MAX),
        f"mebibytes, 1 to {UPLOAD_MB_MAX}",
        _is(100),
    ),
    Setting(
        "audio_max_seconds",
        parse_whole(1, AUDIO_SECONDS_MAX),
        f"seconds, 1 to {AUDIO_SECONDS_MAX}",
        _is(14_400),
    ),
    Setting(
        "restarts_per_minute",
        parse_whole(0, RESTARTS_PER_MINUTE_MAX),
        f"a whole number, 0 to {RESTARTS_PER_MINUTE_MAX}",
        _is(5),
    ),
    Setting("log_level", parse_level, ", ".join(LOG_LEVELS), _is("info")),
    Setting("log_format", parse_log_format, ", ".join(FORMATS), _is(AUTO)),
    Setting(
        "metrics_host",
        parse_host,
        "a host name or address, without a port",
        lambda values: values["host"],
    ),
    Setting(
        "metrics_port",
        parse_whole(0, METRICS_PORT_MAX),
        f"a port, 0 to {METRICS_PORT_MAX}; 0 turns metrics off",
        _is(0),
    ),
    Setting(
        "audit_interval_s",
        parse_whole(0, AUDIT_INTERVAL_S_MAX),
        f"seconds, 0 to {AUDIT_INTERVAL_S_MAX}; 0 turns the continuous audit off",
        _is(300),
    ),
    Setting(
        "audit_full_interval_s",
        parse_whole(0, AUDIT_FULL_INTERVAL_S_MAX),
        f"seconds, 0 to {AUDIT_FULL_INTERVAL_S_MAX}; 0: core audits only what is new",
        _is(AUDIT_FULL_INTERVAL_S),
    ),
    Setting(
        "objects_per_key",
        parse_whole(1, OBJECTS_PER_KEY_MAX),
        f"1 to {OBJECTS_PER_KEY_MAX}",
        _is(100_000),
    ),
    Setting(
        "prices_stale_days",
        parse_whole(0, PRICES_STALE_DAYS_MAX),
        f"days, 0 to {PRICES_STALE_DAYS_MAX}; 0: old prices are never warned of",
        _is(PRICES_STALE_DAYS),
    ),
    Setting("tracing", parse_switch, _SWITCH_ALLOWED, _is(None)),
)
"""Every setting but the providers', in the order in which they are shown."""
