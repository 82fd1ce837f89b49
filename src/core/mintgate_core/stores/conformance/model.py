"""An independent model of the ledger: what each operation must answer, and what must then be so.

It keeps a list of facts and no counter: what a line holds or has spent is summed
anew from all of them each time. It shares no code with `ledger.decide`, only the
types of questions and answers. It knows a key's cap over its life and one by day or
week in UTC, and admission by status and expiry; the rest is in the suite.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from mintgate_core.ledger import errors
from mintgate_core.ledger.limits import (
    FIT_OUTPUT_TOKENS_FLOOR,
    FIT_SHARE_DIVISOR,
    JOB_LAST_LOOK_MS,
    JOB_TTL_MS_MAX,
)
from mintgate_core.ledger.money import UNLIMITED
from mintgate_core.ledger.operations import (
    Answer,
    Expire,
    Expired,
    Extend,
    Extended,
    Grant,
    Granted,
    HoldToken,
    Operation,
    Postponed,
    Price,
    Progress,
    Progressed,
    Release,
    Released,
    RenewedJob,
    RenewJob,
    Reserve,
    Reserved,
    Settle,
    Settled,
    StartedJob,
    StartJob,
)
from mintgate_core.ledger.types import (
    Account,
    JournalKind,
    Key,
    KeyStatus,
    SettledBy,
    UnboundedOutput,
    WindowPeriod,
)


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that happened to money, in the order of the journal."""

    operation_id: bytes
    kind: JournalKind
    wallet_id: int
    line_ids: tuple[int, ...]
    at_ms: int
    granted: int = 0
    held: int = 0
    actual: int = 0
    charged: int = 0


@dataclass(slots=True)
class OpenJob:
    """What keeps a hold open while the provider works on."""

    started_by: StartJob
    started_ms: int
    due_ms: int
    claims: int = 0
    looked_last: bool = False
    """The hold will not be kept from its expiry any more."""


@dataclass(slots=True)
class OpenHold:
    """A hold and the reserve that made it."""

    made_by: Reserve
    token: HoldToken
    answer: Reserved
    amount: int
    expires_at_ms: int
    reported: int = 0
    job: OpenJob | None = None


@dataclass(slots=True)
class Window:
    """One calendar window of a key."""

    line_id: int
    end_ms: int
    cap: int


