"""Rate limits of a whole installation on a real Redis, through its loss and return."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from mintgate import RateLimits

from tests.buyer import Buyer
from tests.harness import Installation, eventually, installation
from tests.servers.redis import RedisServer, running_redis
from tests.wire import Answer, send

RECOVERY_WAIT_S = 15.0


@pytest.fixture
def server() -> Iterator[RedisServer]:
    """A server that the test may stop."""
    with running_redis() as server:
        yield server


def ask(gateway: Installation, buyer: Buyer) -> Answer:
    """One short request as any client sends it."""
    body = {
        "model": "gpt-4o-mini",
        "messages": [{"role": "user", "content": "hello"}],
        "max_completion_tokens": 10,
    }
    return send(gateway.url, "POST", "/v1/chat/completions", headers=buyer.bearer, body=body)


def test_redis_comes_and_goes(tmp_path: Path, server: RedisServer) -> None:
    """Limits hold with it and without it, requests go on, and one line tells each change."""
    with installation(tmp_path, MINTGATE_REDIS_URL=server.url) as gateway:
        limited = RateLimits(requests_per_minute=2)
        first, second = (Buyer.mint(gateway, rate_limits=limited) for _ in range(2))
        assert [ask(gateway, first).status for _ in range(3)] == [200, 200, 429]
        with server.client() as client:
            assert list(client.scan_iter(f"mintgate:{{{first.key_id}}}:*"))
        server.stop()
        assert [ask(gateway, second).status for _ in range(3)] == [200, 200, 429]
        server.start()
        log = gateway.directory / "up.log"
        eventually(lambda: "Redis answers again" in log.read_text(), RECOVERY_WAIT_S, "its return")
        # The new server counts from nothing.
        assert ask(gateway, second).status == 200
        assert log.read_text().count("Redis is away") == 1
        gateway.audit()
