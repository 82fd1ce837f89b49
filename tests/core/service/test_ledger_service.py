"""The Apply stream, its single-operation sugar, and the reads of the books."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import grpc
import pytest
from mintgate import (
    AlreadyResolved,
    InvalidArgument,
    Minted,
    NotFound,
    PermissionDenied,
    new_id,
)
from mintgate.v1 import error_pb2, ledger_pb2
from mintgate_core.ledger.limits import BATCH_OPERATIONS_MAX

from tests.core.service.harness import (
    MODEL,
    OPERATOR,
    PROVIDER,
    SERVICE,
    WALLET_NANO_USD,
    Rig,
    TurnedClock,
    counts,
    error_in,
    price_of,
)

HELD, COST = 200_000, 20_000
"""What the harness's reserve holds and what its settle charges, nano-USD."""

Operation = ledger_pb2.Operation


async def test_results_come_in_the_order_of_the_operations(rig: Rig, user: Minted) -> None:
    """Six kinds of operations on one hold in one message see each other's effects, in order."""
    hold = rig.reserve(user.secret)
    hold_id = hold.reserve.hold_id
    nobody = rig.reserve("qlk_live_" + "0" * 64)
    async with rig.link(OPERATOR) as link:
        first = await link.send(nobody, hold, hold)
        settle = rig.settle(hold, first[1])
        rest = await link.send(
            Operation(extend=ledger_pb2.Extend(hold_id=hold_id, amount_nano_usd=HELD + 1)),
            Operation(progress=ledger_pb2.Progress(hold_id=hold_id)),
            settle,
            Operation(release=ledger_pb2.Release(hold_id=hold_id)),
            Operation(
                grant=ledger_pb2.Grant(
                    grant_id=new_id(), account_id=user.key.account_id, amount_nano_usd=1
                )
            ),
        )
    assert [r.WhichOneof("outcome") for r in first] == ["error", "reserved", "reserved"]
    assert first[0].error.reason == error_pb2.ERROR_REASON_UNAUTHENTICATED
    assert first[1] == first[2]
    assert [r.WhichOneof("outcome") for r in rest] == [
        "extended",
        "progressed",
        "settled",
        "error",
        "granted",
    ]
    assert rest[0].extended.amount_nano_usd == HELD + 1
    assert rest[2].settled.charged_nano_usd == COST
    assert rest[3].error.reason == error_pb2.ERROR_REASON_ALREADY_RESOLVED
    assert rest[4].granted.balance_nano_usd == WALLET_NANO_USD - COST + 1


async def test_a_message_takes_as_many_operations_as_a_transaction(rig: Rig, user: Minted) -> None:
    """512 operations are answered in one message, each in its place."""
    operations = [rig.reserve(user.secret) for _ in range(BATCH_OPERATIONS_MAX)]
    operations[7] = Operation()
    operations[500] = rig.reserve(user.secret, model="unheard-of")
    results = await rig.apply(*operations)
    assert len(results) == BATCH_OPERATIONS_MAX == 512
    refused = {i: r.error.reason for i, r in enumerate(results) if r.HasField("error")}
    assert refused == {
        7: error_pb2.ERROR_REASON_INVALID_ARGUMENT,
        500: error_pb2.ERROR_REASON_MODEL_UNPRICED,
    }
    assert results[7].error.field == "action"
    assert (await rig.client().ledger.balance()).held_nano_usd == 510 * HELD


@pytest.mark.parametrize("count", [0, BATCH_OPERATIONS_MAX + 1])
async def test_a_message_of_another_size_ends_the_stream(
    rig: Rig, user: Minted, count: int
) -> None:
    """No operations, and one more than 512, are INVALID_ARGUMENT as a whole; nothing happens."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await rig.apply(*[rig.reserve(user.secret) for _ in range(count)])
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert error_in(caught.value).field == "operations"
    assert (await rig.client().ledger.balance()).held_nano_usd == 0


async def test_a_full_queue_refuses_and_keeps_the_stream(
    rig: Rig, user: Minted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OVERLOADED is the result of each operation; the stream lives on."""
    monkeypatch.setattr("mintgate_core.lane.LANE_QUEUE_OPERATIONS_MAX", 3)
    async with rig.link() as link:
        results = await link.send(*[rig.reserve(user.secret) for _ in range(4)])
        assert [r.error.reason for r in results] == [error_pb2.ERROR_REASON_OVERLOADED] * 4
        results = await link.send(*[rig.reserve(user.secret) for _ in range(3)])
        assert all(r.HasField("reserved") for r in results)


