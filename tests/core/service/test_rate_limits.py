"""Rate limits of keys over the wire: refused before any hold, changed at once, given back."""

from __future__ import annotations

from dataclasses import replace

import pytest
from mintgate import Minted, RateLimits
from mintgate.v1 import error_pb2, ledger_pb2, meter_pb2
from mintgate_core.ledger.types import Key
from mintgate_core.ledger.types import RateLimits as Limits

from tests.core.service.harness import Result, Rig, TurnedClock

RATE_LIMITED = error_pb2.ERROR_REASON_RATE_LIMITED
COST_TOKENS = 150
"""The worst case of the harness's reserve: 100 of input, 50 of output."""


async def mint(rig: Rig, cap_usd: str = "10", **limits: int) -> Minted:
    """A key with limits."""
    return await rig.client().keys.mint(
        "limited", cap_usd=cap_usd, rate_limits=RateLimits(**limits)
    )


def refused_by(result: Result) -> str:
    """The limit that refused, or nothing."""
    return result.error.field if result.error.reason == RATE_LIMITED else ""


async def holds(rig: Rig) -> int:
    """How many are open."""
    return len(await rig.core.store.holds(None, 1_000))


async def limit_elsewhere(rig: Rig, minted: Minted, **limits: int) -> None:
    """Change a key's limits as another core does: in the store alone."""

    def change(key: Key) -> Key:
        return replace(key, rate_limits=Limits(**limits))

    await rig.core.store.change_key(minted.key.id, change)


async def test_a_refusal_comes_before_any_hold(rig: Rig) -> None:
    """The third of two requests a minute is refused by name, with a time, and holds nothing."""
    minted = await mint(rig, requests_per_minute=2)
    results = await rig.apply(*(rig.reserve(minted.secret) for _ in range(3)))
    assert [refused_by(result) for result in results] == ["", "", "requests_per_minute"]
    assert 0 < results[2].error.retry_after_ms <= 30_000
    assert await holds(rig) == 2


async def test_time_makes_room(rig: Rig, clock: TurnedClock) -> None:
    """Half a minute later one of two requests a minute fits again."""
    minted = await mint(rig, requests_per_minute=2)
    await rig.apply(*(rig.reserve(minted.secret) for _ in range(2)))
    clock.advance(30_000)
    results = await rig.apply(*(rig.reserve(minted.secret) for _ in range(2)))
    assert [refused_by(result) for result in results] == ["", "requests_per_minute"]


async def test_tokens_are_put_right_by_the_settle(rig: Rig) -> None:
    """A request counts by its worst case until it is settled, then by what it used."""
    minted = await mint(rig, tokens_per_minute=COST_TOKENS + 15)
    first, second, third = (rig.reserve(minted.secret) for _ in range(3))
    held, refused = await rig.apply(first, second)
    assert refused_by(refused) == "tokens_per_minute"
    # 15 were used, which leaves exactly one more worst case.
    await rig.apply(rig.settle(first, held))
    again, too_much = await rig.apply(second, third)
    assert again.HasField("reserved")
    assert refused_by(too_much) == "tokens_per_minute"


async def test_a_charge_of_the_whole_hold_gives_no_tokens_back(rig: Rig) -> None:
    """What could not be read counts as if all of it had been used."""
    minted = await mint(rig, tokens_per_minute=COST_TOKENS)
    first = rig.reserve(minted.secret)
    (held,) = await rig.apply(first)
    await rig.apply(rig.settle(first, held, settled_by=ledger_pb2.SETTLED_BY_HOLD))
    (refused,) = await rig.apply(rig.reserve(minted.secret))
    assert refused_by(refused) == "tokens_per_minute"


@pytest.mark.parametrize("how", ["settle", "release", "release by id", "expire"])
async def test_every_end_frees_an_open_request(rig: Rig, clock: TurnedClock, how: str) -> None:
    """An open request is over when it is settled, released or has expired."""
    minted = await mint(rig, open_requests=1)
    first, second = rig.reserve(minted.secret), rig.reserve(minted.secret)
    held, refused = await rig.apply(first, second)
    assert refused_by(refused) == "open_requests"
    hold_id, token = first.reserve.hold_id, held.reserved.hold_token
    match how:
        case "settle":
            await rig.apply(rig.settle(first, held))
        case "release":
            release = ledger_pb2.Release(hold_id=hold_id, hold_token=token)
            await rig.apply(ledger_pb2.Operation(release=release))
        case "release by id":
            await rig.apply(ledger_pb2.Operation(release=ledger_pb2.Release(hold_id=hold_id)))
        case _:
            clock.advance(120_000)
            assert await rig.sweep() == 1
    (again,) = await rig.apply(second)
    assert again.HasField("reserved")


async def test_progress_keeps_a_request_open(rig: Rig, clock: TurnedClock) -> None:
    """A long request that reports counts as open for as long as it runs, and no longer."""
    minted = await mint(rig, open_requests=1)
    first = rig.reserve(minted.secret)
    (held,) = await rig.apply(first)
    progress = ledger_pb2.Progress(
        hold_id=first.reserve.hold_id, hold_token=held.reserved.hold_token
    )
    for _ in range(3):
        clock.advance(100_000)
        await rig.apply(ledger_pb2.Operation(progress=progress))
    (refused,) = await rig.apply(rig.reserve(minted.secret))
    assert refused_by(refused) == "open_requests"
    clock.advance(120_000)
    (again,) = await rig.apply(rig.reserve(minted.secret))
    assert again.HasField("reserved")


