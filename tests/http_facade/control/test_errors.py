"""Failures of control routes that a running core gives no occasion for."""

from __future__ import annotations

import httpx
import pytest
from fastapi import FastAPI
from mintgate import RateLimited
from mintgate_facade.control import errors


@pytest.mark.parametrize(("wait_ms", "told"), [(1, "1"), (1_001, "2"), (60_000, "20")])
async def test_a_rate_limit_says_when_to_come_back(wait_ms: int, told: str) -> None:
    """429 in the one shape, with whole seconds from 1 to 20."""
    app = FastAPI()
    errors.install(app)

    @app.get("/limited")
    async def limited() -> None:
        raise RateLimited("slower", field="requests_per_minute", retry_after_ms=wait_ms)

    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
        answer = await client.get("/limited")
    assert answer.status_code == 429
    assert answer.headers["retry-after"] == told
    assert answer.json()["error"] == {
        "type": "rate_limit_error",
        "message": "slower",
        "code": "rate_limited",
        "param": "requests_per_minute",
    }
