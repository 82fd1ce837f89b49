"""A clock to set, tenants to spend, and the audit that every test ends with."""
# ruff: noqa: S101 - a suite asserts, and literal sums are its point.

from __future__ import annotations

import functools
import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from itertools import count
from typing import Any, TypeVar

from mintgate_core.ledger.money import PICO_PER_NANO
from mintgate_core.ledger.operations import (
    Answer,
    Expire,
    Extend,
    Grant,
    Granted,
    HoldToken,
    Operation,
    Price,
    Progress,
    Release,
    Reserve,
    Reserved,
    Settle,
    StartJob,
)
from mintgate_core.ledger.types import (
    Account,
    ChargeDetail,
    Entry,
    Key,
    KeyScope,
    KeyStatus,
    Line,
    Measured,
    SettledBy,
    Subject,
)
from mintgate_core.stores.base import HOUR_MS, PAGE_ROWS_MAX, EventQuery, Store, Usage

START_MS = 500_000 * HOUR_MS
"""A whole hour in 2027, so that tests can count from the edge of one."""

TTL_MS = 60_000
MODEL = "model-a"
PROVIDER = "provider-a"

T = TypeVar("T")

_numbers = count(1)


def unique() -> int:
    """A number that no other call of this process returned."""
    return next(_numbers)


def new_id(number: int | None = None) -> bytes:
    """An operation id shaped as a UUIDv7; the same number gives the same id."""
    number = unique() if number is None else number
    return (START_MS << 80 | 0x7 << 76 | 0b10 << 62 | number).to_bytes(16, "big")


class SettableClock:
    """Milliseconds since 1970 that pass only when told to; may be set back."""

    def __init__(self, now_ms: int = START_MS) -> None:
        self.now_ms = now_ms

    def __call__(self) -> int:
        return self.now_ms

    def advance(self, ms: int) -> None:
        """Let time pass, or go back with a negative number."""
        self.now_ms += ms


def measured(amount_nano_usd: int) -> Measured:
    """Units that cost this much: input and output tokens at one nano-USD each."""
    output_tokens = amount_nano_usd // 2
    input_tokens = amount_nano_usd - output_tokens
    return Measured(
        units=((1, input_tokens), (2, output_tokens)),
        unit_prices=((1, PICO_PER_NANO), (2, PICO_PER_NANO)),
        amount_nano_usd=amount_nano_usd,
        input_tokens=input_tokens,
        output_tokens=output_tokens,
    )


def stated(amount_nano_usd: int) -> Price:
    """The price of a request that states its limit and costs this much at most."""
    return Price(amount_nano_usd * PICO_PER_NANO, 0, 0, stated=True)


def expect(answer: object, kind: type[T]) -> T:
    """The answer, which must be of this kind."""
    assert isinstance(answer, kind), f"expected {kind.__name__}, got {answer!r}"
    return answer


