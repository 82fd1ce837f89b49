"""A plain reverse proxy in Python, as one writes it in an afternoon: Starlette and aiohttp.

It knows no keys, no money and no providers. What it does in a second is what this machine's
Python can do with well-kept parts just now, so that most of the machine's own speed, which
changes by the minute, cancels out of a ratio to it.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

UPSTREAM_VARIABLE = "FORWARDER_UPSTREAM"
OF_A_HOP = frozenset({"connection", "host", "keep-alive", "transfer-encoding", "upgrade"})
"""What concerns one connection only; the length of a body stays as it is."""


@asynccontextmanager
async def connected(app: Starlette) -> AsyncIterator[None]:
    """One pool of kept connections for the life of the process, without a bound of its own."""
    async with aiohttp.ClientSession(
        os.environ[UPSTREAM_VARIABLE],
        connector=aiohttp.TCPConnector(limit=0),
        auto_decompress=False,
    ) as session:
        app.state.session = session
        yield


async def forward(request: Request) -> Response:
    """Pass a request on, and its answer back as it arrives."""
    session: aiohttp.ClientSession = request.app.state.session
    answer = await session.request(
        request.method,
        request.url.path,
        data=await request.body(),
        headers={name: value for name, value in request.headers.items() if name not in OF_A_HOP},
    )
    headers = {name.lower(): value for name, value in answer.headers.items()}
    return StreamingResponse(
        pieces(answer),
        answer.status,
        {name: value for name, value in headers.items() if name not in OF_A_HOP},
    )


async def pieces(answer: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """What arrives, when it arrives; the connection is free again at the end."""
    async with answer:
        async for piece in answer.content.iter_any():
            yield piece


app = Starlette(routes=[Route("/{path:path}", forward, methods=["POST"])], lifespan=connected)
