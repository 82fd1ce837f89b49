"""One id, one operation: what a repeat is answered, in one core and across a restart."""

from __future__ import annotations

from typing import Any

import pytest
from mintgate import Minted, new_id
from mintgate.v1 import error_pb2, ledger_pb2

from tests.core.service.harness import OPERATOR, OTHER_MODEL, WALLET_NANO_USD, Rig

HELD, COST = 200_000, 20_000
"""What the harness's reserve holds and what its settle charges, nano-USD."""

Operation = ledger_pb2.Operation


async def test_a_released_hold_stays_released(rig: Rig, user: Minted) -> None:
    """A release can be repeated, and a reserve that arrives after it holds nothing."""
    hold = rig.reserve(user.secret)
    await rig.apply(hold)
    release = ledger_pb2.Release(hold_id=hold.reserve.hold_id)
    for _ in range(2):
        (released,) = await rig.apply(Operation(release=release))
        assert released.released.amount_nano_usd == HELD
    (again,) = await rig.apply(hold)
    assert again.error.reason == error_pb2.ERROR_REASON_ALREADY_RESOLVED


async def test_repeats_are_answered_alike_across_a_restart(rig: Rig, user: Minted) -> None:
    """Every operation given again to a new core is answered as before and moves no money."""
    grant = Operation(
        grant=ledger_pb2.Grant(
            grant_id=new_id(), account_id=user.key.account_id, amount_nano_usd=5, note="x"
        )
    )
    settled_hold, released_hold, open_hold = (rig.reserve(user.secret) for _ in range(3))
    held = await rig.apply(settled_hold, released_hold, open_hold)
    release = ledger_pb2.Release(
        hold_id=released_hold.reserve.hold_id, hold_token=held[1].reserved.hold_token
    )
    extend = ledger_pb2.Extend(hold_id=open_hold.reserve.hold_id, amount_nano_usd=HELD + 7)
    operations = [
        rig.settle(settled_hold, held[0]),
        Operation(release=release),
        Operation(extend=extend),
        grant,
    ]
    first = await rig.apply(*operations, credential=OPERATOR)
    assert not any(r.HasField("error") for r in first)
    balance = await rig.client().ledger.balance()
    await rig.restart()
    again = await rig.apply(open_hold, *operations, credential=OPERATOR)
    for result in (first[0], again[1]):
        # What is left is told as of now: the first answer came before the extension.
        result.settled.ClearField("remaining_nano_usd")
    assert again[1:] == first
    assert again[0].reserved.amount_nano_usd == HELD + 7
    assert await rig.client().ledger.balance() == balance
    assert balance.balance_nano_usd == WALLET_NANO_USD + 5 - COST


CHANGES: dict[str, dict[str, Any]] = {
    "model": {"model": OTHER_MODEL},
    "provider": {"provider": "openai", "model": "gpt-4o-mini"},
    "bound": {"bound": ledger_pb2.Bound(input_tokens=101, output_tokens=50)},
}


@pytest.mark.parametrize(("field", "change"), CHANGES.items(), ids=CHANGES)
async def test_an_id_names_one_request(
    rig: Rig, user: Minted, field: str, change: dict[str, Any]
) -> None:
    """A hold's id with another request is ID_REUSED, naming what differs."""
    hold = rig.reserve(user.secret)
    same_id = rig.reserve(user.secret, hold_id=hold.reserve.hold_id, **change)
    _, refused = await rig.apply(hold, same_id)
    assert (refused.error.reason, refused.error.field) == (
        error_pb2.ERROR_REASON_ID_REUSED,
        field,
    )


async def test_an_id_names_one_keys_request(rig: Rig, user: Minted) -> None:
    """A hold's id shown with another key's secret is ID_REUSED, and tells nothing of the hold."""
    other = await rig.client().keys.mint("bob")
    hold = rig.reserve(user.secret)
    same_id = rig.reserve(other.secret, hold_id=hold.reserve.hold_id)
    _, refused = await rig.apply(hold, same_id)
    assert (refused.error.reason, refused.error.field) == (
        error_pb2.ERROR_REASON_ID_REUSED,
        "key",
    )


async def test_a_grants_id_names_one_amount(rig: Rig, user: Minted) -> None:
    """A grant's id with another amount is ID_REUSED naming the amount."""
    grant = ledger_pb2.Grant(grant_id=new_id(), account_id=user.key.account_id, amount_nano_usd=5)
    more = ledger_pb2.Grant()
    more.CopyFrom(grant)
    more.amount_nano_usd = 6
    _, refused = await rig.apply(Operation(grant=grant), Operation(grant=more), credential=OPERATOR)
    assert (refused.error.reason, refused.error.field) == (
        error_pb2.ERROR_REASON_ID_REUSED,
        "amount_nano_usd",
    )
