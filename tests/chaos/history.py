"""What was asked and acknowledged, and the proof that the books say the same.

The journal orders every resolution of a wallet; the store's clock, read under the
wallet's lock, puts the reserves between them. All of it is then replayed through the
model of the conformance suite, which shares no code with the ledger.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace

from mintgate.v1.ledger_pb2 import Settled
from mintgate_core.ledger.operations import Expire, Grant, HoldToken, Release, Reserve, Reserved
from mintgate_core.ledger.types import (
    Account,
    Entry,
    JournalKind,
    Key,
    KeyScope,
    KeyStatus,
    WindowCap,
)
from mintgate_core.ledger.windows import LINE_ID_RANDOM_BITS
from mintgate_core.stores.conformance.builders import settling, stated
from mintgate_core.stores.conformance.model import Model, Window

RESOLVING = (JournalKind.SETTLE, JournalKind.RELEASE, JournalKind.EXPIRE)
DAY_MS = 86_400_000
SETTLING = (JournalKind.SETTLE, JournalKind.LATE_SETTLE)


@dataclass(slots=True)
class Granted:
    """A hold that was acknowledged, and what became of it as far as its buyer knows."""

    token: HoldToken
    reserved_at_ms: int
    expires_at_ms: int
    settled: Settled | None = None
    reported: set[int] = field(default_factory=set)
    """Costs so far that were acknowledged, or may have been taken."""
    reported_for_sure: int = 0


@dataclass(slots=True)
class Wallet:
    """One account and everything that its buyers know."""

    account_id: str
    wallet_id: int = 0
    keys: dict[str, KeyFacts] = field(default_factory=dict)
    granted: dict[bytes, Granted] = field(default_factory=dict)
    asked: set[bytes] = field(default_factory=set)
    grants: dict[bytes, int] = field(default_factory=dict)
    journal: list[Entry] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class KeyFacts:
    """A key's caps as they were minted; they do not change in a run."""

    key_id: str
    cap_nano_usd: int | None
    window_cap: WindowCap | None


def check(wallet: Wallet) -> list[str]:
    """Everything that is wrong with a wallet's books; nothing when all is well."""
    return [*_acknowledged(wallet), *_resolved_once(wallet), *_replayed(wallet)]


def _acknowledged(wallet: Wallet) -> list[str]:
    """What was acknowledged is in the journal, as it was acknowledged."""
    wrong = []
    settles = {e.operation_id: e for e in wallet.journal if e.kind in SETTLING}
    grants = {e.operation_id: e for e in wallet.journal if e.kind == JournalKind.GRANT}
    for hold_id, hold in wallet.granted.items():
        if hold.settled is None:
            continue
        entry = settles.get(hold_id)
        if entry is None:
            wrong.append(f"LOST settle {hold_id.hex()}")
            continue
        told = hold.settled
        before = (told.actual_nano_usd, told.charged_nano_usd, told.absorbed_nano_usd)
        now = (entry.actual, entry.charged, entry.absorbed)
        if before != now:
            wrong.append(f"settle {hold_id.hex()} was acknowledged as {before}, is {now}")
    for grant_id, amount in wallet.grants.items():
        if grant_id not in grants:
            wrong.append(f"LOST grant {grant_id.hex()}")
        elif grants[grant_id].granted != amount:
            wrong.append(f"grant {grant_id.hex()} is {grants[grant_id].granted}")
    return wrong


def _resolved_once(wallet: Wallet) -> list[str]:
    """The journal has no gap, no stranger, and no hold that was resolved or charged twice."""
    wrong = []
    if [e.seq for e in wallet.journal] != list(range(1, len(wallet.journal) + 1)):
        wrong.append("the journal has a gap")
    for group in (RESOLVING, SETTLING, (JournalKind.GRANT,)):
        counts = Counter(e.operation_id for e in wallet.journal if e.kind in group)
        wrong += [f"DOUBLE {op_id.hex()}: {n} entries" for op_id, n in counts.items() if n > 1]
    known = wallet.asked | set(wallet.grants)
    wrong += [
        f"nobody asked for {e.operation_id.hex()}"
        for e in wallet.journal
        if e.operation_id not in known and e.kind != JournalKind.GRANT
    ]
    return wrong


