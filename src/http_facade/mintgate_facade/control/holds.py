"""`/v1/holds`: what is held just now."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from mintgate.v1.ledger_pb2 import ListHoldsRequest, OpenHold
from starlette.responses import Response

from mintgate_facade.control import schemas
from mintgate_facade.control.core import CoreDependency
from mintgate_facade.control.models import HoldPage
from mintgate_facade.control.reading import credential
from mintgate_facade.control.writing import answer, to_micros

router = APIRouter(tags=["usage"])


@router.get("/v1/holds", responses=schemas.answers(200, schemas.HoldListAnswer))
async def list_holds(
    request: Request, core: CoreDependency, page: Annotated[HoldPage, Query()]
) -> Response:
    """List the open holds of the account, oldest first; a master key may."""
    response = await core.call(
        core.ledger.ListHolds, ListHoldsRequest(page_size=page.limit), credential(request)
    )
    return answer({"holds": [_hold_view(hold) for hold in response.holds]})


def _hold_view(hold: OpenHold) -> dict[str, Any]:
    return {
        "id": hold.hold_id.hex(),
        "key_id": hold.key_id,
        "provider": hold.provider,
        "model": hold.model,
        "request_id": hold.request_id,
        "amount_micros": to_micros(hold.amount_nano_usd),
        "amount_nanos": hold.amount_nano_usd,
        "metered_micros": to_micros(hold.metered_nano_usd),
        "metered_nanos": hold.metered_nano_usd,
        "reserved_at": hold.reserved_at_ms,
        "expires_at": hold.expires_at_ms,
        "job": hold.job,
    }
