"""TLS settings: good ones connect, bad ones are one line at the start, plain text stays at home."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from mintgate import AsyncClient, MintgateError, RetryPolicy
from mintgate.config import ConfigError, Settings
from mintgate.tls import core_tls, is_loopback, server_credentials
from mintgate_core.app import CoreOptions, running
from mintgate_core.bootstrap import FirstAccount
from mintgate_core.settings import core_options

from tests.certificates import Authority, Pair

KEY = "qlk_live_" + "ab" * 32
OPERATOR, SERVICE = "o" * 32, "s" * 32


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca")).make()


@pytest.fixture(scope="session")
def server(authority: Authority) -> Pair:
    return authority.sign("server")


def load(directory: Path, **values: object) -> Settings:
    environ = {f"MINTGATE_{name.upper()}": str(value) for name, value in values.items()}
    return Settings.load({"MINTGATE_DATA_DIR": str(directory)} | environ, directory)


def serving_settings(directory: Path, pair: Pair, **more: object) -> Settings:
    return load(directory, grpc_tls_cert=pair.cert, grpc_tls_key=pair.key, **more)


async def asked(directory: Path, served: Settings, asking: Settings) -> str:
    """Ask a core with these settings as a client with those; the key's id."""
    options = CoreOptions(
        directory / "mintgate.db",
        OPERATOR,
        SERVICE,
        first=FirstAccount(KEY, 10**9),
        credentials=server_credentials(served),
        sweep=False,
    )
    async with running(options) as core:
        target, once = f"127.0.0.1:{core.port}", RetryPolicy(attempts_max=1)
        tls = core_tls(asking, target)
        async with AsyncClient(target, KEY, tls=tls, retry=once, timeout_s=5) as client:
            return (await client.keys.authenticate()).id


async def test_tls_connects(tmp_path: Path, authority: Authority, server: Pair) -> None:
    """A client that trusts the authority reaches the core, by address or by another name."""
    served = serving_settings(tmp_path, server)
    assert await asked(tmp_path, served, load(tmp_path, core_ca=authority.cert))
    named = load(tmp_path, core_ca=authority.cert, core_server_name="core.internal")
    assert await asked(tmp_path, served, named)


async def test_mutual_tls_lets_in_whom_it_knows(
    tmp_path: Path, authority: Authority, server: Pair
) -> None:
    """With a client authority, only a certificate that it signed gets a connection."""
    served = serving_settings(tmp_path, server, grpc_tls_client_ca=authority.cert)
    known = authority.sign("client")
    directory = tmp_path / "other"
    directory.mkdir()
    stranger = Authority(directory, "stranger").make().sign("client")
    good = load(tmp_path, core_ca=authority.cert, core_cert=known.cert, core_key=known.key)
    assert await asked(tmp_path, served, good)
    for bad in (
        load(tmp_path, core_ca=authority.cert),
        load(tmp_path, core_ca=authority.cert, core_cert=stranger.cert, core_key=stranger.key),
    ):
        with pytest.raises(MintgateError):
            await asked(tmp_path, served, bad)


@pytest.mark.parametrize("wrong", ["authority", "name"])
async def test_a_core_that_cannot_be_verified_is_not_talked_to(
    tmp_path: Path, authority: Authority, server: Pair, wrong: str
) -> None:
    """Another authority, or a name that is not in the certificate, ends the connection."""
    asking = load(tmp_path, core_ca=authority.cert, core_server_name="elsewhere.internal")
    if wrong == "authority":
        asking = load(tmp_path, core_ca=Authority(tmp_path, "stranger").make().cert)
    with pytest.raises(MintgateError):
        await asked(tmp_path, serving_settings(tmp_path, server), asking)


def test_an_expired_certificate_is_told(tmp_path: Path, authority: Authority) -> None:
    """By name and in one line, for core and for its clients."""
    old = authority.sign("old", expired=True)
    with pytest.raises(ConfigError, match=r"^MINTGATE_GRPC_TLS_CERT: .*old.pem.*expired$"):
        server_credentials(serving_settings(tmp_path, old))
    asking = load(tmp_path, core_ca=authority.cert, core_cert=old.cert, core_key=old.key)
    with pytest.raises(ConfigError, match=r"^MINTGATE_CORE_CERT: .*old.pem.*expired$"):
        core_tls(asking)


def test_files_that_cannot_be_used_are_told(
    tmp_path: Path, authority: Authority, server: Pair
) -> None:
    """A missing file, a key of another certificate, and what is no certificate at all."""
    other = authority.sign("other")
    nonsense = tmp_path / "nonsense.pem"
    nonsense.write_text("not a certificate")
    cases = {
        "No such file": Pair(tmp_path / "none.pem", server.key),
        "does not belong": Pair(server.cert, other.key),
        "MINTGATE_GRPC_TLS_CERT: .*nonsense": Pair(nonsense, server.key),
    }
    for said, pair in cases.items():
        with pytest.raises(ConfigError, match=said):
            server_credentials(serving_settings(tmp_path, pair))
    with pytest.raises(ConfigError, match=r"MINTGATE_CORE_CA: .*nonsense"):
        core_tls(load(tmp_path, core_ca=nonsense))


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"grpc_tls_cert": "a.pem"}, "go together"),
        ({"grpc_tls_client_ca": "a.pem"}, "needs MINTGATE_GRPC_TLS_CERT"),
        ({"host": "0.0.0.0"}, "MINTGATE_GRPC_INSECURE=1"),
    ],
)
def test_settings_of_core_that_do_not_fit(
    tmp_path: Path, values: dict[str, str], said: str
) -> None:
    """Halves of a pair, and plain text that would leave the machine, are refused."""
    with pytest.raises(ConfigError, match=said):
        server_credentials(load(tmp_path, **values))


def test_plain_text_leaves_the_machine_only_when_told(tmp_path: Path) -> None:
    """A target elsewhere needs TLS or the operator's word; loopback needs neither."""
    with pytest.raises(ConfigError, match=r"core\.internal is not loopback"):
        core_tls(load(tmp_path, core_target="127.0.0.1:1,core.internal:50051"))
    assert core_tls(load(tmp_path, core_target="core.internal:50051", grpc_insecure=1)) is None
    assert core_tls(load(tmp_path, core_target="[::1]:50051")) is None
    assert server_credentials(load(tmp_path, host="0.0.0.0", grpc_insecure=1)) is None
    hosts = ("localhost", "127.0.0.1", "127.1.2.3", "::1", "0.0.0.0", "10.0.0.1", "core")
    assert [is_loopback(host) for host in hosts] == [True] * 4 + [False] * 3


def test_a_core_with_a_bad_certificate_does_not_start(tmp_path: Path, server: Pair) -> None:
    """One line on stderr and a non-zero exit, at once."""
    environ = {
        "MINTGATE_DATA_DIR": str(tmp_path),
        "MINTGATE_GRPC_TLS_CERT": str(server.cert),
        "MINTGATE_GRPC_TLS_KEY": str(tmp_path / "none.key"),
    }
    done = subprocess.run(
        [sys.executable, "-m", "mintgate_core", "serve"],
        env=environ,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode != 0
    assert len(done.stderr.splitlines()) == 1
    assert "MINTGATE_GRPC_TLS_CERT" in done.stderr


def test_options_of_a_core_hold_its_credentials(tmp_path: Path, server: Pair) -> None:
    """The settings reach the composition root."""
    assert core_options(serving_settings(tmp_path, server)).credentials is not None
    assert core_options(load(tmp_path)).credentials is None
