"""A Hypothesis state machine that drives stores beside the model. Needs Hypothesis.

Subclass it, say which stores to drive, and run it:

    class MyMachine(LedgerMachine):
        def open_stores(self):
            return [Driven(MyStore(self.clock))]

    run_state_machine_as_test(MyMachine)

Every operation goes to the model and to each store. A store that is driven one by
one is checked against the model after every step; one that gathers gets the same
operations in larger batches, and is checked whenever its batch is applied.
"""
# ruff: noqa: S101 - rules are named by what they do, and a suite asserts.

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from mintgate_core.ledger.operations import (
    Answer,
    Expire,
    Extend,
    Grant,
    HoldToken,
    Operation,
    Price,
    Progress,
    Release,
    RenewJob,
    Reserve,
    Settle,
    Settled,
    StartJob,
)
from mintgate_core.ledger.types import (
    Account,
    Key,
    KeyScope,
    KeyStatus,
    SettledBy,
    Subject,
    UnboundedOutput,
    WindowCap,
    WindowPeriod,
)
from mintgate_core.stores.base import Store
from mintgate_core.stores.conformance.builders import (
    SettableClock,
    build_key,
    measured,
    new_id,
    settling,
    stated,
)
from mintgate_core.stores.conformance.checks import check
from mintgate_core.stores.conformance.model import Model, portrait

BATCH_MAX = 12
"""Operations that a gathering store gets at once, at most."""

CLAIMED_MAX = 1_000
"""More than there are, so that it does not matter which of several are due first."""

DAY_MS = 86_400_000

T = TypeVar("T")

picks = st.integers(0, 2**16)
amounts = st.integers(0, 120)
caps = st.none() | st.integers(0, 400)
ttls = st.sampled_from([1_000, 5_000, 60_000])
job_ttls = st.sampled_from([1_000, 60_000, DAY_MS, 2 * DAY_MS])
polls = st.sampled_from([0, 5_000, 3_600_000])


@dataclass(slots=True)
class Driven:
    """A store under test and what it has not been given yet."""

    store: Store
    gather: int = 1
    """Operations to a batch, at most; a change of anything else comes after them."""
    waiting: list[tuple[Operation, Answer]] = field(default_factory=list)


