from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from mintgate import ConfigError, Settings
from mintgate._config_sources import CLIENT_VARIABLES, CONFIG_VARIABLE
from mintgate._config_values import SETTINGS
from mintgate.providers import DEFAULT_BASE_URLS

MASTER = "qlk_live_" + "0123456789abcdef" * 4
TOKEN = "0123456789abcdef" * 4


def load(directory: Path, environ: dict[str, str] | None = None, toml: str = "") -> Settings:
    if toml:
        (directory / "mintgate.toml").write_text(toml, encoding="utf-8")
    return Settings.load(environ or {}, directory)


def problems(
    directory: Path, environ: dict[str, str] | None = None, toml: str = ""
) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as refused:
        load(directory, environ, toml)
    return refused.value.problems


def test_every_setting_is_documented() -> None:
    """The page of settings names each, in a table's row where it is one of ours."""
    page = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text(encoding="utf-8")
    rows = "\n".join(line.partition("|")[2] for line in page.splitlines() if line[:1] == "|")
    assert [row.variable for row in SETTINGS if f"`{row.variable}`" not in rows] == []
    assert [name for name in DEFAULT_BASE_URLS if f"`{name.upper()}_API_KEY`" not in rows] == []
    read = {CONFIG_VARIABLE, *CLIENT_VARIABLES}
    assert [name for name in sorted(read) if f"`{name}`" not in page] == []


def test_defaults(tmp_path: Path) -> None:
    """Without anything set the gateway runs on loopback, simulated, in ./data."""
    settings = load(tmp_path)

    assert (settings.host, settings.http_port, settings.grpc_port) == ("127.0.0.1", 8080, 50051)
    assert Path("data") == settings.data_dir
    assert settings.store == "sqlite:///data/mintgate.db"
    assert Path("data/mintgate.db") == settings.store_path
    assert settings.core_target == "127.0.0.1:50051"
    assert settings.public_url == "http://127.0.0.1:8080"
    assert settings.bootstrap_wallet_nano_usd == 100 * 10**9
    assert settings.hold_ttl_ms == 120_000
    assert settings.simulated
    assert settings.workers >= 1
    assert list(DEFAULT_BASE_URLS) == list(settings.providers)
    assert {"default"} == set(settings.sources.values())


@pytest.mark.parametrize(
    ("variable", "text", "name", "value"),
    [
        ("MINTGATE_HOST", "0.0.0.0", "host", "0.0.0.0"),
        ("MINTGATE_HTTP_PORT", "0", "http_port", 0),
        ("MINTGATE_GRPC_PORT", " 50052 ", "grpc_port", 50052),
        ("MINTGATE_DATA_DIR", "/srv/mintgate", "data_dir", Path("/srv/mintgate")),
        ("MINTGATE_STORE", "sqlite:////srv/m.db", "store_path", Path("/srv/m.db")),
        ("MINTGATE_WORKERS", "3", "workers", 3),
        ("MINTGATE_SIMULATE", "1", "simulated", True),
        ("MINTGATE_SIMULATE", "0", "simulated", False),
        ("MINTGATE_SIMULATOR_PORT", "9", "simulator_port", 9),
        ("MINTGATE_BOOTSTRAP_MASTER_KEY", MASTER, "bootstrap_master_key", MASTER),
        ("MINTGATE_BOOTSTRAP_WALLET_USD", "0.25", "bootstrap_wallet_usd", Decimal("0.25")),
        ("MINTGATE_BOOTSTRAP_POSTPAID", "1", "bootstrap_postpaid", True),
        ("MINTGATE_OPERATOR_TOKEN", TOKEN, "operator_token", TOKEN),
        ("MINTGATE_SERVICE_TOKEN", TOKEN, "service_token", TOKEN),
        ("MINTGATE_CORE_TARGET", "core.internal:50051", "core_target", "core.internal:50051"),
        ("MINTGATE_CORE_TARGET", "[::1]:50051", "core_target", "[::1]:50051"),
        ("MINTGATE_PUBLIC_URL", "https://ai.example/", "public_url", "https://ai.example"),
        ("MINTGATE_CORS_ORIGINS", "none", "cors_origins", "none"),
        (
            "MINTGATE_CORS_ORIGINS",
            "https://a.example, https://*.b.example",
            "cors_origins",
            "https://a.example,https://*.b.example",
        ),
        (
            "MINTGATE_TRUSTED_PROXIES",
            "10.0.0.0/8, 2001:db8::1",
            "trusted_proxies",
            "10.0.0.0/8,2001:db8::1/128",
        ),
        ("MINTGATE_HOLD_TTL_MS", "1000", "hold_ttl_ms", 1_000),
        ("MINTGATE_LOG_LEVEL", "DEBUG", "log_level", "debug"),
        ("MINTGATE_LOG_FORMAT", "JSON", "log_format", "json"),
        ("MINTGATE_HOST", "10.0.0.1", "metrics_host", "10.0.0.1"),
        ("MINTGATE_METRICS_HOST", "127.0.0.2", "metrics_host", "127.0.0.2"),
        ("MINTGATE_METRICS_PORT", "9100", "metrics_port", 9100),
        ("MINTGATE_AUDIT_INTERVAL_S", "60", "audit_interval_s", 60),
        ("MINTGATE_AUDIT_FULL_INTERVAL_S", "0", "audit_full_interval_s", 0),
        ("MINTGATE_PRICES_STALE_DAYS", "0", "prices_stale_days", 0),
        ("MINTGATE_OBJECTS_PER_KEY", "7", "objects_per_key", 7),
        ("MINTGATE_TRACING", "1", "tracing", True),
    ],
)
def test_environment(tmp_path: Path, variable: str, text: str, name: str, value: Any) -> None:
    """Each variable sets its setting."""
    assert value == getattr(load(tmp_path, {variable: text}), name)


