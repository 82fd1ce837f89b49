"""Both clients against a scripted core over a real connection, by the same table."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import grpc
import pytest
from mintgate import (
    AsyncClient,
    CapExceeded,
    Client,
    IdReused,
    KeyRevoked,
    OutcomeUnknown,
    Overloaded,
    RetryPolicy,
    Unavailable,
)
from mintgate.v1 import keys_pb2, ledger_pb2, meter_pb2

from .conftest import MASTER, FakeCore

BOUND = ledger_pb2.Bound(input_tokens=1)
Run = Callable[..., Awaitable[Any]]


async def collected(result: Any) -> Any:
    """Bring a result of either client into one form: awaited, and listings as lists."""
    if isinstance(result, AsyncIterator):
        return [item async for item in result]
    if isinstance(result, Iterator):
        return await asyncio.to_thread(list, result)
    return await result if inspect.isawaitable(result) else result


@pytest.fixture(params=["sync", "async"])
async def run(request: pytest.FixtureRequest, core: FakeCore) -> AsyncIterator[Run]:
    """Call a method, by "group.method", of one client and then of the other."""
    retry = RetryPolicy(random=lambda: 0.0)
    arguments: dict[str, Any] = {"retry": retry, "timeout_s": 5.0}
    if request.param == "sync":
        with Client(core.target, MASTER, **arguments) as client:

            async def call(path: str, *args: Any, **kwargs: Any) -> Any:
                group, name = path.split(".")
                method = getattr(getattr(client, group), name)
                return await collected(await asyncio.to_thread(method, *args, **kwargs))

            yield call
        return
    async with AsyncClient(core.target, MASTER, **arguments) as async_client:

        async def call_async(path: str, *args: Any, **kwargs: Any) -> Any:
            group, name = path.split(".")
            return await collected(getattr(getattr(async_client, group), name)(*args, **kwargs))

        yield call_async


async def test_mint_answers_key_and_secret(run: Run, core: FakeCore) -> None:
    """The answer of a mint is readable, and its repr does not tell the secret."""
    key = keys_pb2.Key(id="key_1", name="ada")
    core.will("Mint", keys_pb2.MintResponse(key=key, secret="qlk_live_s", replayed=True))

    minted = await run("keys.mint", "ada", cap_usd="5", idempotency_key="evt_1")

    assert (key, "qlk_live_s", True) == (minted.key, minted.secret, minted.replayed)
    assert "qlk_live_s" not in repr(minted)
    (sent,) = core.requests("Mint")
    assert (sent.name, sent.cap_nano_usd, sent.idempotency_key) == ("ada", 5_000_000_000, "evt_1")


async def test_each_call_may_bring_its_own_credential(run: Run, core: FakeCore) -> None:
    """A call's own credential replaces the client's, for that call only."""
    core.will("GetBalance", ledger_pb2.GetBalanceResponse(account_id="acc_1"))

    await run("ledger.balance", credential="qlk_live_other")
    await run("ledger.balance")

    assert ["Bearer qlk_live_other", f"Bearer {MASTER}"] == core.credentials()


@pytest.mark.parametrize("status", [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.ABORTED])
async def test_retries_keep_the_operation(
    run: Run, core: FakeCore, status: grpc.StatusCode
) -> None:
    """Every attempt of an operation carries the same id."""
    core.will("Grant", status, OutcomeUnknown("lost"), ledger_pb2.GrantResponse())

    await run("ledger.grant", "acc_1", "1.00")

    first, second, third = core.requests("Grant")
    assert first == second == third
    assert len(first.grant.grant_id) == 16


async def test_retries_are_bounded(run: Run, core: FakeCore) -> None:
    """A core that stays away is asked a bounded number of times."""
    core.will("Settle", Unavailable("The store is away."))

    with pytest.raises(Unavailable, match="store is away") as raised:
        await run("ledger.settle", b"h" * 16, {"output_tokens": 1})

    assert Unavailable is type(raised.value)
    assert len(core.requests("Settle")) == 6


@pytest.mark.parametrize(
    "refusal",
    [KeyRevoked("gone"), IdReused("again", field="amount"), Overloaded("full")],
)
async def test_refusals_are_not_retried(run: Run, core: FakeCore, refusal: Exception) -> None:
    """What the core refused is raised as it is, after one attempt."""
    core.will("Release", refusal)

    with pytest.raises(type(refusal), match=str(refusal)):
        await run("ledger.release", b"h" * 16)

    assert len(core.requests("Release")) == 1


async def test_a_retried_account_keeps_its_idempotency_key(run: Run, core: FakeCore) -> None:
    """A lost answer is asked for again under the same key, so that there is one account."""
    core.will("CreateAccount", grpc.StatusCode.UNAVAILABLE)

    with pytest.raises(Unavailable):
        await run("accounts.create", "acme")

    keys = [request.idempotency_key for request in core.requests("CreateAccount")]
    assert len(keys) > 1
    assert len(set(keys)) == 1


async def test_a_rotation_with_grace_is_asked_for_once(run: Run, core: FakeCore) -> None:
    """What must not be repeated is not, and says that nobody knows."""
    core.will("Rotate", grpc.StatusCode.UNAVAILABLE)

    with pytest.raises(OutcomeUnknown):
        await run("keys.rotate", "key_1", grace_ms=1)

    assert len(core.requests("Rotate")) == 1


async def test_cap_exceeded_brings_its_amounts(run: Run, core: FakeCore) -> None:
    """The amounts of a 402 arrive, so that an app can say what would fit."""
    core.will(
        "Reserve",
        CapExceeded(
            "Too much.", required_nano_usd=9, remaining_nano_usd=4, affordable_output_tokens=3
        ),
    )

    with pytest.raises(CapExceeded) as raised:
        await run("ledger.reserve", provider="openai", model="m", bound=BOUND, key_id="key_1")

    error = raised.value
    assert (
        error.required_nano_usd,
        error.remaining_nano_usd,
        error.affordable_output_tokens,
    ) == (9, 4, 3)


async def test_an_attempt_does_not_use_up_the_deadline(run: Run, core: FakeCore) -> None:
    """The caller's deadline reaches the core as the attempt's, which is shorter."""
    core.will("GetUsage", meter_pb2.GetUsageResponse())

    await run("meter.usage", timeout_s=60.0)
    await run("meter.usage", timeout_s=1.0)

    first, second = (seen.time_remaining_s for seen in core.seen)
    assert 3.0 < first < 4.5
    assert 0.0 < second < 1.5


async def test_listings_turn_their_pages(run: Run, core: FakeCore) -> None:
    """A listing yields the items of all its pages, in order, and asks for each page once."""
    core.will(
        "List",
        keys_pb2.ListResponse(
            keys=[keys_pb2.Key(id="3"), keys_pb2.Key(id="2")], next_page_token="t"
        ),
        keys_pb2.ListResponse(keys=[keys_pb2.Key(id="1")]),
    )
    core.will(
        "ListEvents",
        meter_pb2.ListEventsResponse(events=[meter_pb2.Event(sequence=9)], next_before_sequence=9),
        meter_pb2.ListEventsResponse(),
    )

    assert [key.id for key in await run("keys.list", page_size=2)] == ["3", "2", "1"]
    assert [event.sequence for event in await run("meter.events", key_id="key_1")] == [9]
    assert [sent.page_token for sent in core.requests("List")] == ["", "t"]
    assert [sent.before_sequence for sent in core.requests("ListEvents")] == [0, 9]


async def test_tail_goes_on_where_it_broke(run: Run, core: FakeCore) -> None:
    """A tail whose connection breaks continues after its last event, and ends with the core."""
    event = meter_pb2.TailEventsResponse(event=meter_pb2.Event(sequence=7))
    later = meter_pb2.TailEventsResponse(event=meter_pb2.Event(sequence=8))
    core.will("TailEvents", [event, grpc.StatusCode.UNAVAILABLE], [later])

    events = await run("meter.tail", account_id="acc_1")

    assert [each.sequence for each in events] == [7, 8]
    assert [sent.after_sequence for sent in core.requests("TailEvents")] == [0, 7]
    assert {"acc_1"} == {sent.account_id for sent in core.requests("TailEvents")}


async def test_tail_with_a_time_limit_ends_with_it(run: Run, core: FakeCore) -> None:
    """A tail that is given a time limit is not taken up again after it."""
    core.will("TailEvents", [grpc.StatusCode.DEADLINE_EXCEEDED])

    with pytest.raises(OutcomeUnknown):
        await run("meter.tail", timeout_s=5.0)

    assert len(core.requests("TailEvents")) == 1


async def test_answers_are_unwrapped(run: Run, core: FakeCore) -> None:
    """Methods answer the thing itself, not the envelope of its response."""
    key = keys_pb2.Key(id="key_1")
    price = meter_pb2.ModelPrice(model="m")
    core.will("Update", keys_pb2.UpdateResponse(key=key))
    core.will("Rotate", keys_pb2.RotateResponse(key=key, secret="new"))
    core.will("Revoke", keys_pb2.RevokeResponse(key=key))
    core.will("Authenticate", keys_pb2.AuthenticateResponse(key=key))
    core.will(
        "Progress",
        ledger_pb2.ProgressResponse(progressed=ledger_pb2.Progressed(metered_nano_usd=3)),
    )
    core.will(
        "ListHolds", ledger_pb2.ListHoldsResponse(holds=[ledger_pb2.OpenHold(key_id="key_1")])
    )
    core.will("Quote", meter_pb2.QuoteResponse(amount_nano_usd=5))
    core.will("ListPrices", meter_pb2.ListPricesResponse(prices=[price]))
    core.will("PutPrice", meter_pb2.PutPriceResponse(price=price))
    core.will("ListPriceHistory", meter_pb2.ListPriceHistoryResponse(prices=[price]))

    assert key == await run("keys.update", "key_1", name="x")
    assert (await run("keys.rotate", "key_1")).secret == "new"
    assert key == await run("keys.revoke", "key_1")
    assert key == await run("keys.authenticate")
    assert (await run("ledger.progress", b"h" * 16)).metered_nano_usd == 3
    assert [hold.key_id for hold in await run("ledger.holds")] == ["key_1"]
    assert (await run("meter.quote", provider="p", model="m", bound=BOUND)).amount_nano_usd == 5
    assert [price] == await run("meter.prices")
    assert price == await run("meter.put_price", price)
    assert [price] == await run("meter.price_history", provider="p", model="m")


async def test_a_core_that_is_not_there_is_an_unknown_outcome(core: FakeCore) -> None:
    """Without an answer the client does not claim that nothing happened."""
    retry = RetryPolicy(attempts_max=1)
    with Client("127.0.0.1:1", MASTER, retry=retry) as client, pytest.raises(OutcomeUnknown):
        client.ledger.balance()


async def test_silence_costs_an_attempt_and_not_the_call(core: FakeCore) -> None:
    """An attempt that is not answered in its time is made again, with the same bytes."""
    answered = asyncio.Event()
    loop = asyncio.get_running_loop()

    def silent(_request: Any) -> Any:
        asyncio.run_coroutine_threadsafe(answered.wait(), loop).result()
        return ledger_pb2.SettleResponse()

    settled = ledger_pb2.SettleResponse(settled=ledger_pb2.Settled(charged_nano_usd=5))
    core.will("Settle", silent, settled)
    retry = RetryPolicy(attempt_timeout_s=0.2, random=lambda: 0.0)
    async with AsyncClient(core.target, MASTER, retry=retry) as client:
        answer = await client.ledger.settle(b"h" * 16, {"output_tokens": 1})
        answered.set()

    first, second = core.requests("Settle")
    assert answer.charged_nano_usd == 5
    assert first == second


def test_clients_mask_their_credential() -> None:
    """The repr of a client names its core and masks its credential."""
    with Client("core:1", MASTER) as client:
        assert repr(client) == "Client('core:1', credential='qlk_live_abab…abab', timeout_s=10.0)"
