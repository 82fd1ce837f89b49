"""Remembered refusals: a leaked key cannot busy the store, and nothing else notices."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mintgate import Minted, RateLimits
from mintgate.v1 import error_pb2, ledger_pb2
from mintgate_core.ledger.errors import Denied, LedgerError
from mintgate_core.ledger.operations import (
    Answer,
    Expire,
    Grant,
    Price,
    Progress,
    Release,
    Reserve,
)
from mintgate_core.ledger.types import Key, KeyStatus, UnboundedOutput
from mintgate_core.service.refusals import Refusals
from mintgate_core.stores.conformance.builders import (
    START_MS,
    SettableClock,
    Tenant,
    measured,
    new_id,
    settling,
)
from mintgate_core.stores.memory import MemoryStore

from tests.core.service.harness import OPERATOR, Result, Rig, TurnedClock

CAP_EXCEEDED = error_pb2.ERROR_REASON_CAP_EXCEEDED
HELD = 200_000
"""What the harness's reserve holds, nano-USD."""
FIVE_HUNDRED = 500


class Spy:
    """Counts what reaches the store."""

    def __init__(self, rig: Rig, patch: pytest.MonkeyPatch) -> None:
        self.calls: dict[str, int] = {}
        for name in ("apply", "key_by_secret"):
            patch.setattr(rig.core.store, name, self._counted(name, rig.core.store))

    def _counted(self, name: str, store: Any) -> Any:
        method = getattr(store, name)

        async def call(*arguments: Any) -> Any:
            self.calls[name] = self.calls.get(name, 0) + 1
            return await method(*arguments)

        return call


