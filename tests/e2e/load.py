"""A load of real HTTP requests, and what each of them came to."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from dataclasses import dataclass, field

import aiohttp

CONNECTIONS_MAX = 1_100
REQUEST_WAIT_S = 60.0

BODY = {
    "model": "gpt-4o-mini",
    "messages": [{"role": "user", "content": "hello there"}],
    "max_tokens": 100,
}


@dataclass
class Outcomes:
    """What a load came to."""

    statuses: Counter[int] = field(default_factory=Counter)
    broken: int = 0
    completed: list[str] = field(default_factory=list)
    """Request ids of answers that arrived whole; each must have a charge."""


async def fire(
    url: str, secrets: list[str], *, stream: bool = False, simulate: str = ""
) -> Outcomes:
    """One request a secret, all at once."""
    outcomes = Outcomes()
    connector = aiohttp.TCPConnector(limit=CONNECTIONS_MAX)
    async with aiohttp.ClientSession(connector=connector) as session:
        await asyncio.gather(
            *(ask(session, url, secret, outcomes, stream, simulate) for secret in secrets)
        )
    return outcomes


async def ask(
    session: aiohttp.ClientSession,
    url: str,
    secret: str,
    outcomes: Outcomes,
    stream: bool = False,  # noqa: FBT001, FBT002 - passed on
    simulate: str = "",
) -> None:
    """One chat completion, read to its end."""
    headers = {"authorization": f"Bearer {secret}", "content-type": "application/json"}
    if simulate:
        headers["x-simulate"] = simulate
    body = json.dumps(BODY | ({"stream": True} if stream else {}))
    timeout = aiohttp.ClientTimeout(total=REQUEST_WAIT_S)
    try:
        async with session.post(
            f"{url}/v1/chat/completions", data=body, headers=headers, timeout=timeout
        ) as answer:
            await answer.read()
            outcomes.statuses[answer.status] += 1
            if answer.status == 200:
                outcomes.completed.append(answer.headers["mintgate-request-id"])
    except (aiohttp.ClientError, TimeoutError, ConnectionError):
        outcomes.broken += 1