async def test_a_settle_of_another_installation_hurts_itself_alone(
    rig: Rig, user: Minted, tmp_path: Path, clock: TurnedClock
) -> None:
    """A good token of a wallet that is not here is NOT_FOUND; its neighbours are charged."""
    (tmp_path / "elsewhere").mkdir()
    elsewhere = Rig(tmp_path / "elsewhere", clock)
    await elsewhere.start()
    await elsewhere.client(OPERATOR).meter.put_price(price_of())
    foreign = elsewhere.reserve(elsewhere.master)
    (foreign_held,) = await elsewhere.apply(foreign)
    await elsewhere.stop()
    good = [rig.reserve(user.secret) for _ in range(2)]
    async with rig.link() as link:
        held = await link.send(*good)
        results = await link.send(
            rig.settle(good[0], held[0]),
            rig.settle(foreign, foreign_held),
            rig.settle(good[1], held[1]),
        )
    assert [r.WhichOneof("outcome") for r in results] == ["settled", "error", "settled"]
    assert results[1].error.reason == error_pb2.ERROR_REASON_NOT_FOUND
    assert [results[i].settled.charged_nano_usd for i in (0, 2)] == [COST, COST]


async def test_a_poisoned_settle_hurts_itself_alone(rig: Rig, user: Minted) -> None:
    """A charge whose hourly sum passes 64 bits is a defect to its own caller, nobody else."""
    await rig.client().meter.put_price(price_of("dear", 0, 2**53))
    no_output = ledger_pb2.Bound(output_tokens=0)
    dear = [rig.reserve(user.secret, model="dear", bound=no_output) for _ in range(3)]
    good = [rig.reserve(user.secret) for _ in range(2)]
    most = counts(output_tokens=512_000)
    async with rig.link() as link:
        held = await link.send(*dear, *good)
        results = await link.send(
            rig.settle(good[0], held[3]),
            *[rig.settle(op, r, units=most) for op, r in zip(dear, held, strict=False)],
            rig.settle(good[1], held[4]),
        )
    assert [r.WhichOneof("outcome") for r in results] == [
        "settled",
        "settled",
        "settled",
        "error",
        "settled",
    ]
    assert results[1].settled.actual_nano_usd == 2**62
    assert results[3].error.reason == error_pb2.ERROR_REASON_INTERNAL
    assert results[4].settled.actual_nano_usd == COST


async def test_a_forged_token_draws_on_nothing(rig: Rig, user: Minted) -> None:
    """A token with any byte changed, cut or missing is refused by name, and charges nothing."""
    hold = rig.reserve(user.secret)
    (held,) = await rig.apply(hold)
    token = held.reserved.hold_token
    forged = [
        b"",
        token[:-1],
        token[:15],
        token + b" ",
        token[16:],
        bytes(16) + token[16:],
        *(token[:i] + bytes([token[i] ^ 1]) + token[i + 1 :] for i in range(0, len(token), 7)),
    ]
    results = await rig.apply(*[rig.settle(hold, held, hold_token=t) for t in forged])
    assert {(r.error.reason, r.error.field) for r in results} == {
        (error_pb2.ERROR_REASON_INVALID_ARGUMENT, "hold_token")
    }
    progress = ledger_pb2.Progress(
        hold_id=hold.reserve.hold_id, hold_token=forged[1], units=counts(output_tokens=1)
    )
    release = ledger_pb2.Release(hold_id=hold.reserve.hold_id, hold_token=forged[1])
    results = await rig.apply(Operation(progress=progress), Operation(release=release))
    assert [r.error.field for r in results] == ["hold_token", "hold_token"]
    assert (await rig.client().ledger.balance()).spent_nano_usd == 0


async def test_a_token_opens_its_own_hold_alone(rig: Rig, user: Minted) -> None:
    """The token of one hold does not settle another, of the same key or of another account."""
    stranger = await rig.second_account()
    theirs = await stranger.keys.mint("eve")
    mine, again, foreign = (
        rig.reserve(user.secret),
        rig.reserve(user.secret),
        rig.reserve(theirs.secret),
    )
    held = await rig.apply(mine, again, foreign)
    results = await rig.apply(
        rig.settle(mine, held[1]), rig.settle(mine, held[2]), rig.settle(foreign, held[0])
    )
    assert {(r.error.reason, r.error.field) for r in results} == {
        (error_pb2.ERROR_REASON_INVALID_ARGUMENT, "hold_token")
    }


