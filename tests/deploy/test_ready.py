"""The health check of the containers, run as they run it."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest
from mintgate import Settings
from mintgate.tls import server_credentials
from mintgate_core.app import CoreOptions, running

from tests.certificates import Authority, Pair
from tests.deploy.conftest import ROOT
from tests.harness import Installation
from tests.ports import free_port

WAIT_S = 30


def ready(*arguments: str, **settings: object) -> subprocess.CompletedProcess[str]:
    """Run it once, with these settings in its environment."""
    environment = {f"MINTGATE_{name.upper()}": str(value) for name, value in settings.items()}
    return subprocess.run(
        [sys.executable, str(ROOT / "deploy/docker/ready.py"), *arguments],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=WAIT_S,
    )


def test_it_tells_serving_from_absent(gateway: Installation) -> None:
    """It passes against a running gateway and fails in one line where nobody listens."""
    nobody = free_port()
    assert ready("grpc", gateway.core_target).returncode == 0
    assert ready("http", f"{gateway.url}/readyz").returncode == 0
    for arguments in (
        ("grpc", f"127.0.0.1:{nobody}"),
        ("http", f"http://127.0.0.1:{nobody}/readyz"),
        ("http", f"{gateway.url}/nothing"),
        ("http", "file:///etc/passwd"),
    ):
        failed = ready(*arguments)
        assert failed.returncode == 1
        assert len(failed.stderr.splitlines()) == 1


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path).make()


@pytest.mark.parametrize("mutual", [False, True])
async def test_it_asks_with_the_tls_of_the_settings(
    authority: Authority, tmp_path: Path, *, mutual: bool
) -> None:
    """A core with TLS, mutual or not, is found serving; without what it asks for it is not."""
    served, shown = authority.sign("core"), authority.sign("facade")
    of_core: dict[str, object] = {"grpc_tls_cert": served.cert, "grpc_tls_key": served.key}
    if mutual:
        of_core["grpc_tls_client_ca"] = authority.cert
    environment = {f"MINTGATE_{name.upper()}": str(value) for name, value in of_core.items()}
    credentials = server_credentials(Settings.load(environment, tmp_path))
    options = CoreOptions(tmp_path / "mintgate.db", "o" * 32, "s" * 32, credentials=credentials)
    async with running(options) as core:
        asked = [
            await asyncio.to_thread(ready, "grpc", f"127.0.0.1:{core.port}", **of_core, **more)
            for more in ({}, {"core_ca": authority.cert}, facade_settings(authority, shown))
        ]
    assert [done.returncode for done in asked] == [1, int(mutual), 0]
    # Before its own line, gRPC's library may tell what it did not like about the handshake.
    refused = [done.stderr.splitlines()[-1] for done in asked if done.returncode]
    assert refused == [f"no answer from 127.0.0.1:{core.port}: UNAVAILABLE"] * len(refused)


def facade_settings(authority: Authority, shown: Pair) -> dict[str, object]:
    return {"core_ca": authority.cert, "core_cert": shown.cert, "core_key": shown.key}


def test_settings_that_cannot_be_used_are_told(tmp_path: Path) -> None:
    """A certificate that is missing is one line, not a traceback and not a guess."""
    failed = ready("grpc", f"127.0.0.1:{free_port()}", core_ca=tmp_path / "missing.pem")
    assert failed.returncode == 1
    assert len(failed.stderr.splitlines()) == 1
    assert "MINTGATE_CORE_CA" in failed.stderr
