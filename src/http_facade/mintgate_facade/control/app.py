"""Builds the control app: REST over the core, with the caller's own credential."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import FastAPI
from starlette.routing import Match

from mintgate_facade.control import accounts, errors, holds, keys, usage
from mintgate_facade.control.catalog import catalog_router
from mintgate_facade.control.health import health_router

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from mintgate_facade.control.core import Core

METHODS = ("DELETE", "GET", "PATCH", "POST", "PUT")

_DESCRIPTION = """\
Mint a key for each user, cap it hard, meter it exactly, bill from one call.
Money is in micro-USD rounded half to even (`*_micros`), and exact in nano-USD (`*_nanos`).
Authenticate with a master key as `Authorization: Bearer` or `x-api-key`.
Unknown fields and parameters are errors.
"""


def create_control(
    core: Core, ready: Callable[[], Awaitable[str]], *, body_wait_s: float, simulated: bool
) -> FastAPI:
    """Make the control app.

    `ready` says what is missing before a request could be served, or nothing. A client
    may take `body_wait_s` to send its body.
    """
    app = FastAPI(title="Mintgate control API", version="1", description=_DESCRIPTION)
    app.state.core = core
    app.state.body_wait_s = body_wait_s
    errors.install(app)
    app.include_router(keys.router)
    app.include_router(usage.router)
    app.include_router(holds.router)
    app.include_router(accounts.router)
    app.include_router(catalog_router(core))
    app.include_router(health_router(ready, simulated=simulated))
    return app


def served_methods(app: FastAPI, path: str) -> tuple[str, ...]:
    """The methods that a path of the control app is served with; none when it is not."""
    return tuple(
        method
        for method in METHODS
        if any(
            route.matches({"type": "http", "path": path, "method": method, "root_path": ""})[0]
            is Match.FULL
            for route in app.routes
        )
    )
