"""`/healthz`, `/readyz` and the page at `/`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, Response

from mintgate_facade.control.schemas import HealthAnswer
from mintgate_facade.control.writing import answer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_SIMULATED = "Providers are simulated: answers are made up, and no provider is called or paid."
_LIVE = "Requests go to real providers and cost real money."


def health_router(ready: Callable[[], Awaitable[str]], *, simulated: bool) -> APIRouter:
    """Health and landing. `ready` says what is missing, or nothing when money can be reserved."""
    router = APIRouter(tags=["health"])

    @router.get("/healthz", responses={200: {"model": HealthAnswer}})
    async def healthz() -> Response:
        """Say that the process lives."""
        return answer({"status": "ok"})

    @router.get("/readyz", responses={200: {"model": HealthAnswer}, 503: {"model": HealthAnswer}})
    async def readyz() -> Response:
        """Say whether a request could be served now."""
        missing = await ready()
        if missing:
            return answer({"status": "unavailable", "missing": missing}, 503)
        return answer({"status": "ready"})

    @router.get("/", include_in_schema=False)
    async def landing(request: Request) -> Response:
        """Say what this is."""
        state = _SIMULATED if simulated else _LIVE
        headers = {"mintgate-simulated": "1"} if simulated else {}
        if "text/html" in request.headers.get("accept", ""):
            return HTMLResponse(_page(state), headers=headers)
        response = answer(
            {
                "name": "mintgate",
                "simulated": simulated,
                "note": state,
                "openapi": "/openapi.json",
                "docs": "/docs",
            }
        )
        response.headers.update(headers)
        return response

    return router


def _page(state: str) -> str:
    return (
        "<!doctype html><html lang=en><meta charset=utf-8><title>Mintgate</title>"
        "<meta name=viewport content='width=device-width'>"
        "<style>body{font:16px/1.5 system-ui;max-width:40rem;margin:4rem auto;padding:0 1rem}"
        "code{background:#8882;padding:.1em .3em}</style>"
        "<h1>Mintgate</h1>"
        "<p>A gateway to AI providers: mint a key for each user, cap it hard, meter it exactly, "
        "bill from one call.</p>"
        f"<p><strong>{state}</strong></p>"
        "<p>Point a provider's own SDK here: <code>/openai/v1</code>, <code>/anthropic</code>, "
        "<code>/gemini</code> ... and use a minted key. "
        "<a href=/docs>Control API</a> · <a href=/v1/catalog>Models and prices</a> · "
        "<a href=/readyz>Readiness</a></p></html>"
    )
