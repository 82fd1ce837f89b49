"""`GET /v1/holds`: the account's open holds, with both forms of money."""

from __future__ import annotations

import httpx
from mintgate.v1 import ledger_pb2
from mintgate_facade.control.schemas import HoldListAnswer

from tests.http_facade.control.conftest import MASTER, ScriptedCore


async def test_open_holds_are_listed(client: httpx.AsyncClient, core: ScriptedCore) -> None:
    """Each hold says whose, what for, how much, and since when; the caller's key asks."""
    hold = ledger_pb2.OpenHold(
        hold_id=b"h" * 16,
        key_id="key_1",
        provider="openai",
        model="gpt-5",
        amount_nano_usd=2_500,
        metered_nano_usd=1_500,
        reserved_at_ms=7,
        expires_at_ms=9,
        request_id="req_1",
        job=True,
    )
    core.answers["ListHolds"] = ledger_pb2.ListHoldsResponse(holds=[hold])
    answer = await client.get("/v1/holds", params={"limit": 5})

    (listed,) = HoldListAnswer.model_validate_json(answer.content).holds
    assert (listed.id, listed.key_id, listed.request_id) == ((b"h" * 16).hex(), "key_1", "req_1")
    assert (listed.amount_nanos, listed.amount_micros, listed.metered_micros) == (2_500, 2, 2)
    assert (listed.reserved_at, listed.expires_at, listed.job) == (7, 9, True)
    (name, request, credential), *_ = core.calls
    assert (name, request.page_size, request.every_account) == ("ListHolds", 5, False)
    assert credential == f"Bearer {MASTER}"


async def test_the_page_has_a_bound(client: httpx.AsyncClient) -> None:
    """More than a thousand at once, or an unknown parameter, is refused by name."""
    for params, field in (({"limit": 1_001}, "limit"), ({"older": 1}, "older")):
        answer = await client.get("/v1/holds", params=params)
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, field)