def _replayed(wallet: Wallet) -> list[str]:
    """The model, given the same operations in the same order, comes to the same books."""
    replay = _Replay(wallet)
    for at_ms, entries, holds in _moments(wallet):
        replay.model.now_ms = at_ms
        replay.alone = len(entries) + len(holds) == 1
        # Within a millisecond the order is not known: what frees comes first where it can.
        waiting = [entry for entry in entries if not replay.resolve(entry)]
        for hold in holds:
            replay.reserve(hold)
        for entry in waiting:
            if not replay.resolve(entry):
                replay.unseen(entry)
        replay.within_ceilings()
    replay.wrong += [f"hold {i.hex()} is still open" for i in replay.model.holds]
    return replay.wrong


def _moments(wallet: Wallet) -> list[tuple[int, list[Entry], list[Granted]]]:
    entries: dict[int, list[Entry]] = {}
    holds: dict[int, list[Granted]] = {}
    for entry in wallet.journal:
        entries.setdefault(entry.at_ms, []).append(entry)
    for hold in wallet.granted.values():
        holds.setdefault(hold.reserved_at_ms, []).append(hold)
    return [(at, entries.get(at, []), holds.get(at, [])) for at in sorted({*entries, *holds})]


class _Replay:
    """The model of one wallet and what it disagrees with."""

    def __init__(self, wallet: Wallet) -> None:
        self.wallet = wallet
        self.wrong: list[str] = []
        self.alone = True
        """Nothing else happened in this millisecond, so that the order is known."""
        self.certain = all(
            entry.operation_id in wallet.granted or not entry.held for entry in wallet.journal
        )
        """Whether every hold is known. Where an attempt was granted too late for its buyer and
        given back, it is not known since when it took room."""
        account = Account(wallet.account_id, "", wallet.wallet_id, postpaid=False, created_at_ms=0)
        self.model = Model(accounts={wallet.wallet_id: account})
        lines = {h.token.subject.key_id: h.token.line_ids[0] for h in wallet.granted.values()}
        for facts in wallet.keys.values():
            line_id = lines.get(facts.key_id, -len(lines))
            self.model.keys[facts.key_id] = _key(wallet, facts, line_id)

    def reserve(self, hold: Granted) -> None:
        """A reserve that was granted must be granted here too: else a cap was passed."""
        token = hold.token
        ttl_ms = hold.expires_at_ms - hold.reserved_at_ms
        reserve = Reserve(
            token.hold_id, token.wallet_id, token.subject, stated(token.amount_nano_usd), ttl_ms
        )
        self._learn_window(hold)
        answer = self.model.answer(reserve)
        if not isinstance(answer, Reserved):
            self.wrong.append(f"OVERSPENT: {token.hold_id.hex()} was granted, model: {answer!r}")
        elif answer.token != token:
            self.wrong.append(f"hold {token.hold_id.hex()} draws on {token.line_ids}")

    def _learn_window(self, hold: Granted) -> None:
        """Enter the window that the hold draws on, unless the model is in it.

        Which of several reserves of a millisecond came first, and gave the line its id, is
        not known; nor is it when nobody heard of that first hold.
        """
        key = self.model.keys[hold.token.subject.key_id]
        if key.window_cap is None or key.key_id in self.model.windows:
            return
        line_id = hold.token.line_ids[1]
        if self.certain and line_id >> LINE_ID_RANDOM_BITS != hold.reserved_at_ms:
            self.wrong.append(f"window line {line_id} was not made by its first hold")
        end_ms = (hold.reserved_at_ms // DAY_MS + 1) * DAY_MS
        self.model.windows[key.key_id] = Window(line_id, end_ms, key.window_cap.cap_nano_usd)

    def resolve(self, entry: Entry) -> bool:
        """Take one entry; False when its hold is not open yet in this millisecond."""
        if entry.kind == JournalKind.GRANT:
            self.model.answer(Grant(entry.operation_id, self.wallet.wallet_id, entry.granted))
            return True
        if entry.kind == JournalKind.LATE_SETTLE or not entry.held:
            self._compare(entry)
            return True
        if entry.operation_id not in self.model.holds:
            return False
        self._compare(entry)
        return True

    def within_ceilings(self) -> None:
        """Whatever the order within the moment was, no line may end it above its cap."""
        wallet_id = self.wallet.wallet_id
        for line_id in (wallet_id, *(i for k in self.model.keys.values() for i in k.line_ids)):
            if self.model.room(line_id) < 0:
                self.wrong.append(f"OVERSPENT: line {line_id} by {-self.model.room(line_id)}")

    def unseen(self, entry: Entry) -> None:
        """A hold whose grant was never heard of: its buyer gave up and it was given back."""
        if entry.charged:
            self.wrong.append(f"{entry.operation_id.hex()} was charged without a known hold")

    def _compare(self, entry: Entry) -> None:
        """Do to the model what the entry says happened, and compare what came of it."""
        granted = self.wallet.granted.get(entry.operation_id)
        if entry.kind is JournalKind.RELEASE:
            self.model.answer(Release(entry.operation_id, entry.wallet_id))
        elif granted is None:
            self.wrong.append(f"{entry.operation_id.hex()} was resolved without a known hold")
            return
        elif entry.kind is JournalKind.EXPIRE:
            self._expire(entry, granted)
        else:
            whole = entry.actual + self._charged_by_expiry(entry.operation_id)
            self.model.answer(settling(granted.token, whole))
        fact = self.model.facts[-1]
        name = f"{entry.kind.name} of {entry.operation_id.hex()}"
        if (fact.operation_id, fact.kind) != (entry.operation_id, entry.kind):
            self.wrong.append(f"the model does not take the {name}")
        elif (fact.actual, fact.charged) != (entry.actual, entry.charged):
            # How much of what goes beyond a hold still fits hangs on the order.
            ordered = self.certain and self.alone
            covered = min(entry.actual, entry.held)
            if ordered or fact.actual != entry.actual or not covered <= entry.charged:
                self.wrong.append(f"{name} is {entry}, model {fact}")
            self.model.facts[-1] = replace(fact, charged=entry.charged)

    def _charged_by_expiry(self, hold_id: bytes) -> int:
        """A late settle's own cost is what goes beyond what the expiry charged."""
        return sum(
            fact.actual
            for fact in self.model.facts
            if fact.operation_id == hold_id and fact.kind is JournalKind.EXPIRE
        )

    def _expire(self, entry: Entry, granted: Granted) -> None:
        hold = self.model.holds[entry.operation_id]
        actual = entry.actual
        if actual not in granted.reported | {0} or actual < granted.reported_for_sure:
            self.wrong.append(f"expiry of {entry.operation_id.hex()} charged {actual}")
        if entry.at_ms < granted.expires_at_ms:
            self.wrong.append(f"hold {entry.operation_id.hex()} expired early")
        hold.reported, hold.expires_at_ms = actual, entry.at_ms
        self.model.answer(Expire(entry.operation_id, entry.wallet_id))


def _key(wallet: Wallet, facts: KeyFacts, line_id: int) -> Key:
    return Key(
        key_id=facts.key_id,
        account_id=wallet.account_id,
        wallet_id=wallet.wallet_id,
        line_ids=(line_id,),
        secret_sha256=b"",
        name="",
        prefix="",
        scope=KeyScope.STANDARD,
        status=KeyStatus.ACTIVE,
        created_at_ms=0,
        cap_nano_usd=facts.cap_nano_usd,
        window_cap=facts.window_cap,
    )