async def test_a_repeated_reserve_is_counted_once(rig: Rig) -> None:
    """A facade that asks again with the same id gets the same hold and uses nothing up."""
    minted = await mint(
        rig, requests_per_minute=2, tokens_per_minute=2 * COST_TOKENS, open_requests=2
    )
    first = rig.reserve(minted.secret)
    repeats = await rig.apply(first, first, first)
    assert all(result.HasField("reserved") for result in repeats)
    results = await rig.apply(*(rig.reserve(minted.secret) for _ in range(2)))
    assert [bool(refused_by(result)) for result in results] == [False, True]


async def test_what_the_ledger_refuses_gives_everything_back(rig: Rig, clock: TurnedClock) -> None:
    """A 402 uses up no request, token or lease, so that a retry is told 402 and not 429."""
    minted = await mint(
        rig,
        cap_usd="0.0000001",
        requests_per_minute=1,
        tokens_per_minute=COST_TOKENS,
        open_requests=1,
    )
    for _ in range(3):
        (denied,) = await rig.apply(rig.reserve(minted.secret))
        assert denied.error.reason == error_pb2.ERROR_REASON_CAP_EXCEEDED
        # Beyond the time that the refusal is remembered.
        clock.advance(300)
    await rig.client().keys.update(minted.key.id, cap_usd="1")
    (held,) = await rig.apply(rig.reserve(minted.secret))
    assert held.HasField("reserved")


async def test_a_changed_id_does_not_free_the_hold_that_it_names(rig: Rig) -> None:
    """A reserve refused because its id is taken leaves that hold's lease where it is."""
    minted = await mint(rig, open_requests=1)
    first = rig.reserve(minted.secret)
    other = rig.reserve(
        minted.secret,
        hold_id=first.reserve.hold_id,
        bound=ledger_pb2.Bound(input_tokens=1, output_tokens=1),
    )
    _, reused, refused = await rig.apply(first, other, rig.reserve(minted.secret))
    assert reused.error.reason == error_pb2.ERROR_REASON_ID_REUSED
    assert refused_by(refused) == "open_requests"


async def test_limits_that_this_core_changes_count_at_once(rig: Rig) -> None:
    """Set, lowered, raised and taken away, a limit counts from the next request."""
    minted = await mint(rig)
    keys = rig.client().keys
    await rig.apply(*(rig.reserve(minted.secret) for _ in range(5)))
    await keys.update(minted.key.id, rate_limits=RateLimits(open_requests=1))
    results = await rig.apply(*(rig.reserve(minted.secret) for _ in range(2)))
    assert [refused_by(result) for result in results] == ["", "open_requests"]
    await keys.update(minted.key.id, rate_limits=RateLimits(open_requests=2))
    results = await rig.apply(*(rig.reserve(minted.secret) for _ in range(2)))
    assert [refused_by(result) for result in results] == ["", "open_requests"]
    await keys.update(minted.key.id, rate_limits=None)
    results = await rig.apply(*(rig.reserve(minted.secret) for _ in range(5)))
    assert [refused_by(result) for result in results] == [""] * 5


async def test_limits_that_another_core_sets_count_from_the_next_request(rig: Rig) -> None:
    """A limit that only the store knows is found in the transaction, and nothing is held."""
    minted = await mint(rig)
    await rig.apply(rig.reserve(minted.secret))
    await limit_elsewhere(rig, minted, requests_per_minute=1)
    results = await rig.apply(*(rig.reserve(minted.secret) for _ in range(3)))
    limit = "requests_per_minute"
    assert [refused_by(result) for result in results] == ["", limit, limit]
    assert await holds(rig) == 2


async def test_limits_that_another_core_raises_count_within_a_second(
    rig: Rig, clock: TurnedClock
) -> None:
    """A key that is being refused is looked up again once a second."""
    minted = await mint(rig, open_requests=1)
    await rig.apply(rig.reserve(minted.secret))
    await limit_elsewhere(rig, minted, open_requests=2)
    (refused,) = await rig.apply(rig.reserve(minted.secret))
    assert refused_by(refused) == "open_requests"
    clock.advance(1_000)
    results = await rig.apply(*(rig.reserve(minted.secret) for _ in range(2)))
    assert [refused_by(result) for result in results] == ["", "open_requests"]


async def test_a_key_that_is_being_refused_reads_little(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Refusals by rate make no transaction, and one lookup a second at most."""
    minted = await mint(rig, requests_per_minute=1)
    await rig.apply(rig.reserve(minted.secret))
    calls: list[str] = []
    store = rig.core.store
    for name in ("apply", "keys_by_id", "key", "key_by_secret"):
        monkeypatch.setattr(store, name, _counted(calls, name, getattr(store, name)))
    async with rig.link() as link:
        for _ in range(10):
            results = await link.send(*(rig.reserve(minted.secret) for _ in range(100)))
            assert {refused_by(result) for result in results} == {"requests_per_minute"}
    assert calls.count("apply") == 0
    assert len(calls) <= 1


def _counted(calls: list[str], name: str, method: object) -> object:
    """The same method, and a line for each call."""

    async def call(*arguments: object, **options: object) -> object:
        calls.append(name)
        return await method(*arguments, **options)  # type: ignore[operator]

    return call


async def test_the_quote_is_not_limited(rig: Rig) -> None:
    """Asking what a request would cost is no request."""
    minted = await mint(rig, requests_per_minute=1)
    await rig.apply(rig.reserve(minted.secret))
    quoted = await rig.meter.Quote(
        meter_pb2.QuoteRequest(
            provider="acme", model="small", bound=ledger_pb2.Bound(input_tokens=1)
        ),
        metadata=rig.auth(),
    )
    assert quoted.ByteSize() > 0