@pytest.fixture
def spy(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> Spy:
    return Spy(rig, monkeypatch)


@pytest.fixture
async def spent(rig: Rig, clock: TurnedClock) -> tuple[Minted, ledger_pb2.Operation, Result]:
    """A key whose cap is held by one open request."""
    minted = await rig.client().keys.mint("spent", cap_nano_usd=HELD)
    hold = rig.reserve(minted.secret)
    (held,) = await rig.apply(hold)
    # A key that was changed just now is not remembered; see QUIET_MS.
    clock.advance(1_000)
    return minted, hold, held


async def reason(rig: Rig, secret: str, **changes: Any) -> int:
    """Why a reserve is refused; 0 when it is not."""
    # Identifiers are told apart by the millisecond, so the next one must come later.
    await asyncio.to_thread(_next_millisecond)
    (result,) = await rig.apply(rig.reserve(secret, **changes))
    return result.error.reason


def _next_millisecond() -> None:
    first = ledger_now()
    while ledger_now() == first:
        pass


def ledger_now() -> bytes:
    """The time inside a new identifier."""
    return bytes(Rig.reserve("").reserve.hold_id[:6])


async def test_ten_thousand_reserves_of_an_exhausted_key(
    rig: Rig, spent: tuple[Minted, Any, Any], spy: Spy
) -> None:
    """They make a handful of transactions, all are told 402 with numbers; nothing is written."""
    minted, _, _ = spent
    account = await rig.core.store.key(minted.key.id)
    assert account is not None
    before = await rig.core.store.journal(account.wallet_id, 0, 100)
    spy.calls.clear()
    async with rig.link() as link:
        for _ in range(10_000 // FIVE_HUNDRED):
            results = await link.send(*(rig.reserve(minted.secret) for _ in range(FIVE_HUNDRED)))
            for result in results:
                assert result.error.reason == CAP_EXCEEDED
                assert result.error.required_nano_usd == HELD
                assert result.error.remaining_nano_usd == 0
    assert spy.calls["apply"] <= 5
    assert await rig.core.store.journal(account.wallet_id, 0, 100) == before
    assert len(await rig.core.store.holds(None, 100)) == 1


async def test_it_is_asked_again_in_time(
    rig: Rig, spent: tuple[Minted, Any, Any], spy: Spy, clock: TurnedClock
) -> None:
    """A refusal is remembered for a quarter of a second, not longer."""
    secret = spent[0].secret
    assert await reason(rig, secret) == CAP_EXCEEDED
    spy.calls.clear()
    clock.advance(249)
    assert await reason(rig, secret) == CAP_EXCEEDED
    assert spy.calls == {}
    clock.advance(1)
    assert await reason(rig, secret) == CAP_EXCEEDED
    assert spy.calls == {"apply": 1}


@pytest.mark.parametrize("how", ["settle", "release", "expire", "cap"])
async def test_room_that_this_core_makes_is_seen_at_once(
    rig: Rig, spent: tuple[Minted, ledger_pb2.Operation, Result], clock: TurnedClock, how: str
) -> None:
    """A settle, release or expiry of the key, or a raised cap, ends the memory of its refusal."""
    minted, hold, held = spent
    small = {"bound": ledger_pb2.Bound(input_tokens=10, output_tokens=5)}
    assert await reason(rig, minted.secret, **small) == CAP_EXCEEDED
    match how:
        case "settle":
            await rig.apply(rig.settle(hold, held))
        case "release":
            release = ledger_pb2.Release(hold_id=hold.reserve.hold_id)
            await rig.apply(ledger_pb2.Operation(release=release))
        case "expire":
            clock.advance(120_000)
            assert await reason(rig, minted.secret, **small) == CAP_EXCEEDED
            assert await rig.sweep() == 1
        case _:
            await rig.client().keys.update(minted.key.id, cap_usd="1")
    assert await reason(rig, minted.secret, **small) == 0


async def test_a_top_up_is_seen_at_once(rig: Rig, clock: TurnedClock) -> None:
    """A grant ends the memory of an empty wallet."""
    made = await rig.client(OPERATOR).accounts.create("poor")
    clock.advance(1_000)
    empty = error_pb2.ERROR_REASON_WALLET_EMPTY
    assert await reason(rig, made.master_secret) == empty
    assert await reason(rig, made.master_secret) == empty
    await rig.client(OPERATOR).ledger.grant(made.account.id, "1")
    assert await reason(rig, made.master_secret) == 0


async def test_what_needs_less_is_asked(rig: Rig, clock: TurnedClock) -> None:
    """A request of exactly what was left is granted, whatever was refused before."""
    minted = await rig.client().keys.mint("small", cap_nano_usd=198_000)
    clock.advance(1_000)
    assert await reason(rig, minted.secret) == CAP_EXCEEDED
    smaller = ledger_pb2.Bound(input_tokens=100, output_tokens=49)
    assert await reason(rig, minted.secret, bound=smaller) == 0


async def test_a_repeat_of_a_granted_hold_is_not_refused(
    rig: Rig, spent: tuple[Minted, ledger_pb2.Operation, Result]
) -> None:
    """A facade that asks again for a hold that it has gets it, though the cap is used up."""
    minted, hold, held = spent
    assert await reason(rig, minted.secret) == CAP_EXCEEDED
    (again,) = await rig.apply(hold)
    assert again.reserved.amount_nano_usd == held.reserved.amount_nano_usd


async def test_what_may_be_a_repeat_is_asked(
    rig: Rig, spent: tuple[Minted, ledger_pb2.Operation, Result], spy: Spy
) -> None:
    """A reserve that is not said to be new reaches the books, however new it looks."""
    minted, _, _ = spent
    assert await reason(rig, minted.secret) == CAP_EXCEEDED
    before = spy.calls["apply"]
    assert await reason(rig, minted.secret) == CAP_EXCEEDED
    assert spy.calls["apply"] == before
    assert await reason(rig, minted.secret, first_attempt=False) == CAP_EXCEEDED
    assert spy.calls["apply"] == before + 1


async def test_an_unknown_secret_is_looked_up_once_a_second(
    rig: Rig, spy: Spy, clock: TurnedClock
) -> None:
    """Guesses that repeat themselves cost one read a second."""
    unknown = error_pb2.ERROR_REASON_UNAUTHENTICATED
    for _ in range(5):
        assert await reason(rig, "qlk_live_" + "0" * 64) == unknown
    assert spy.calls == {"key_by_secret": 1}
    clock.advance(1_000)
    assert await reason(rig, "qlk_live_" + "0" * 64) == unknown
    assert spy.calls == {"key_by_secret": 2}


async def test_a_paused_key_works_as_soon_as_it_is_resumed(
    rig: Rig, user: Minted, spy: Spy, clock: TurnedClock
) -> None:
    """A paused key is refused from memory, and not any more once it is active again."""
    keys = rig.client().keys
    assert await reason(rig, user.secret) == 0
    await keys.update(user.key.id, status="paused")
    clock.advance(1_000)
    assert await reason(rig, user.secret) == error_pb2.ERROR_REASON_KEY_PAUSED
    spy.calls.clear()
    assert await reason(rig, user.secret) == error_pb2.ERROR_REASON_KEY_PAUSED
    assert spy.calls == {}
    await keys.update(user.key.id, status="active")
    assert await reason(rig, user.secret) == 0


async def test_a_revoked_key_stays_out_of_the_store(
    rig: Rig, user: Minted, spy: Spy, clock: TurnedClock
) -> None:
    """A revoked key is refused on its next request, and then from memory for a minute."""
    assert await reason(rig, user.secret) == 0
    await rig.client().keys.revoke(user.key.id)
    assert await reason(rig, user.secret) == error_pb2.ERROR_REASON_KEY_REVOKED
    clock.advance(1_000)
    assert await reason(rig, user.secret) == error_pb2.ERROR_REASON_KEY_REVOKED
    spy.calls.clear()
    clock.advance(59_000)
    for _ in range(5):
        assert await reason(rig, user.secret) == error_pb2.ERROR_REASON_KEY_REVOKED
    assert spy.calls == {}


async def test_a_refusal_by_money_comes_before_one_by_rate(rig: Rig, clock: TurnedClock) -> None:
    """An exhausted key with limits is told 402 for as long as it hammers, never 429."""
    minted = await rig.client().keys.mint(
        "both", cap_nano_usd=0, rate_limits=RateLimits(requests_per_minute=1)
    )
    clock.advance(1_000)
    for _ in range(5):
        assert await reason(rig, minted.secret) == CAP_EXCEEDED


PRICES = st.builds(
    Price,
    fixed_pico_usd=st.integers(0, 40_000),
    unit_pico_usd=st.sampled_from([0, 700, 2_000]),
    output_tokens=st.integers(1, 60),
    stated=st.booleans(),
    output_tokens_min=st.sampled_from([1, 4]),
)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("reserve"), st.integers(0, 2), PRICES),
        st.tuples(st.sampled_from(["settle", "release", "repeat"]), st.integers(0, 9), st.none()),
        st.tuples(st.sampled_from(["expire", "progress"]), st.integers(0, 9), st.none()),
        st.tuples(
            st.sampled_from(["grant", "cap", "pause", "wait"]), st.integers(0, 90), st.none()
        ),
    ),
    max_size=40,
)


