"""Buyers: they reserve, report, settle, give up, come late, repeat and lie, on any core."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from dataclasses import dataclass, field

import mintgate
from mintgate import new_id
from mintgate.v1 import error_pb2, ledger_pb2, unit_pb2
from mintgate.v1.ledger_pb2 import Operation, OperationResult
from mintgate_core.ledger.types import Entry, JournalKind, WindowCap, WindowPeriod
from mintgate_core.service.hold_token import TokenSigner
from mintgate_facade.relay.link import LinkAwayError

from tests.chaos.cluster import SERVICE_TOKEN, Cluster
from tests.chaos.history import Granted, KeyFacts, Wallet

SIGNER = TokenSigner(SERVICE_TOKEN)

ASK_WAIT_S = 3.0
"""How long one attempt on one core may take before another is tried."""
PATIENCE_S = 120.0
"""How long an operation is repeated before the test fails."""

TTL_MS = 3_000
INPUT_TOKENS, OUTPUT_TOKENS = 100, 50
FIRST_GRANT_NANO_USD = 2_000_000
"""Some 45 holds of gpt-4o-mini at these bounds: wallets run dry and are topped up."""
CAP_NANO_USD = 1_000_000

AGAIN = {
    error_pb2.ERROR_REASON_UNAVAILABLE,
    error_pb2.ERROR_REASON_OUTCOME_UNKNOWN,
    error_pb2.ERROR_REASON_OVERLOADED,
}
NO_MONEY = {error_pb2.ERROR_REASON_CAP_EXCEEDED, error_pb2.ERROR_REASON_WALLET_EMPTY}
GONE = {error_pb2.ERROR_REASON_ALREADY_RESOLVED, error_pb2.ERROR_REASON_NOT_FOUND}


@dataclass
class Load:
    """The state of a run that all buyers share."""

    cluster: Cluster
    rng: random.Random
    wallets: list[Wallet] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    stop: asyncio.Event = field(default_factory=asyncio.Event)

    async def open_wallets(self, count: int) -> None:
        """Accounts with an uncapped key, a capped one, and one with a cap by day."""
        async with self.cluster.client() as client:
            for number in range(count):
                made = await client.accounts.create(f"wallet {number}")
                wallet = Wallet(made.account.id)
                self.wallets.append(wallet)
                for cap, window in (
                    (None, None),
                    (CAP_NANO_USD * 40, None),
                    (None, WindowCap(WindowPeriod.DAY, "UTC", CAP_NANO_USD * 20)),
                ):
                    await self._mint(made.master_secret, wallet, cap, window)
                await self.top_up(wallet, FIRST_GRANT_NANO_USD)

    async def _mint(
        self, master: str, wallet: Wallet, cap: int | None, window: WindowCap | None
    ) -> None:
        asked = None
        if window is not None:
            asked = mintgate.WindowCap("day", cap_nano_usd=window.cap_nano_usd)
        async with self.cluster.client(master) as client:
            minted = await client.keys.mint(
                "buyer",
                cap_nano_usd=cap,
                window_cap=asked,
            )
        wallet.keys[minted.key.id] = KeyFacts(minted.key.id, cap, window)

    async def top_up(self, wallet: Wallet, amount_nano_usd: int) -> None:
        """Add money, perhaps twice under one id."""
        grant_id = new_id()
        wallet.grants[grant_id] = amount_nano_usd
        grant = ledger_pb2.Grant(
            grant_id=grant_id, account_id=wallet.account_id, amount_nano_usd=amount_nano_usd
        )
        for _ in range(self.rng.choice((1, 1, 2))):
            await self._grant(grant)

    async def _grant(self, grant: ledger_pb2.Grant) -> None:
        deadline_s = asyncio.get_running_loop().time() + PATIENCE_S
        while True:
            core = self.rng.randrange(len(self.cluster.cores))
            try:
                async with self.cluster.client(core=core) as client:
                    await client.ledger.grant(
                        grant.account_id,
                        amount_nano_usd=grant.amount_nano_usd,
                        grant_id=grant.grant_id,
                        timeout_s=ASK_WAIT_S,
                    )
            except mintgate.Unavailable:
                if asyncio.get_running_loop().time() > deadline_s:
                    raise
                self.counts["repeated"] += 1
                await asyncio.sleep(0.05)
            else:
                return

    async def ask(self, operation: Operation) -> OperationResult:
        """Repeat an operation, each time on any core, until it is answered."""
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + PATIENCE_S
        while loop.time() < deadline_s:
            link = self.rng.choice(self.cluster.links)
            try:
                result = await link.submit(operation, ASK_WAIT_S)
            except LinkAwayError:
                self.counts["repeated"] += 1
                operation = _repeat(operation)
                await asyncio.sleep(0.05)
                continue
            if result.HasField("error") and result.error.reason in AGAIN:
                self.counts["repeated"] += 1
                operation = _repeat(operation)
                await asyncio.sleep(0.05)
                continue
            if result.error.reason == error_pb2.ERROR_REASON_INTERNAL:
                self.wrong.append(f"a defect: {result.error.message}")
            return result
        raise AssertionError(f"unanswered after {PATIENCE_S} s: {operation}")

    async def buy(self) -> None:
        """Be one buyer until the run stops."""
        while not self.stop.is_set():
            wallet = self.rng.choice(self.wallets)
            hold = await self._reserve(wallet)
            if hold is not None:
                await self._use(wallet, hold)
            if self.rng.random() < 0.03:
                await self._lie(wallet)

    async def _reserve(self, wallet: Wallet) -> Granted | None:
        hold_id, key_id = new_id(), self.rng.choice(list(wallet.keys))
        wallet.asked.add(hold_id)
        operation = Operation(reserve=reserving(hold_id, key_id))
        result = await self.ask(operation)
        if self.rng.random() < 0.1:
            await self._same_again(operation, result)
        if result.HasField("reserved"):
            self.counts["granted"] += 1
            token = SIGNER.decode(result.reserved.hold_token, hold_id)
            wallet.wallet_id = token.wallet_id
            expires_at_ms = result.reserved.expires_at_ms
            hold = Granted(token, expires_at_ms - TTL_MS, expires_at_ms)
            wallet.granted[hold_id] = hold
            return hold
        if result.error.reason in NO_MONEY:
            self.counts["denied"] += 1
            if self.rng.random() < 0.2:
                await self.top_up(wallet, self.rng.randrange(100_000, FIRST_GRANT_NANO_USD))
        elif result.error.reason in GONE:
            # An attempt whose answer came too late was granted and given back.
            self.counts["given back unheard"] += 1
        else:
            self.wrong.append(f"reserve: {result.error}")
        return None

    async def _same_again(self, operation: Operation, first: OperationResult) -> None:
        again = await self.ask(_repeat(operation))
        self.counts["duplicates"] += 1
        if first.HasField("reserved"):
            same = again.reserved.amount_nano_usd == first.reserved.amount_nano_usd
            if not (again.HasField("reserved") and same) and again.error.reason not in GONE:
                self.wrong.append(f"a repeated reserve answered {again}")

    async def _use(self, wallet: Wallet, hold: Granted) -> None:
        token = hold.token
        signed = SIGNER.encode(token)
        if self.rng.random() < 0.3:
            await self._report(hold, signed)
        what = self.rng.random()
        if what < 0.08:
            await self.ask(
                Operation(release=ledger_pb2.Release(hold_id=token.hold_id, hold_token=signed))
            )
            self.counts["released"] += 1
        elif what < 0.14:
            self.counts["abandoned"] += 1
        else:
            if what < 0.18:
                # Late: the sweeper has been there, or is there now.
                await asyncio.sleep(TTL_MS / 1_000 + self.rng.random() * 2)
            await self._settle(hold, signed, over=what > 0.95)

    async def _report(self, hold: Granted, signed: bytes) -> None:
        output = self.rng.randrange(1, OUTPUT_TOKENS)
        progress = ledger_pb2.Progress(
            hold_id=hold.token.hold_id,
            hold_token=signed,
            units=_units(INPUT_TOKENS, output),
            ttl_ms=TTL_MS,
        )
        # One that is repeated renews again, later than the answer that is heard.
        hold.reported.add(_cost(INPUT_TOKENS, output))
        result = await self.ask(Operation(progress=progress))
        if result.HasField("progressed"):
            hold.reported_for_sure = result.progressed.metered_nano_usd
            self.counts["reported"] += 1

    async def _settle(self, hold: Granted, signed: bytes, *, over: bool) -> None:
        output = OUTPUT_TOKENS * 4 if over else self.rng.randrange(1, OUTPUT_TOKENS + 1)
        settle = ledger_pb2.Settle(
            hold_id=hold.token.hold_id,
            hold_token=signed,
            units=_units(INPUT_TOKENS, output),
            settled_by=ledger_pb2.SETTLED_BY_USAGE,
            http_status=200,
        )
        copies = self.rng.choice((1, 1, 1, 2, 3))
        results = await asyncio.gather(*(self.ask(Operation(settle=settle)) for _ in range(copies)))
        self.counts["settled"] += 1
        self.counts["duplicates"] += copies - 1
        if self.rng.random() < 0.1:
            # The same id with another cost: the first one counts.
            altered = ledger_pb2.Settle()
            altered.CopyFrom(settle)
            del altered.units[:]
            altered.units.extend(_units(INPUT_TOKENS, 1))
            results = [*results, await self.ask(Operation(settle=altered))]
        first = results[0]
        if not first.HasField("settled"):
            self.wrong.append(f"a settle was refused: {first}")
            return
        hold.settled = first.settled
        self.counts["late"] += first.settled.late
        self.counts["overrun"] += over
        for other in results[1:]:
            if _numbers(other) != _numbers(first):
                self.wrong.append(f"two settles of one hold answered {first} and {other}")

    async def _lie(self, wallet: Wallet) -> None:
        """Poison among the good: only its sender may get an error."""
        stranger = self.rng.choice(self.wallets)
        token = next(iter(stranger.granted.values()), None)
        lies = [
            Operation(reserve=reserving(b"short", next(iter(wallet.keys)))),
            Operation(reserve=reserving(new_id(), "key_nobody")),
            Operation(settle=ledger_pb2.Settle(hold_id=new_id(), hold_token=b"forged" * 8)),
            Operation(),
        ]
        if token is not None:
            signed = SIGNER.encode(token.token)
            lies.append(Operation(settle=ledger_pb2.Settle(hold_id=new_id(), hold_token=signed)))
        result = await self.ask(self.rng.choice(lies))
        self.counts["poison"] += 1
        if not result.HasField("error"):
            self.wrong.append(f"a lie was believed: {result}")

    async def read_journals(self) -> None:
        """The journal of every wallet, whole."""
        async with self.cluster.client() as client:
            for wallet in self.wallets:
                wallet.journal = [
                    _entry(wallet, message)
                    async for message in client.ledger.journal(
                        account_id=wallet.account_id, page_size=1_000
                    )
                ]


def _entry(wallet: Wallet, message: ledger_pb2.JournalEntry) -> Entry:
    return Entry(
        operation_id=message.operation_id,
        kind=JournalKind(message.kind),
        wallet_id=wallet.wallet_id,
        seq=message.sequence,
        key_id=message.key_id,
        line_ids=(),
        granted=message.granted_nano_usd,
        held=message.held_nano_usd,
        actual=message.actual_nano_usd,
        charged=message.charged_nano_usd,
        absorbed=message.absorbed_nano_usd,
        at_ms=message.at_ms,
    )


def reserving(hold_id: bytes, key_id: str, ttl_ms: int = TTL_MS) -> ledger_pb2.Reserve:
    """A reserve of 45,000 nano-USD."""
    return ledger_pb2.Reserve(
        hold_id=hold_id,
        key_id=key_id,
        provider="openai",
        model="gpt-4o-mini",
        route="chat",
        bound=ledger_pb2.Bound(input_tokens=INPUT_TOKENS, output_tokens=OUTPUT_TOKENS),
        ttl_ms=ttl_ms,
        first_attempt=True,
    )


def _repeat(operation: Operation) -> Operation:
    """The same operation, no longer said to be new."""
    again = Operation()
    again.CopyFrom(operation)
    if again.HasField("reserve"):
        again.reserve.first_attempt = False
    return again


def _units(input_tokens: int, output_tokens: int) -> list[unit_pb2.UnitCount]:
    return [
        unit_pb2.UnitCount(unit=unit_pb2.UNIT_INPUT_TOKENS, count=input_tokens),
        unit_pb2.UnitCount(unit=unit_pb2.UNIT_OUTPUT_TOKENS, count=output_tokens),
    ]


def _cost(input_tokens: int, output_tokens: int) -> int:
    """Of gpt-4o-mini at its standard price, USD 0.15 and 0.60 a million."""
    return input_tokens * 150 + output_tokens * 600


def _numbers(result: OperationResult) -> tuple[int, int, int, bool]:
    told = result.settled
    return (
        told.actual_nano_usd,
        told.charged_nano_usd,
        told.absorbed_nano_usd,
        result.HasField("settled"),
    )