@dataclass(slots=True)
class Tenant:
    """One account on a store, with short names for what happens to its money."""

    store: Store
    account: Account
    master: Key

    @classmethod
    async def open(
        cls, store: Store, *, balance: int = 0, postpaid: bool = False, account_id: str = ""
    ) -> Tenant:
        """Make an account with its master key and, if prepaid, its first balance."""
        number = unique()
        account = Account(
            account_id=account_id or f"acc_{number:08}",
            name=f"tenant {number}",
            wallet_id=number,
            postpaid=postpaid,
            created_at_ms=await store.now_ms(),
        )
        tenant = cls(store, account, build_key(account, scope=KeyScope.MASTER))
        await store.add_account(account, tenant.master)
        if balance:
            await tenant.grant(balance)
        return tenant

    async def mint(self, **fields: Any) -> Key:
        """Add a key; `fields` are those of `Key`, with `cap_nano_usd` the usual one."""
        key = build_key(self.account, **fields)
        await self.store.add_key(key)
        return key

    async def apply(self, operation: Operation) -> Answer:
        """Apply one operation as a batch of its own."""
        (answer,) = await self.store.apply([operation])
        return answer

    def reserving(
        self,
        key: Key,
        price: Price | int,
        *,
        hold_id: bytes = b"",
        ttl_ms: int = TTL_MS,
        **subject: str,
    ) -> Reserve:
        """A reserve that is not applied yet; a number is the price of a stated limit."""
        return Reserve(
            hold_id=hold_id or new_id(),
            wallet_id=self.account.wallet_id,
            subject=replace(self.subject(key), **subject),
            price=stated(price) if isinstance(price, int) else price,
            ttl_ms=ttl_ms,
        )

    def subject(self, key: Key) -> Subject:
        """What a request by this key is for."""
        return Subject(
            key_id=key.key_id,
            account_id=key.account_id,
            provider=PROVIDER,
            model=MODEL,
            route="chat",
            request_id="request-1",
            price_version="card-1",
        )

    async def reserve(self, key: Key, price: Price | int, **more: Any) -> HoldToken:
        """Reserve, which must succeed, and return the token."""
        answer = await self.apply(self.reserving(key, price, **more))
        return expect(answer, Reserved).token

    async def settle(
        self,
        token: HoldToken,
        amount_nano_usd: int,
        settled_by: SettledBy = SettledBy.USAGE,
        **fields: Any,
    ) -> Answer:
        """Settle at this cost."""
        return await self.apply(settling(token, amount_nano_usd, settled_by, **fields))

    async def release(self, hold_id: bytes) -> Answer:
        """Release."""
        return await self.apply(Release(hold_id, self.account.wallet_id))

    async def expire(self, hold_id: bytes) -> Answer:
        """Ask for an expiry, as the sweeper does."""
        return await self.apply(Expire(hold_id, self.account.wallet_id))

    async def extend(self, hold_id: bytes, amount_nano_usd: int) -> Answer:
        """Extend to a new total."""
        return await self.apply(Extend(hold_id, self.account.wallet_id, amount_nano_usd))

    async def progress(
        self, hold_id: bytes, amount_nano_usd: int = 0, ttl_ms: int = TTL_MS
    ) -> Answer:
        """Report a cost so far."""
        used = measured(amount_nano_usd)
        return await self.apply(Progress(hold_id, self.account.wallet_id, used, ttl_ms))

    async def start_job(self, token: HoldToken, /, **fields: Any) -> Answer:
        """Tie a hold to a job of the provider."""
        values: dict[str, Any] = {
            "surface": "surface-a",
            "operation": "batch",
            "object_id": "batch-1",
        }
        return await self.apply(
            StartJob(token.hold_id, self.account.wallet_id, **(values | fields))
        )

    async def grant(self, amount_nano_usd: int) -> int:
        """Add money and return the balance."""
        grant = Grant(new_id(), self.account.wallet_id, amount_nano_usd, "top-up")
        return expect(await self.apply(grant), Granted).balance_nano_usd

    async def recap(self, key: Key, cap_nano_usd: int | None) -> Key:
        """Change a key's cap."""
        return await self.store.change_key(
            key.key_id, lambda before: replace(before, cap_nano_usd=cap_nano_usd)
        )

    async def wallet(self) -> Line:
        """The wallet's line."""
        return (await self.store.lines([self.account.wallet_id]))[self.account.wallet_id]

    async def cap_line(self, key: Key) -> Line:
        """A key's line."""
        (line_id,) = key.line_ids
        return (await self.store.lines([line_id]))[line_id]

    async def journal(self) -> list[Entry]:
        """The whole journal."""
        return await self.store.journal(self.account.wallet_id, 0, PAGE_ROWS_MAX)

    async def events(self, **query: Any) -> list[ChargeDetail]:
        """Charges, newest first unless asked otherwise."""
        return await self.store.events(EventQuery(self.account.wallet_id, **query))


def build_key(account: Account, **fields: Any) -> Key:
    """A key of an account that is in no store yet."""
    number = unique()
    values: dict[str, Any] = {
        "key_id": f"key_{number:08}",
        "account_id": account.account_id,
        "wallet_id": account.wallet_id,
        "line_ids": (number,),
        "secret_sha256": hashlib.sha256(str(number).encode()).digest(),
        "name": f"key {number}",
        "prefix": "qlk_live_test",
        "scope": KeyScope.STANDARD,
        "status": KeyStatus.ACTIVE,
        "created_at_ms": account.created_at_ms,
    }
    return Key(**(values | fields))


def settling(
    token: HoldToken,
    amount_nano_usd: int,
    settled_by: SettledBy = SettledBy.USAGE,
    **fields: Any,
) -> Settle:
    """A settle that is not applied yet."""
    values: dict[str, Any] = {
        "measured": measured(amount_nano_usd),
        "model": token.subject.model,
        "price_version": token.subject.price_version,
        "http_status": 200,
        "latency_ms": 7,
    }
    return Settle(token.hold_id, token.wallet_id, token, settled_by=settled_by, **(values | fields))


def used(line: Line) -> tuple[int, int]:
    """(held, spent) of a line."""
    return line.held, line.spent


def totals(details: list[ChargeDetail]) -> dict[tuple[str, str, str], Usage]:
    """Charges summed by key, provider and model: what `usage` must say of them."""
    sums: dict[tuple[str, str, str], Usage] = {}
    for detail in details:
        group = (detail.subject.key_id, detail.subject.provider, detail.model)
        sums[group] = sums.get(group, Usage()) + Usage.of(detail)
    return sums


async def findings(store: Store) -> list[str]:
    """What the audits find, of what is new and then of everything, one text each."""
    return [
        f"{check.number} {check.title}: {finding}"
        for full in (False, True)
        for check in await store.audit(full=full)
        for finding in check.findings
    ]


Test = Callable[..., Awaitable[None]]


def audited(suite: type[T]) -> type[T]:
    """Let every test of a class end with an audit that finds nothing."""
    for name, test in list(vars(suite).items()):
        if name.startswith("test_"):
            setattr(suite, name, _then_audit(test))
    return suite


def _then_audit(test: Test) -> Test:
    @functools.wraps(test)
    async def run(self: object, store: Store, **fixtures: object) -> None:
        await test(self, store=store, **fixtures)
        assert await findings(store) == []

    return run