@given(steps=STEPS)
@settings(max_examples=150, deadline=None)
def test_memory_never_refuses_what_the_store_would_grant(
    steps: list[tuple[str, int, Any]],
) -> None:
    """With one core, whatever is refused from memory the store would refuse too."""
    asyncio.run(_World().play(steps))


class _World:
    """A store and the memory of its refusals, side by side."""

    def __init__(self) -> None:
        self.clock = SettableClock()
        self.store = MemoryStore(self.clock)
        self.refusals = Refusals(self.clock)
        self.keys: list[Key] = []
        self.made: list[tuple[Reserve, Answer]] = []
        self.tenant: Tenant

    async def play(self, steps: list[tuple[str, int, Any]]) -> None:
        self.tenant = await Tenant.open(self.store, balance=90)
        self.keys = [
            await self.tenant.mint(cap_nano_usd=40),
            await self.tenant.mint(cap_nano_usd=60, unbounded_output=UnboundedOutput.REJECT),
            await self.tenant.mint(),
        ]
        for number, (kind, which, price) in enumerate(steps):
            self.clock.advance(1)
            await self._step(kind, which, price, number)

    async def _step(self, kind: str, which: int, price: Any, number: int) -> None:
        match kind:
            case "reserve":
                key = self.keys[which]
                hold_id = _id_made(new_id(), START_MS + 10_000 + number)
                op = self.tenant.reserving(key, price, hold_id=hold_id)
                await self._reserve(replace(op, secret_sha256=key.secret_sha256))
            case "repeat" if self.made:
                await self._reserve(self.made[which % len(self.made)][0])
            case "settle" | "release" | "expire" | "progress" if self.made:
                await self._end(kind, *self.made[which % len(self.made)])
            case "grant":
                wallet_id = self.tenant.account.wallet_id
                await self._apply(Grant(new_id(), wallet_id, which + 1))
            case "cap" | "pause":
                await self._change(kind, which)
            case "wait":
                self.clock.advance(which * 20)

    async def _reserve(self, op: Reserve) -> None:
        remembered = self.refusals.of(op)
        answer = await self._apply(op)
        if remembered is not None:
            if isinstance(remembered, Denied):
                # Which line is the tightest, and its room, may have changed since; the room
                # only shrank, or this would have been forgotten.
                assert isinstance(answer, Denied)
                assert answer.required_nano_usd == remembered.required_nano_usd
                assert answer.remaining_nano_usd <= remembered.remaining_nano_usd
            else:
                assert type(answer) is type(remembered)
        self.made.append((op, answer))

    async def _end(self, kind: str, op: Reserve, answer: Answer) -> None:
        if isinstance(answer, LedgerError):
            return
        wallet_id = op.wallet_id
        match kind:
            case "settle":
                await self._apply(settling(answer.token, 3))  # type: ignore[union-attr]
            case "release":
                await self._apply(Release(op.hold_id, wallet_id))
            case "progress":
                await self._apply(Progress(op.hold_id, wallet_id, measured(2)))
            case _:
                self.clock.advance(60_000)
                await self._apply(Expire(op.hold_id, wallet_id))

    async def _change(self, kind: str, which: int) -> None:
        key = self.keys[which % 2]

        def change(old: Key) -> Key:
            if kind == "cap":
                return replace(old, cap_nano_usd=which)
            paused = old.status is KeyStatus.PAUSED
            return replace(old, status=KeyStatus.ACTIVE if paused else KeyStatus.PAUSED)

        self.refusals.changed(await self.store.change_key(key.key_id, change))

    async def _apply(self, op: Any) -> Answer:
        answers = await self.store.apply([op])
        self.refusals.committed([op], answers)
        return answers[0]


def _id_made(hold_id: bytes, at_ms: int) -> bytes:
    """The same identifier, made at another time."""
    return at_ms.to_bytes(6, "big") + hold_id[6:]