@pytest.mark.parametrize(
    "url",
    [
        "redis://cache.internal",
        "redis://user:secret-word@cache.internal:6380/2",
        "rediss://:secret-word@[::1]:6379/0?ssl_cert_reqs=required&ssl_ca_certs=/etc/ca.pem",
        "unix:///run/redis/redis.sock?db=1",
        "unix://:secret-word@/run/redis.sock",
    ],
)
def test_redis_urls(tmp_path: Path, url: str) -> None:
    """What the client library reads is accepted as it is, and its password is never shown."""
    settings = load(tmp_path, {"MINTGATE_REDIS_URL": url})
    assert settings.redis_url == url
    (shown,) = [row.value for row in settings.describe() if row.name == "redis_url"]
    assert shown != url
    assert "secret-word" not in shown


@pytest.mark.parametrize(
    ("variable", "text", "said"),
    [
        ("MINTGATE_HTTP_PORT", "65536", "0 to 65535"),
        ("MINTGATE_HTTP_PORT", "http", "0 to 65535"),
        ("MINTGATE_HTTP_PORT", "-1", "0 to 65535"),
        ("MINTGATE_HTTP_PORT", "²", "0 to 65535"),
        ("MINTGATE_HOST", "http://here", "host name"),
        ("MINTGATE_STORE", "mysql://x", "sqlite:///"),
        ("MINTGATE_STORE", "sqlite:///:memory:", "sqlite:///"),
        ("MINTGATE_STORE", "postgresql://u:pw@h", "postgresql://user@host/database"),
        ("MINTGATE_STORE", "postgresql://u:pw@h/db?pool=9", "pipeline, pooler, sslmode"),
        ("MINTGATE_STORE", "postgresql://u:pw@h/db?pipeline=maybe", "pipeline, pooler, sslmode"),
        ("MINTGATE_STORE", "postgresql://h/db?password=pw", "pipeline, pooler, sslmode"),
        ("MINTGATE_REDIS_URL", "http://h:6379", "redis://host:port/db"),
        ("MINTGATE_REDIS_URL", "redis://", "redis://host:port/db"),
        ("MINTGATE_REDIS_URL", "redis://h:99999", "redis://host:port/db"),
        ("MINTGATE_REDIS_URL", "redis://h/cache", "redis://host:port/db"),
        ("MINTGATE_REDIS_URL", "redis://h?password=x", "redis://host:port/db"),
        ("MINTGATE_REDIS_URL", "unix://socket", "unix:///path/to/socket"),
        ("MINTGATE_WORKERS", "0", "1 to 64"),
        ("MINTGATE_SIMULATE", "yes", "1 or 0"),
        ("MINTGATE_BOOTSTRAP_MASTER_KEY", "qlk_live_short_but_secret", "64 lower-case hex"),
        ("MINTGATE_BOOTSTRAP_WALLET_USD", "0.0000000001", "nine decimals"),
        ("MINTGATE_BOOTSTRAP_WALLET_USD", "-5", "nine decimals"),
        ("MINTGATE_OPERATOR_TOKEN", "short-secret", "at least 32"),
        ("MINTGATE_CORE_TARGET", "core.internal", "host:port"),
        ("MINTGATE_PUBLIC_URL", "ai.example", "http://"),
        ("MINTGATE_PUBLIC_URL", "http://u:pw@ai.example", "http://"),
        ("MINTGATE_CORS_ORIGINS", "https://a.example/", "* for all"),
        ("MINTGATE_CORS_ORIGINS", "https://a.example,none", "* for all"),
        ("MINTGATE_CORS_ORIGINS", "https://*", "* for all"),
        ("MINTGATE_TRUSTED_PROXIES", "10.0.0.1/8", "ranges of addresses"),
        ("MINTGATE_TRUSTED_PROXIES", "proxy.internal", "ranges of addresses"),
        ("MINTGATE_HOLD_TTL_MS", "999", "1,000 to 3,600,000"),
        ("MINTGATE_LOG_LEVEL", "loud", "debug, info"),
        ("MINTGATE_OPENAI_BASE_URL", "api.openai.com", "http://"),
        ("MINTGATE_OPENAI_BASE_URL", "http://h:99999", "http://"),
        ("OPENAI_API_KEY", "sk-line\nbreak-secret", "without blanks"),
    ],
)
def test_nonsense_is_told_in_one_line(tmp_path: Path, variable: str, text: str, said: str) -> None:
    """A malformed value is one line: which, and what is allowed; no secret is in it."""
    (line,) = problems(tmp_path, {variable: text})

    assert line.startswith(f"{variable}: ")
    assert said in line
    assert "\n" not in line
    assert "secret" not in line
    assert "pw" not in line.replace("http://u:pw@ai.example", "")


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    """Somebody with three mistakes reads three lines, not one after the other."""
    lines = problems(
        tmp_path,
        {"MINTGATE_HTPP_PORT": "1", "MINTGATE_WORKERS": "none"},
        'grpc_port = "many"',
    )

    assert [
        name
        for name in ("grpc_port", "MINTGATE_HTPP_PORT", "MINTGATE_WORKERS")
        if any(name in line for line in lines)
    ] == ["grpc_port", "MINTGATE_HTPP_PORT", "MINTGATE_WORKERS"]
    assert len(lines) == 3


