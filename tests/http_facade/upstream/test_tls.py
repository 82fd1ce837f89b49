"""Who a provider must prove to be before anything is sent to it."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from mintgate_facade.dialects.base import FailureKind, RefusedRequest
from mintgate_facade.upstream import Upstream

from tests.certificates import Authority

from .conftest import request_of
from .test_answers import SIZED, WAIT_S, whole

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.certificates import Pair


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Authority:
    """The only one that the machine trusts."""
    made = Authority(tmp_path).make()
    monkeypatch.setenv("SSL_CERT_FILE", str(made.cert))
    return made


@asynccontextmanager
async def proving(pair: Pair) -> AsyncIterator[tuple[int, list[str]]]:
    """A provider with a certificate: its port, and what it was asked."""
    heard: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append((await request_of(reader))[0])
        writer.write(SIZED)

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pair.cert, pair.key)
    server = await asyncio.start_server(serve, "0.0.0.0", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1], heard
    finally:
        server.close()


async def ask(port: int, host: str) -> bytes:
    """Ask with a pool of its own, which trusts what the machine does at its start."""
    upstream = Upstream()
    upstream.start()
    try:
        async with asyncio.timeout(WAIT_S):
            answer = await upstream.open("POST", f"https://{host}:{port}/", {}, b"{}")
            return await whole(answer)
    finally:
        await upstream.close()


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
async def test_name_and_address_of_the_certificate_are_good(
    authority: Authority, host: str
) -> None:
    """A provider that proves to be the host of its address is asked, be that a name or a number."""
    async with proving(authority.sign("provider")) as (port, heard):
        assert await ask(port, host) == b"hello"
        assert heard == ["POST / HTTP/1.1"]


@pytest.mark.parametrize("fault", ["another host", "another authority", "expired"])
async def test_nothing_is_sent_to_who_does_not_prove_it(
    authority: Authority, tmp_path: Path, fault: str
) -> None:
    """Neither another's certificate, nor one that nobody trusts, nor an old one will do."""
    signer = Authority(tmp_path, "other").make() if fault == "another authority" else authority
    pair = signer.sign("provider", expired=fault == "expired")
    host = "127.0.0.2" if fault == "another host" else "localhost"
    async with proving(pair) as (port, heard):
        with pytest.raises(RefusedRequest) as refused:
            await ask(port, host)
        assert refused.value.failure.kind is FailureKind.UPSTREAM_FAILED
        assert heard == []
