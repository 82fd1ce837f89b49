"""What a hostile or broken caller may try with a good key, and what it costs the books."""

from __future__ import annotations

import asyncio

import pytest
from mintgate import Minted
from mintgate.v1 import error_pb2, ledger_pb2

from tests.core.service.harness import Rig, counts

TEN_YEARS_MS = 10 * 365 * 86_400_000
DUST = 500
DUST_NANO_USD = 1_000
"""One token of the harness's model: the least that a request can cost there."""
ROTATIONS = 50

UNAUTHENTICATED = error_pb2.ERROR_REASON_UNAUTHENTICATED


@pytest.mark.parametrize("ttl_ms", [TEN_YEARS_MS, 2**62, -1])
async def test_a_hold_for_years_is_refused(rig: Rig, user: Minted, ttl_ms: int) -> None:
    """Nobody keeps money away for longer than the bound; the field is named and nothing held."""
    (result,) = await rig.apply(rig.reserve(user.secret, ttl_ms=ttl_ms))
    told = (result.error.reason, result.error.field)
    assert told == (error_pb2.ERROR_REASON_INVALID_ARGUMENT, "ttl_ms")
    assert await rig.core.store.holds(None, 1) == []


async def test_a_hold_cannot_be_renewed_for_years(rig: Rig, user: Minted) -> None:
    """Progress has the bound of a reserve, and a refused one leaves the expiry where it was."""
    hold = rig.reserve(user.secret)
    (held,) = await rig.apply(hold)
    progress = ledger_pb2.Progress(
        hold_id=hold.reserve.hold_id,
        hold_token=held.reserved.hold_token,
        ttl_ms=TEN_YEARS_MS,
    )
    (result,) = await rig.apply(ledger_pb2.Operation(progress=progress))
    assert result.error.field == "ttl_ms"
    (found,) = await rig.core.store.holds(None, 2)
    assert found.expires_at_ms == held.reserved.expires_at_ms


async def test_dust_is_charged_to_the_last_piece(rig: Rig, user: Minted) -> None:
    """Hundreds of the smallest requests are each charged whole, and the audit agrees."""
    smallest = ledger_pb2.Bound(input_tokens=1, output_tokens=0)
    for _ in range(DUST // 100):
        asked = [rig.reserve(user.secret, bound=smallest) for _ in range(100)]
        held = await rig.apply(*asked)
        assert {result.reserved.amount_nano_usd for result in held} == {DUST_NANO_USD}
        settled = await rig.apply(
            *(
                rig.settle(operation, result, units=counts(input_tokens=1))
                for operation, result in zip(asked, held, strict=True)
            )
        )
        assert {result.settled.charged_nano_usd for result in settled} == {DUST_NANO_USD}
    key = await rig.client().keys.get(user.key.id)
    assert (key.spent_nano_usd, key.held_nano_usd) == (DUST * DUST_NANO_USD, 0)
    audited = await rig.core.store.audit(full=True)
    assert [check.title for check in audited if check.findings] == []


async def test_a_storm_of_rotations_leaves_one_secret(rig: Rig, user: Minted) -> None:
    """Rotated many times at once and under load, a key has one secret that works; no other does."""
    keys = rig.client().keys
    rotated, _ = await asyncio.gather(
        asyncio.gather(*(keys.rotate(user.key.id) for _ in range(ROTATIONS))),
        asyncio.gather(*(rig.apply(rig.reserve(user.secret)) for _ in range(ROTATIONS))),
    )
    secrets = [answer.secret for answer in rotated]
    assert len(set(secrets)) == ROTATIONS
    tried = [(await rig.apply(rig.reserve(secret)))[0] for secret in (user.secret, *secrets)]
    working = [result for result in tried if result.HasField("reserved")]
    assert len(working) == 1
    assert {r.error.reason for r in tried if r.HasField("error")} == {UNAUTHENTICATED}
    assert len((await rig.client().keys.list_page()).keys) == 2