class LedgerMachine(RuleBasedStateMachine):
    """See the module. Rules pick among what happened before by number."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.clock = SettableClock()
        self.model = Model(self.clock())
        self.driven = self.open_stores()
        self.tokens: list[HoldToken] = []
        self.sent: list[Operation] = []
        self.acknowledged: dict[bytes, Settled] = {}

    def open_stores(self) -> list[Driven]:
        """Open the stores to drive, empty, on `self.clock`."""
        raise NotImplementedError

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    def teardown(self) -> None:
        try:
            self.apply_waiting()
        finally:
            for driven in self.driven:
                self.run(driven.store.close())
            self.runner.close()

    # What the rules below are made of.

    def send(self, operation: Operation) -> Answer:
        """Give an operation to the model and to every store."""
        expected = self.model.answer(operation)
        self.sent.append(operation)
        if isinstance(expected, Settled) and isinstance(operation, Settle):
            self.acknowledged[operation.hold_id] = expected
        for driven in self.driven:
            driven.waiting.append((operation, expected))
            if len(driven.waiting) >= driven.gather:
                self.apply(driven)
        return expected

    def apply(self, driven: Driven) -> None:
        """Apply what waits as one batch, compare every answer, and check the books."""
        operations = [operation for operation, _ in driven.waiting]
        expected = [portrait(answer) for _, answer in driven.waiting]
        driven.waiting.clear()
        answers = self.run(driven.store.apply(operations))
        assert [portrait(answer) for answer in answers] == expected
        if operations:
            self.run(check(driven.store, self.model, self.acknowledged))

    def apply_waiting(self) -> None:
        for driven in self.driven:
            if driven.waiting:
                self.apply(driven)

    def change_key(self, pick: int, change: Callable[[Key], Key]) -> None:
        """Change a key everywhere, between batches."""
        self.apply_waiting()
        key_id = self.key(pick).key_id
        self.model.change_key(change(self.model.keys[key_id]))
        for driven in self.driven:
            self.run(driven.store.change_key(key_id, change))
            self.run(check(driven.store, self.model, self.acknowledged))

    def key(self, pick: int) -> Key:
        keys = list(self.model.keys.values())
        return keys[pick % len(keys)]

    def token(self, pick: int) -> HoldToken:
        """Mostly of an open hold; else of any that was ever asked for."""
        holds = list(self.model.holds.values())
        if holds and pick % 4:
            return holds[pick % len(holds)].token
        return self.tokens[pick % len(self.tokens)]

    def reserving(self, key: Key, price: Price, ttl_ms: int) -> Reserve:
        subject = Subject(key.key_id, key.account_id, "provider", "model", "route", "", "card")
        return Reserve(new_id(), key.wallet_id, subject, price, ttl_ms)

    def reserve_now(self, reserve: Reserve) -> None:
        """Send a reserve and keep the token that it gives, or would have given."""
        self.send(reserve)
        key = self.model.keys[reserve.subject.key_id]
        hold = self.model.holds.get(reserve.hold_id)
        lost = HoldToken(reserve.hold_id, key.wallet_id, key.line_ids, 50, reserve.subject)
        self.tokens.append(hold.token if hold else lost)

    # Rules.

    @initialize(balance=st.integers(0, 1_000), caps=st.tuples(caps, caps, caps))
    def open_accounts(self, balance: int, caps: tuple[int | None, ...]) -> None:
        """A prepaid wallet with two capped keys, and a postpaid one with another."""
        prepaid = Account("acc_1", "prepaid", 1, postpaid=False, created_at_ms=self.clock())
        postpaid = Account("acc_2", "postpaid", 2, postpaid=True, created_at_ms=self.clock())
        for number, account in enumerate((prepaid, postpaid)):
            self.model.accounts[account.wallet_id] = account
            master = self.make_key(account, 10 + number, scope=KeyScope.MASTER)
            for driven in self.driven:
                self.run(driven.store.add_account(account, master))
        for number, (account, cap) in enumerate(
            zip((prepaid, prepaid, postpaid), caps, strict=True)
        ):
            policy = (UnboundedOutput.FIT, UnboundedOutput.REJECT)[number % 2]
            key = self.make_key(account, 20 + number, cap_nano_usd=cap, unbounded_output=policy)
            for driven in self.driven:
                self.run(driven.store.add_key(key))
        if balance:
            self.send(Grant(new_id(), prepaid.wallet_id, balance))

    def make_key(self, account: Account, line_id: int, **fields: Any) -> Key:
        key = build_key(account, key_id=f"key_{line_id}", line_ids=(line_id,), **fields)
        self.model.keys[key.key_id] = key
        return key

    @rule(pick=picks, amount=amounts, ttl_ms=ttls, count=st.integers(1, 4))
    def reserve(self, pick: int, amount: int, ttl_ms: int, count: int) -> None:
        for number in range(count):
            self.reserve_now(self.reserving(self.key(pick + number), stated(amount), ttl_ms))

    @rule(
        pick=picks,
        fixed=st.integers(0, 50_000),
        unit=st.integers(0, 20_000),
        most=st.integers(4, 10_000),
        least=st.integers(1, 4),
    )
    def reserve_unstated(self, pick: int, fixed: int, unit: int, most: int, least: int) -> None:
        price = Price(fixed, unit, most, stated=False, output_tokens_min=least)
        self.reserve_now(self.reserving(self.key(pick), price, 5_000))

    @rule(pick=picks, amount=amounts, first=st.sampled_from(["settle", "by hold", "release"]))
    def end_before_reserve(self, pick: int, amount: int, first: str) -> None:
        key = self.key(pick)
        reserve = self.reserving(key, stated(amount), 5_000)
        token = HoldToken(reserve.hold_id, key.wallet_id, key.line_ids, amount, reserve.subject)
        if first == "release":
            self.send(Release(reserve.hold_id, reserve.wallet_id))
        else:
            by = SettledBy.HOLD if first == "by hold" else SettledBy.USAGE
            self.send(settling(token, amount, by))
        self.reserve_now(reserve)

    @precondition(lambda self: self.sent)
    @rule(pick=picks)
    def send_again(self, pick: int) -> None:
        """A duplicate, however late: also a reordering of all that was sent since."""
        self.send(self.sent[pick % len(self.sent)])

    @precondition(lambda self: self.sent)
    @rule(pick=picks, amount=st.integers(1, 120))
    def send_again_altered(self, pick: int, amount: int) -> None:
        operation = self.sent[pick % len(self.sent)]
        if isinstance(operation, Reserve):
            self.send(replace(operation, price=stated(amount)))
        elif isinstance(operation, Settle):
            self.send(settling(operation.token, amount))
        elif isinstance(operation, Grant):
            self.send(replace(operation, amount_nano_usd=amount))

    @precondition(lambda self: self.tokens)
    @rule(pick=picks, amount=st.integers(0, 200))
    def extend(self, pick: int, amount: int) -> None:
        token = self.token(pick)
        self.send(Extend(token.hold_id, token.wallet_id, amount))

    @precondition(lambda self: self.tokens)
    @rule(pick=picks, amount=st.integers(0, 200), ttl_ms=ttls)
    def progress(self, pick: int, amount: int, ttl_ms: int) -> None:
        token = self.token(pick)
        self.send(Progress(token.hold_id, token.wallet_id, measured(amount), ttl_ms))

    @precondition(lambda self: self.tokens)
    @rule(pick=picks, amount=st.integers(0, 200))
    def settle(self, pick: int, amount: int) -> None:
        self.send(settling(self.token(pick), amount))

    @precondition(lambda self: self.tokens)
    @rule(pick=picks)
    def settle_by_hold(self, pick: int) -> None:
        self.send(settling(self.token(pick), 0, SettledBy.HOLD))

    @precondition(lambda self: self.tokens)
    @rule(pick=picks)
    def release(self, pick: int) -> None:
        token = self.token(pick)
        self.send(Release(token.hold_id, token.wallet_id))

    @precondition(lambda self: self.tokens)
    @rule(pick=picks, wallet_id=st.sampled_from([1, 2]))
    def expire(self, pick: int, wallet_id: int) -> None:
        """Due or not, and perhaps in another's name."""
        self.send(Expire(self.token(pick).hold_id, wallet_id))

    @precondition(lambda self: self.tokens)
    @rule(pick=picks, amount=amounts, poll_ms=polls, ttl_ms=job_ttls)
    def start_job(self, pick: int, amount: int, poll_ms: int, ttl_ms: int) -> None:
        token, object_id = self.token(pick), f"object-{pick % 3}"
        self.send(
            StartJob(
                *(token.hold_id, token.wallet_id, "surface", "batch", object_id),
                first_poll_ms=poll_ms,
                ttl_ms=ttl_ms,
                measured=measured(amount),
            )
        )

    @rule(lease_ms=ttls)
    def claim_jobs(self, lease_ms: int) -> None:
        """Every store gives out the same jobs, each to one claim."""
        self.apply_waiting()
        expected = self.model.claim(CLAIMED_MAX, lease_ms)
        for driven in self.driven:
            claimed = self.run(driven.store.claim_jobs(CLAIMED_MAX, lease_ms))
            jobs = [one.job for one in claimed]
            assert {job.hold_id: (job.attempt, job.due_at_ms) for job in jobs} == expected
            assert all(one.hold.hold_id == one.job.hold_id for one in claimed)

    @precondition(lambda self: self.model.holds)
    @rule(pick=picks, amount=amounts, poll_ms=polls, ttl_ms=st.just(0) | job_ttls)
    def renew_job(self, pick: int, amount: int, poll_ms: int, ttl_ms: int) -> None:
        """By the newest claim, or by one whose lease is over."""
        token = self.token(pick)
        hold = self.model.holds.get(token.hold_id)
        attempt = hold.job.claims if hold and hold.job else 1
        stale = pick % 5 == 0
        self.send(
            RenewJob(
                *(token.hold_id, token.wallet_id, attempt - stale, poll_ms, ttl_ms),
                measured=measured(amount),
            )
        )

    @rule(ms=st.sampled_from([1, 1_000, 5_000, 60_000, 600_000]))
    def sweep_later(self, ms: int) -> None:
        """Time passes, and the sweeper asks for all that the store lists as due."""
        self.apply_waiting()
        self.clock.advance(ms)
        self.model.now_ms = max(self.model.now_ms, self.clock())
        due = {i: h for i, h in self.model.holds.items() if h.expires_at_ms <= self.model.now_ms}
        for driven in self.driven:
            assert {i for i, _ in self.run(driven.store.due_holds(1_000))} == set(due)
        for hold_id, hold in due.items():
            self.send(Expire(hold_id, hold.token.wallet_id))

    @precondition(lambda self: self.model.holds)
    @rule(pick=picks, amount=amounts, cost=st.none() | amounts)
    def report_and_be_lost(self, pick: int, amount: int, cost: int | None) -> None:
        """A request reports a cost and is not heard of until it expired, if ever."""
        holds = list(self.model.holds.values())
        token = holds[pick % len(holds)].token
        self.send(Progress(token.hold_id, token.wallet_id, measured(amount), 1_000))
        self.sweep_later(60_000)
        if cost is not None:
            self.send(settling(token, cost))

    @rule(early_ms=st.sampled_from([0, 0, 1]))
    def midnight_comes(self, early_ms: int) -> None:
        """The millisecond in which a day ends, or the one before."""
        self.time_passes(DAY_MS - self.clock() % DAY_MS - early_ms)

    @precondition(lambda self: any(key.window_cap for key in self.model.keys.values()))
    @rule(pick=picks, amounts_of_both=st.tuples(amounts, amounts))
    def reserve_across_midnight(self, pick: int, amounts_of_both: tuple[int, int]) -> None:
        """A key with a window spends in one, and in the first millisecond of the next."""
        windowed = [key for key in self.model.keys.values() if key.window_cap]
        key_id = windowed[pick % len(windowed)].key_id
        before, after = (stated(amount) for amount in amounts_of_both)
        self.reserve_now(self.reserving(self.model.keys[key_id], before, 5_000))
        self.midnight_comes(0)
        self.reserve_now(self.reserving(self.model.keys[key_id], after, 5_000))

    @rule(ms=st.sampled_from([-3_600_000, -1, 1, 999, 4_999, DAY_MS]))
    def time_passes(self, ms: int) -> None:
        """The wall clock moves, perhaps back; the store's only ever on."""
        self.apply_waiting()
        # The step back is seen only once the clock was read.
        for driven in self.driven:
            self.run(driven.store.now_ms())
        self.clock.advance(ms)
        self.model.now_ms = max(self.model.now_ms, self.clock())

    @rule(pick=picks, amount=st.integers(1, 200), kind=st.sampled_from(["new", "postpaid", "used"]))
    def grant(self, pick: int, amount: int, kind: str) -> None:
        """To the prepaid wallet, to the postpaid one, or under the id of a hold."""
        if kind == "used" and self.tokens:
            token = self.token(pick)
            self.send(Grant(token.hold_id, token.wallet_id, amount))
        else:
            self.send(Grant(new_id(), 2 if kind == "postpaid" else 1, amount))

    @rule(pick=picks, cap=caps)
    def change_cap(self, pick: int, cap: int | None) -> None:
        self.change_key(pick, lambda key: replace(key, cap_nano_usd=cap))

    @rule(pick=picks, cap=caps, period=st.sampled_from([WindowPeriod.DAY, WindowPeriod.WEEK]))
    def change_window_cap(self, pick: int, cap: int | None, period: WindowPeriod) -> None:
        window_cap = None if cap is None else WindowCap(period, "UTC", cap)
        self.change_key(pick, lambda key: replace(key, window_cap=window_cap))

    @rule(pick=picks, status=st.sampled_from([KeyStatus.ACTIVE, KeyStatus.ACTIVE, *KeyStatus]))
    def change_status(self, pick: int, status: KeyStatus) -> None:
        self.change_key(pick, lambda key: replace(key, status=status))