async def test_units_of_progress_need_the_token(rig: Rig, user: Minted) -> None:
    """Without its token a hold can be renewed but not metered."""
    hold = rig.reserve(user.secret)
    hold_id = hold.reserve.hold_id
    _, renewed, metered = await rig.apply(
        hold,
        # Not yet in the books when the message is read: known by the id alone.
        Operation(progress=ledger_pb2.Progress(hold_id=hold_id)),
        Operation(progress=ledger_pb2.Progress(hold_id=hold_id, units=counts(output_tokens=1))),
    )
    assert renewed.error.reason == error_pb2.ERROR_REASON_NOT_FOUND
    assert metered.error.field == "hold_token"


BAD_RESERVES: dict[str, dict[str, Any]] = {
    "hold_id": {"hold_id": b"short"},
    "provider": {"provider": "Open AI"},
    "model": {"model": ""},
    "route": {"route": "x" * 257},
    "request_id": {"request_id": "x" * 65},
    "ttl_ms": {"ttl_ms": 999},
    "secret_sha256": {"secret_sha256": b"x"},
    "key_id": {"key_id": "key_none"},
    "bound.input_tokens": {"bound": ledger_pb2.Bound(input_tokens=-1)},
    "bound.output_tokens": {"bound": ledger_pb2.Bound(output_tokens=2**40 + 1)},
    "bound.passes": {"bound": ledger_pb2.Bound(passes=65)},
    "bound.choices": {"bound": ledger_pb2.Bound(choices=1_025)},
    "bound.output_tokens_min": {"bound": ledger_pb2.Bound(output_tokens_min=2**20 + 1)},
    "bound.input_units": {"bound": ledger_pb2.Bound(input_units=[99])},  # type: ignore[list-item]
    "bound.output_units": {"bound": ledger_pb2.Bound(output_units=[99])},  # type: ignore[list-item]
    "bound.fees": {"bound": ledger_pb2.Bound(fees=[*counts(web_searches=1)] * 2)},
    "variants": {"bound": ledger_pb2.Bound(variants=["x=y"] * 17)},
}


async def test_a_bad_field_is_named(rig: Rig, user: Minted) -> None:
    """Each field of a reserve has its limits, and a refusal says which one was passed."""
    operations = [rig.reserve(user.secret, **change) for change in BAD_RESERVES.values()]
    results = await rig.apply(*operations)
    assert [result.error.field for result in results] == list(BAD_RESERVES)
    assert {result.error.reason for result in results} == {
        error_pb2.ERROR_REASON_INVALID_ARGUMENT,
        error_pb2.ERROR_REASON_NOT_FOUND,
    }


async def test_single_calls_do_what_the_stream_does(rig: Rig, user: Minted) -> None:
    """Reserve, extend, progress, settle and release, each as a call of its own."""
    ledger = rig.client(SERVICE).ledger
    bound = ledger_pb2.Bound(input_tokens=100, output_tokens=50)
    hold = await ledger.reserve(secret=user.secret, provider=PROVIDER, model=MODEL, bound=bound)
    assert (hold.amount_nano_usd, hold.output_tokens, hold.output_fitted) == (HELD, 50, False)
    assert (await ledger.extend(hold, HELD + 5)).amount_nano_usd == HELD + 5
    assert (await ledger.extend(hold, 1)).amount_nano_usd == HELD + 5
    progressed = await ledger.progress(hold, {"output_tokens": 5})
    assert progressed.metered_nano_usd == 10_000
    settled = await ledger.settle(hold, {"input_tokens": 10, "output_tokens": 5})
    assert (settled.charged_nano_usd, settled.late) == (COST, False)
    with pytest.raises(AlreadyResolved):
        await ledger.release(hold)
    other = await ledger.reserve(key_id=user.key.id, provider=PROVIDER, model=MODEL, bound=bound)
    assert (await ledger.release(other)).amount_nano_usd == HELD
    with pytest.raises(NotFound):
        await ledger.release(new_id())


async def test_the_balance_adds_up(rig: Rig, user: Minted) -> None:
    """Balance is granted minus spent, available is balance minus held."""
    await rig.charge(user.secret)
    await rig.apply(rig.reserve(user.secret))
    balance = await rig.client(user.secret).ledger.balance()
    assert balance.granted_nano_usd == WALLET_NANO_USD
    assert balance.spent_nano_usd == COST
    assert balance.held_nano_usd == HELD
    assert balance.balance_nano_usd == WALLET_NANO_USD - COST
    assert balance.available_nano_usd == WALLET_NANO_USD - COST - HELD
    assert not balance.postpaid