@pytest.mark.parametrize(
    ("environ", "toml", "said"),
    [
        ({"MINTGATE_HTPP_PORT": "1"}, "", "did you mean MINTGATE_HTTP_PORT?"),
        ({"MINTGATE_OPENAI_API_KEY": "x"}, "", "MINTGATE_OPENAI_API_KEY: unknown setting"),
        ({}, "htp_port = 1", "did you mean http_port?"),
        ({}, "[providers.opnai]\napi_key = 'x'", "did you mean openai?"),
        ({}, "[providers.openai]\nkey = 'x'", "providers.openai.key: unknown setting"),
        ({}, "[providers]\nopenai = 'x'", "must be a table"),
        ({}, "[http]\nport = 1", "http: unknown setting"),
        ({}, "bootstrap_wallet_usd = 0.1", "write it as text in quotes"),
        ({}, "http_port = ", "not TOML"),
    ],
)
def test_unknown_names_are_errors(
    tmp_path: Path, environ: dict[str, str], toml: str, said: str
) -> None:
    """A name that nobody knows is an error that names the nearest one."""
    (line,) = problems(tmp_path, environ, toml)

    assert said in line


def test_the_client_s_own_variables_are_known(tmp_path: Path) -> None:
    """The command line's variables are no settings, and no errors either."""
    assert load(tmp_path, {"MINTGATE_KEY": "k", "MINTGATE_TARGET": "t"}) == load(tmp_path)


def test_environment_wins_over_file_wins_over_default(tmp_path: Path) -> None:
    """The order of sources is the environment, the file, the default."""
    toml = 'http_port = 1\ngrpc_port = 2\nsimulate = true\n[providers.openai]\napi_key = "sk-file"'

    settings = load(tmp_path, {"MINTGATE_HTTP_PORT": "3", "MINTGATE_GRPC_PORT": ""}, toml)

    assert (settings.http_port, settings.grpc_port) == (3, 2)
    assert settings.simulate is True
    assert settings.providers["openai"].api_key == "sk-file"
    assert settings.sources["http_port"] == "environment"
    assert settings.sources["grpc_port"].endswith("mintgate.toml")
    assert settings.sources["host"] == "default"


def test_the_file_can_be_named(tmp_path: Path) -> None:
    """A file that is named is read, and must be there."""
    (tmp_path / "other.toml").write_text("workers = 5", encoding="utf-8")

    assert load(tmp_path, {"MINTGATE_CONFIG": "other.toml"}).workers == 5
    (line,) = problems(tmp_path, {"MINTGATE_CONFIG": "none.toml"})
    assert "none.toml: cannot be read" in line