@dataclass(slots=True)
class Model:
    """The expected books. `answer` predicts and then takes the operation as done."""

    now_ms: int = 0
    accounts: dict[int, Account] = field(default_factory=dict)
    """By wallet id."""
    keys: dict[str, Key] = field(default_factory=dict)
    holds: dict[bytes, OpenHold] = field(default_factory=dict)
    facts: list[Fact] = field(default_factory=list)
    authorised: dict[int, int] = field(default_factory=dict)
    """The largest cap of a line under which anything was let through."""
    windows: dict[str, Window] = field(default_factory=dict)
    """The last window of each key that has one."""
    closed: dict[int, int] = field(default_factory=dict)
    """Caps of windows that are over, by line."""

    def cap(self, line_id: int) -> int:
        """The policy of a line now."""
        if account := self.accounts.get(line_id):
            granted = sum(f.granted for f in self.facts if f.wallet_id == line_id)
            return UNLIMITED if account.postpaid else granted
        for window in self.windows.values():
            if window.line_id == line_id:
                return window.cap
        if line_id in self.closed:
            return self.closed[line_id]
        (cap,) = (k.cap_nano_usd for k in self.keys.values() if line_id in k.line_ids)
        return UNLIMITED if cap is None else cap

    def change_key(self, after: Key) -> None:
        """Take a key as its owner has changed it."""
        before = self.keys[after.key_id]
        self.keys[after.key_id] = after
        window = self.windows.get(after.key_id)
        if window is None or after.window_cap == before.window_cap:
            return
        old, new = before.window_cap, after.window_cap
        if old and new and (old.period, old.zone) == (new.period, new.zone):
            window.cap = new.cap_nano_usd
        else:
            self.closed[window.line_id] = window.cap
            del self.windows[after.key_id]

    def _fresh_window(self, key: Key, hold_id: bytes) -> Window | None:
        """The window that a reserve would enter now, unless it is in one already."""
        open_now = self.windows.get(key.key_id)
        if key.window_cap is None or (open_now and self.now_ms < open_now.end_ms):
            return None
        day = self.now_ms // 86_400_000
        # The first of January 1970 was a Thursday.
        days = 1 if key.window_cap.period is WindowPeriod.DAY else 7 - (day + 3) % 7
        line_id = (self.now_ms << 21) + int.from_bytes(hold_id[-8:], "big") % (1 << 21)
        return Window(line_id, (day + days) * 86_400_000, key.window_cap.cap_nano_usd)

    def held(self, line_id: int) -> int:
        """What open holds take of a line."""
        return sum(
            hold.amount
            for hold in self.holds.values()
            if line_id in (hold.token.wallet_id, *hold.token.line_ids)
        )

    def spent(self, line_id: int) -> int:
        """What was charged to a line."""
        return sum(
            fact.charged for fact in self.facts if line_id in (fact.wallet_id, *fact.line_ids)
        )

    def room(self, line_id: int) -> int:
        """What is free on a line, below zero after its cap was lowered."""
        return self.cap(line_id) - self.held(line_id) - self.spent(line_id)

    def answer(self, operation: Operation) -> Answer:
        """What a right store answers now."""
        match operation:
            case Reserve():
                return self._reserve(operation)
            case Extend():
                return self._extend(operation)
            case Progress():
                return self._progress(operation)
            case Settle():
                return self._settle(operation)
            case Release():
                return self._release(operation)
            case Expire():
                return self._expire(operation)
            case Grant():
                return self._grant(operation)
            case StartJob():
                return self._start_job(operation)
            case RenewJob():
                return self._renew_job(operation)

    def _kinds(self, operation_id: bytes) -> dict[JournalKind, Fact]:
        return {f.kind: f for f in self.facts if f.operation_id == operation_id}

    def _let_through(self, lines: Sequence[int]) -> None:
        for line_id in lines:
            self.authorised[line_id] = max(self.authorised.get(line_id, 0), self.cap(line_id))

    def _left(self, lines: Sequence[int]) -> int:
        return max(0, min(self.room(line_id) for line_id in lines))

    def _reserve(self, op: Reserve) -> Answer:
        key = self.keys.get(op.subject.key_id)
        if key is None or key.wallet_id != op.wallet_id:
            return errors.Unauthenticated("")
        if key.status is not KeyStatus.ACTIVE:
            paused = key.status is KeyStatus.PAUSED
            return errors.KeyPaused("") if paused else errors.KeyRevoked("")
        if 0 < key.expires_at_ms <= self.now_ms:
            return errors.KeyExpired("")
        if hold := self.holds.get(op.hold_id):
            return self._again(hold, op)
        if self._kinds(op.hold_id):
            return errors.AlreadyResolved("", field="hold_id")
        before = self.windows.get(key.key_id)
        if fresh := self._fresh_window(key, op.hold_id):
            # Entered to see what fits, and left again if it does not.
            self.windows[key.key_id] = fresh
        answer = self._admitted(op, key)
        if fresh and isinstance(answer, errors.LedgerError):
            del self.windows[key.key_id]
            if before:
                self.windows[key.key_id] = before
        elif fresh and before:
            self.closed[before.line_id] = before.cap
        return answer

    def _admitted(self, op: Reserve, key: Key) -> Answer:
        window = self.windows.get(key.key_id) if key.window_cap else None
        key_lines = (*key.line_ids, *((window.line_id,) if window else ()))
        lines = (op.wallet_id, *key_lines)
        fitted = not op.price.stated and key.unbounded_output is UnboundedOutput.FIT
        tokens = self._fitted(op.price, lines) if fitted else op.price.output_tokens
        amount = op.price.amount_nano_usd(max(tokens, op.price.output_tokens_min if fitted else 0))
        if amount > min(self.room(line_id) for line_id in lines):
            return self._denied(lines, amount, op.price)
        token = HoldToken(op.hold_id, op.wallet_id, key_lines, amount, op.subject)
        expires_at_ms = self.now_ms + op.ttl_ms
        answer = Reserved(token, tokens, fitted, key.on_disconnect, 0, expires_at_ms)
        self.holds[op.hold_id] = OpenHold(op, token, answer, amount, expires_at_ms)
        self._let_through(lines)
        return replace(answer, remaining_nano_usd=self._left(lines))

    def _again(self, hold: OpenHold, op: Reserve) -> Answer:
        lines = (hold.token.wallet_id, *hold.token.line_ids)
        before = hold.made_by
        worst = [o.price.amount_nano_usd(o.price.output_tokens) for o in (before, op)]
        for name, same in (
            ("key", before.subject.key_id == op.subject.key_id),
            ("provider", before.subject.provider == op.subject.provider),
            ("model", before.subject.model == op.subject.model),
            ("bound", worst[0] == worst[1]),
        ):
            if not same:
                return errors.IdReused("", field=name)
        return replace(
            hold.answer,
            token=replace(hold.token, amount_nano_usd=hold.amount),
            remaining_nano_usd=self._left(lines),
            expires_at_ms=hold.expires_at_ms,
        )

    def _fitted(self, price: Price, lines: Sequence[int]) -> int:
        """The largest limit within the share; else within the floor; by bisection."""
        room = min(self.room(line_id) for line_id in lines)
        share = _largest(price, room // FIT_SHARE_DIVISOR, price.output_tokens)
        return max(share, _largest(price, room, min(FIT_OUTPUT_TOKENS_FLOOR, price.output_tokens)))

    def _denied(self, lines: Sequence[int], needs: int, price: Price) -> Answer:
        wallet_id, *key_lines = lines
        tightest_key = min(self.room(line_id) for line_id in key_lines)
        kind = errors.WalletEmpty if self.room(wallet_id) <= tightest_key else errors.CapExceeded
        left = self._left(lines)
        fits = max(0, _largest(price, left, price.output_tokens))
        return kind(
            "", required_nano_usd=needs, remaining_nano_usd=left, affordable_output_tokens=fits
        )

    def _open(self, hold_id: bytes, wallet_id: int) -> OpenHold | errors.LedgerError:
        hold = self.holds.get(hold_id)
        if hold and hold.token.wallet_id == wallet_id:
            return hold
        if not hold and self._kinds(hold_id):
            return errors.AlreadyResolved("", field="hold_id")
        return errors.NotFound("", field="hold_id")

    def _extend(self, op: Extend) -> Answer:
        hold = self._open(op.hold_id, op.wallet_id)
        if isinstance(hold, errors.LedgerError):
            return hold
        lines = (hold.token.wallet_id, *hold.token.line_ids)
        more = op.amount_nano_usd - hold.amount
        if more > 0:
            if more > min(self.room(line_id) for line_id in lines):
                return self._denied(lines, more, Price(0, 0, 0, stated=True))
            hold.amount = op.amount_nano_usd
            self._let_through(lines)
        return Extended(hold.amount)

    def _progress(self, op: Progress) -> Answer:
        hold = self._open(op.hold_id, op.wallet_id)
        if isinstance(hold, errors.LedgerError):
            return hold
        hold.reported = max(hold.reported, op.measured.amount_nano_usd)
        if hold.job is None:
            hold.expires_at_ms = max(hold.expires_at_ms, self.now_ms + op.ttl_ms)
        return Progressed(hold.reported, hold.expires_at_ms)

    def _settle(self, op: Settle) -> Answer:
        kinds = self._kinds(op.hold_id)
        lines = (op.wallet_id, *op.token.line_ids)
        fact = kinds.get(JournalKind.SETTLE) or kinds.get(JournalKind.LATE_SETTLE)
        hold = self.holds.get(op.hold_id)
        whole = op.settled_by is SettledBy.HOLD
        if fact is None and hold:
            if hold.token.wallet_id != op.wallet_id:
                return errors.NotFound("", field="hold_id")
            most = max(hold.amount, op.token.amount_nano_usd)
            actual = most if whole else op.measured.amount_nano_usd
            fact = self._end(hold, JournalKind.SETTLE, actual)
        elif fact is None:
            actual = op.token.amount_nano_usd if whole else op.measured.amount_nano_usd
            if expired := kinds.get(JournalKind.EXPIRE):
                actual = max(0, actual - expired.actual)
            fact = self._charge(op.hold_id, JournalKind.LATE_SETTLE, lines, actual)
        late = fact.kind is JournalKind.LATE_SETTLE
        absorbed = fact.actual - fact.charged
        return Settled(fact.actual, fact.charged, absorbed, late, self._left(lines))

    def _end(self, hold: OpenHold, kind: JournalKind, actual: int) -> Fact:
        del self.holds[hold.token.hold_id]
        lines = (hold.token.wallet_id, *hold.token.line_ids)
        return self._charge(hold.token.hold_id, kind, lines, actual, hold.amount)

    def _charge(
        self, hold_id: bytes, kind: JournalKind, lines: Sequence[int], actual: int, held: int = 0
    ) -> Fact:
        """What was held is charged in any case; beyond it, what fits beside all that is used."""
        covered = min(actual, held)
        free = max(0, min(self.room(line_id) for line_id in lines) - covered)
        beyond = min(actual - covered, free)
        if beyond:
            self._let_through(lines)
        charged = covered + beyond
        fact = Fact(
            hold_id, kind, lines[0], tuple(lines[1:]), self.now_ms, 0, held, actual, charged
        )
        self.facts.append(fact)
        return fact

    def _release(self, op: Release) -> Answer:
        kinds = self._kinds(op.hold_id)
        if JournalKind.RELEASE in kinds:
            return Released(kinds[JournalKind.RELEASE].held)
        if JournalKind.EXPIRE in kinds:
            return Released(0)
        if kinds:
            return errors.AlreadyResolved("", field="hold_id")
        hold = self.holds.get(op.hold_id)
        if hold is None:
            fact = Fact(op.hold_id, JournalKind.RELEASE, op.wallet_id, (), self.now_ms)
            self.facts.append(fact)
            return Released(0)
        if hold.token.wallet_id != op.wallet_id:
            return errors.NotFound("", field="hold_id")
        return Released(self._end(hold, JournalKind.RELEASE, 0).held)

    def _expire(self, op: Expire) -> Answer:
        hold = self._open(op.hold_id, op.wallet_id)
        if isinstance(hold, errors.LedgerError):
            return hold
        if self.now_ms < hold.expires_at_ms:
            return errors.Invalid("", field="hold_id")
        if hold.job and not hold.job.looked_last:
            hold.job.looked_last = True
            hold.expires_at_ms = self.now_ms + JOB_LAST_LOOK_MS
            return Postponed(hold.expires_at_ms)
        return Expired(self._end(hold, JournalKind.EXPIRE, hold.reported).charged)

    def _start_job(self, op: StartJob) -> Answer:
        hold = self._open(op.hold_id, op.wallet_id)
        if isinstance(hold, errors.LedgerError):
            return hold
        if hold.job:
            before = hold.job.started_by
            for name in ("surface", "operation", "object_id"):
                if getattr(before, name) != getattr(op, name):
                    return errors.IdReused("", field=name)
            return StartedJob(hold.expires_at_ms)
        hold.expires_at_ms = self.now_ms + op.ttl_ms
        due_ms = min(self.now_ms + op.first_poll_ms, hold.expires_at_ms)
        hold.job = OpenJob(op, self.now_ms, due_ms)
        hold.reported = max(hold.reported, op.measured.amount_nano_usd)
        return StartedJob(hold.expires_at_ms)

    def _renew_job(self, op: RenewJob) -> Answer:
        hold = self._open(op.hold_id, op.wallet_id)
        if isinstance(hold, errors.LedgerError):
            return hold
        job = hold.job
        if job is None:
            return errors.NotFound("", field="hold_id")
        if job.claims != op.attempt:
            return errors.LeaseLost("", field="attempt")
        hold.reported = max(hold.reported, op.measured.amount_nano_usd)
        if job.looked_last:
            job.due_ms = hold.expires_at_ms
            return RenewedJob(hold.reported, hold.expires_at_ms, job.due_ms)
        if op.ttl_ms:
            latest = job.started_ms + JOB_TTL_MS_MAX
            hold.expires_at_ms = max(hold.expires_at_ms, min(self.now_ms + op.ttl_ms, latest))
        job.due_ms = min(self.now_ms + op.next_poll_ms, hold.expires_at_ms)
        if self.now_ms >= hold.expires_at_ms:
            job.looked_last = True
            hold.expires_at_ms = self.now_ms + JOB_LAST_LOOK_MS
        return RenewedJob(hold.reported, hold.expires_at_ms, job.due_ms)

    def claim(self, limit: int, lease_ms: int) -> dict[bytes, tuple[int, int]]:
        """Which jobs a claim gets now, each with its attempt and the end of its lease."""
        jobs = [(h.job.due_ms, i, h.job) for i, h in self.holds.items() if h.job]
        due = sorted((due_ms, i) for due_ms, i, _ in jobs if due_ms <= self.now_ms)[:limit]
        taken = {}
        for _, hold_id in due:
            job = self.holds[hold_id].job
            if job:
                job.claims += 1
                job.due_ms = self.now_ms + lease_ms
                taken[hold_id] = (job.claims, job.due_ms)
        return taken

    def _grant(self, op: Grant) -> Answer:
        wallet_id = op.wallet_id
        if kinds := self._kinds(op.grant_id):
            fact = kinds.get(JournalKind.GRANT)
            if fact is None or fact.wallet_id != wallet_id:
                return errors.IdReused("", field="grant_id")
            if fact.granted != op.amount_nano_usd:
                return errors.IdReused("", field="amount_nano_usd")
        elif op.grant_id in self.holds:
            return errors.IdReused("", field="grant_id")
        elif self.accounts[wallet_id].postpaid:
            return errors.Invalid("", field="account_id")
        else:
            granted = op.amount_nano_usd
            self.facts.append(
                Fact(op.grant_id, JournalKind.GRANT, wallet_id, (), self.now_ms, granted)
            )
        return Granted(self.cap(wallet_id) - self.spent(wallet_id))


def _largest(price: Price, budget: int, most: int) -> int:
    """The largest limit up to `most` whose cost the budget covers, or -1."""
    low, high = -1, most
    while low < high:
        middle = (low + high + 1) // 2
        if price.amount_nano_usd(middle) <= budget:
            low = middle
        else:
            high = middle - 1
    return low


def portrait(answer: Answer) -> object:
    """What of an answer must be as predicted: all of it, but for the words of a refusal."""
    if not isinstance(answer, errors.LedgerError):
        return answer
    numbers: tuple[int, ...] = ()
    if isinstance(answer, errors.Denied):
        numbers = (
            answer.required_nano_usd,
            answer.remaining_nano_usd,
            answer.affordable_output_tokens,
        )
    return type(answer).__name__, answer.field, numbers