async def test_a_postpaid_account_has_no_ceiling_but_its_keys_have(rig: Rig) -> None:
    """Without a balance it spends, takes no grant, and a key's cap still holds."""
    operator = rig.client(OPERATOR)
    made = await operator.accounts.create("later", postpaid=True)
    capped = await rig.client(made.master_secret).keys.mint("capped", cap_nano_usd=HELD - 1)
    await rig.charge(made.master_secret)
    (result,) = await rig.apply(rig.reserve(capped.secret))
    assert result.error.reason == error_pb2.ERROR_REASON_CAP_EXCEEDED
    balance = await rig.client(made.master_secret).ledger.balance()
    assert (balance.postpaid, balance.spent_nano_usd) == (True, COST)
    assert (balance.balance_nano_usd, balance.available_nano_usd, balance.granted_nano_usd) == (
        0,
        0,
        0,
    )
    with pytest.raises(Exception, match="postpaid") as caught:
        await operator.ledger.grant(made.account.id, "1")
    assert getattr(caught.value, "field", "") == "account_id"


async def test_the_journal_pages_without_a_gap(rig: Rig, user: Minted) -> None:
    """Pages of any size give each entry once, oldest first, and the last names no next."""
    for _ in range(5):
        await rig.charge(user.secret)
    for size in (1, 2, 3, 6, 7):
        found = [e async for e in rig.client().ledger.journal(page_size=size)]
        assert [entry.sequence for entry in found] == [1, 2, 3, 4, 5, 6]
    last = await rig.client().ledger.journal_page(page_size=6)
    assert last.next_after_sequence == 0
    assert [entry.charged_nano_usd for entry in last.entries] == [0, *[COST] * 5]
    assert last.entries[0].kind == ledger_pb2.JOURNAL_KIND_GRANT
    assert last.entries[0].granted_nano_usd == WALLET_NANO_USD


async def test_open_holds_are_listed_oldest_first(
    rig: Rig, user: Minted, clock: TurnedClock
) -> None:
    """A hold is listed with what it holds, has metered and when it ends, until it is resolved."""
    first = rig.reserve(user.secret)
    (held,) = await rig.apply(first)
    clock.advance(10)
    second = rig.reserve(user.secret, ttl_ms=5_000)
    await rig.apply(second)
    listed = await rig.client().ledger.holds()
    assert [h.hold_id for h in listed] == [first.reserve.hold_id, second.reserve.hold_id]
    assert (listed[1].amount_nano_usd, listed[1].key_id) == (HELD, user.key.id)
    assert listed[1].expires_at_ms == clock.now_ms + 5_000
    assert [h.hold_id for h in await rig.client().ledger.holds(page_size=1)] == [
        first.reserve.hold_id
    ]
    await rig.apply(rig.settle(first, held))
    assert len(await rig.client().ledger.holds()) == 1


async def test_the_operator_lists_the_holds_of_every_account(rig: Rig, user: Minted) -> None:
    """With `every_account` holds of all accounts come with account and request; oldest first."""
    other = await rig.second_account()
    theirs = await other.keys.mint("theirs")
    await rig.apply(rig.reserve(user.secret, request_id="req_1"))
    await rig.apply(rig.reserve(theirs.secret, request_id="req_2"))
    operator = rig.client(OPERATOR)

    held = await operator.ledger.holds(every_account=True)
    assert [(hold.account_id, hold.request_id) for hold in held] == [
        (user.key.account_id, "req_1"),
        (theirs.key.account_id, "req_2"),
    ]
    assert len(await operator.ledger.holds(every_account=True, page_size=1)) == 1
    assert [hold.request_id for hold in await other.ledger.holds()] == ["req_2"]


async def test_nobody_else_lists_the_holds_of_every_account(rig: Rig, user: Minted) -> None:
    """A master key is refused, and an account beside all of them makes no sense."""
    with pytest.raises(PermissionDenied):
        await rig.client().ledger.holds(every_account=True)
    with pytest.raises(InvalidArgument) as refused:
        await rig.client(OPERATOR).ledger.holds(every_account=True, account_id=user.key.account_id)
    assert refused.value.field == "every_account"