def test_simulated_unless_a_provider_has_a_key(tmp_path: Path) -> None:
    """Real providers need a key; with one, simulation has to be asked for."""
    assert load(tmp_path).simulated
    assert not load(tmp_path, {"XAI_API_KEY": "xai-1"}).simulated
    assert load(tmp_path, {"XAI_API_KEY": "xai-1", "MINTGATE_SIMULATE": "1"}).simulated


def test_what_follows_from_host_and_port(tmp_path: Path) -> None:
    """A gateway that listens everywhere is reached on loopback from its own machine."""
    everywhere = load(tmp_path, {"MINTGATE_HOST": "0.0.0.0"})
    sixth = load(tmp_path, {"MINTGATE_HOST": "::"})

    assert everywhere.core_target == "127.0.0.1:50051"
    assert sixth.public_url == "http://[::1]:8080"


def test_files_in_a_directory_add_providers(tmp_path: Path) -> None:
    """Each has a key and an address as others do; their files are not run for that."""
    added = tmp_path / "providers"
    added.mkdir()
    for name in ("acme.py", "_shared.py", "Not-A-Slug.py", "openai.py"):
        (added / name).write_text("raise RuntimeError")
    environ = {"MINTGATE_PROVIDERS_DIR": str(added), "ACME_API_KEY": "sk-1"}
    settings = load(tmp_path, environ, "[providers.acme]\nbase_url = 'https://acme.example'")
    assert list(settings.providers) == [*DEFAULT_BASE_URLS, "acme"]
    acme = settings.providers["acme"]
    assert (acme.api_key, acme.base_url) == ("sk-1", "https://acme.example")
    named = load(tmp_path, {}, f"providers_dir = '{added}'\n[providers.acme]\napi_key = 'sk-2'")
    assert named.providers["acme"].api_key == "sk-2"
    child = named.environment(provider_keys=True)
    assert Settings.load(child, tmp_path / "elsewhere").providers == named.providers


def test_picked_ports_change_what_follows_from_them(tmp_path: Path) -> None:
    """Ports that were picked reach the defaults made of them, and nothing that was set."""
    picked = load(tmp_path).with_ports(http_port=1, grpc_port=2)
    fixed = load(tmp_path, {"MINTGATE_PUBLIC_URL": "https://ai.example"}).with_ports(
        http_port=1, grpc_port=2
    )

    assert (picked.core_target, picked.public_url) == ("127.0.0.1:2", "http://127.0.0.1:1")
    assert (fixed.core_target, fixed.public_url) == ("127.0.0.1:2", "https://ai.example")


def test_secrets_are_masked(tmp_path: Path) -> None:
    """No secret is in the repr, the description, or a provider's repr."""
    environ = {
        "MINTGATE_BOOTSTRAP_MASTER_KEY": MASTER,
        "MINTGATE_OPERATOR_TOKEN": TOKEN,
        "MINTGATE_SERVICE_TOKEN": TOKEN,
        "OPENAI_API_KEY": "sk-proj-0123456789abcdef",
    }
    settings = load(tmp_path, environ)

    shown = f"{settings!r} {settings} {settings.describe()} {settings.providers}"

    for secret in environ.values():
        assert secret not in shown
    assert "qlk_live_0123…cdef" in shown


def test_description_covers_everything(tmp_path: Path) -> None:
    """Every setting and both of each provider's are described, with their source."""
    described = load(tmp_path, {"MINTGATE_WORKERS": "2"}).describe()

    assert len(SETTINGS) + 2 * len(DEFAULT_BASE_URLS) == len(described)
    assert next((entry.value, entry.source) for entry in described if entry.name == "workers") == (
        "2",
        "environment",
    )


def test_a_child_loads_the_same_settings(tmp_path: Path) -> None:
    """The environment made for a child describes the same installation."""
    settings = load(
        tmp_path,
        {"MINTGATE_HTTP_PORT": "1", "OPENAI_API_KEY": "sk-1", "MINTGATE_OPERATOR_TOKEN": TOKEN},
        "[providers.gemini]\nbase_url = 'http://127.0.0.1:9/gemini'",
    )

    full = settings.environment(provider_keys=True)
    bare = settings.environment(provider_keys=False)

    child = Settings.load(full, tmp_path / "elsewhere")
    assert settings.simulated == child.simulated
    assert child.describe()[:3] == [
        type(entry)(entry.name, entry.value, "environment") for entry in settings.describe()[:3]
    ]
    assert settings.providers == child.providers
    assert "OPENAI_API_KEY" not in bare
    assert not Settings.load(bare, tmp_path / "elsewhere").simulated
