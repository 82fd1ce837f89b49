"""A whole installation with mutual TLS: core and facades as processes, certificates as files."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import grpc
import httpx
import pytest
from mintgate_core.app import CoreOptions, running

from tests.buyer import Buyer
from tests.certificates import Authority, Pair
from tests.e2e.refusals import BODIES, DIALECTS, attempt, unavailable
from tests.fleet import stopped
from tests.harness import MASTER_KEY, Installation, eventually

pytestmark = pytest.mark.timeout(300)

READY_WAIT_S = 120.0
"""Seven processes start at once."""
TOKENS = {"MINTGATE_OPERATOR_TOKEN": "o" * 40, "MINTGATE_SERVICE_TOKEN": "s" * 40}


class Site:
    """One core that lets in only whom its authority knows, and what its facades need."""

    def __init__(self, directory: Path, simulator_url: str) -> None:
        self.directory = directory
        self.authority = Authority(directory).make()
        self.stranger = Authority(directory, "stranger").make()
        self.simulator_port = urlsplit(simulator_url).port or 0
        self.facades: list[Installation] = []
        served, known = self.authority.sign("server"), self.authority.sign("facade")
        self.asking = TOKENS | {
            "MINTGATE_CORE_CA": str(self.authority.cert),
            "MINTGATE_CORE_CERT": str(known.cert),
            "MINTGATE_CORE_KEY": str(known.key),
        }
        serving = {
            "MINTGATE_GRPC_TLS_CERT": str(served.cert),
            "MINTGATE_GRPC_TLS_KEY": str(served.key),
            "MINTGATE_GRPC_TLS_CLIENT_CA": str(self.authority.cert),
        }
        # Commands that run beside the core ask it as a facade does.
        self.core = Installation(self._made("core"), self.asking | serving, runs="core")

    def _made(self, name: str) -> Path:
        directory = self.directory / name
        directory.mkdir()
        return directory

    def facade(self, name: str, port: int = 0, **changed: str) -> Installation:
        """A facade that runs; one that differs from the good one in what is given. "" is unset."""
        environment = {name: value for name, value in (self.asking | changed).items() if value}
        facade = Installation(
            self._made(name),
            environment,
            grpc_port=port or self.core.grpc_port,
            simulator_port=self.simulator_port,
            runs="http",
        )
        self.facades.append(facade)
        facade.launch()
        return facade


@pytest.fixture
def site(tmp_path: Path, simulator_url: str) -> Iterator[Site]:
    """A running core; at the end it and its facades stop in good order."""
    site = Site(tmp_path, simulator_url)
    site.core.launch()
    try:
        yield site
    finally:
        ended = [*stopped(*site.facades), *stopped(site.core)]
    assert not any(ended)


@asynccontextmanager
async def expired_core(directory: Path, pair: Pair) -> AsyncIterator[int]:
    """A core whose certificate ran out while it served; its port. A start would refuse it."""
    credentials = grpc.ssl_server_credentials([(pair.key.read_bytes(), pair.cert.read_bytes())])
    options = CoreOptions(
        directory / "expired.db",
        TOKENS["MINTGATE_OPERATOR_TOKEN"],
        TOKENS["MINTGATE_SERVICE_TOKEN"],
        credentials=credentials,
        sweep=False,
    )
    async with running(options) as core:
        yield core.port


def master(facade: Installation) -> Buyer:
    """The first master key, which is a key as any other on provider routes."""
    return Buyer(facade, "master", MASTER_KEY)


def alive(facade: Installation) -> bool:
    """Whether the facade runs, ready or not."""
    try:
        return httpx.get(f"{facade.url}/healthz", timeout=2).status_code == 200
    except httpx.HTTPError:
        return False


def away(facade: Installation) -> None:
    """Check that a facade without its core says so on every route, and is no danger to keys."""
    eventually(lambda: alive(facade), READY_WAIT_S, f"a facade; see {facade.log}")
    assert httpx.get(f"{facade.url}/readyz", timeout=5).status_code == 503
    assert httpx.get(f"{facade.url}/v1/catalog", timeout=15).status_code == 503
    unavailable(master(facade))


async def test_whom_the_core_does_not_know_is_told_503(site: Site) -> None:
    """The right certificates serve; each wrong one, and a wrong token, is a 503, never a 401."""
    old = site.authority.sign("old", expired=True)
    async with expired_core(site.directory, old) as expired_port:
        good = site.facade("good")
        wrong = {
            "CERTIFICATE_VERIFY_FAILED": site.facade(
                "other-authority", MINTGATE_CORE_CA=str(site.stranger.cert)
            ),
            "ledger stream lost": site.facade(
                "no-certificate", MINTGATE_CORE_CERT="", MINTGATE_CORE_KEY=""
            ),
            "UNAUTHENTICATED the credential is neither": site.facade(
                "other-token", MINTGATE_SERVICE_TOKEN="t" * 40
            ),
            "certificate has expired": site.facade("expired", expired_port),
        }
        with ThreadPoolExecutor(len(wrong)) as pool:
            loop = asyncio.get_running_loop()
            await asyncio.gather(
                *(loop.run_in_executor(pool, away, facade) for facade in wrong.values())
            )
        await asyncio.to_thread(eventually, good.ready, READY_WAIT_S, f"readiness; {good.log}")
        for dialect in DIALECTS:
            answer = await asyncio.to_thread(attempt, master(good), dialect, BODIES[dialect])
            assert answer.status == 200, answer.body
        for said, facade in wrong.items():
            # The log says why, to whom it concerns.
            assert said in facade.log.read_text()
    usage = await asyncio.to_thread(site.core.command, "usage", "--json")
    assert json.loads(usage.stdout)["totals"]["request_count"] == len(DIALECTS), usage


def test_a_new_certificate_needs_a_restart_of_core_alone(site: Site) -> None:
    """Files that were replaced are shown after core's restart; its facades go on as they are."""
    facade, core = site.facade("good"), site.core
    eventually(facade.ready, READY_WAIT_S, f"readiness; see {facade.log}")

    def shown() -> str:
        return ssl.get_server_certificate(("127.0.0.1", core.grpc_port)).strip()

    cert = Path(core.environment["MINTGATE_GRPC_TLS_CERT"])
    before = cert.read_text().strip()
    site.authority.sign("server")
    assert cert.read_text().strip() != before
    assert shown() == before
    assert stopped(core) == [0]
    core.launch()
    eventually(facade.ready, READY_WAIT_S, f"readiness; see {facade.log}")
    assert shown() == cert.read_text().strip()
    assert attempt(master(facade), "openai", BODIES["openai"]).status == 200
