"""What stands before the lanes: remembered refusals, then rate limits.

Keys without limits pass with one look into a dictionary. The limits of a key are known here
from its last lookup, and every reserve says against which limits it was checked; a transaction
that finds others on the key refuses, and the reserve is checked again. So a change counts from
the key's next request, on every core, without a read on the hot path. Only a refusal could go
on resting on old limits, since it reaches no transaction: those are read again once a second.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from mintgate_core.clock import Clock
from mintgate_core.lane import Lanes
from mintgate_core.ledger.errors import LedgerError, LimitsChanged, OutcomeUnknown, RateLimited
from mintgate_core.ledger.operations import (
    Answer,
    Expire,
    Expired,
    Operation,
    Progress,
    Progressed,
    Release,
    Released,
    Reserve,
    Settle,
    Settled,
    StartedJob,
    StartJob,
)
from mintgate_core.ledger.types import Key, RateLimits, SettledBy
from mintgate_core.ratelimit.base import Ask, End, Limiter, Note, Renewal, Taken
from mintgate_core.service.refusals import Refusals
from mintgate_core.stores.base import Store

KEYS_KNOWN_MAX = 65_536
LIMITS_FRESH_MS = 1_000
"""How long a raised limit may go unseen by another core while the key is being refused."""

CHECKS_MAX = 3
"""How often a reserve is checked anew because its key's limits changed meanwhile."""


@dataclass(frozen=True, slots=True)
class _Known:
    limits: RateLimits
    read_at_ms: int


class Admission:
    """Submits operations to the lanes, except those that are refused before."""

    def __init__(
        self, store: Store, lanes: Lanes, limiter: Limiter, refusals: Refusals, clock: Clock
    ) -> None:
        """The clock must only ever go forward."""
        self._store = store
        self._lanes = lanes
        self._limiter = limiter
        self._clock = clock
        self._known: dict[str, _Known] = {}
        self.refusals = refusals

    def limits(self, key_id: str) -> RateLimits:
        """The limits of a key as far as known. A transaction checks them."""
        known = self._known.get(key_id)
        return RateLimits() if known is None else known.limits

    def learn(self, key_id: str, limits: RateLimits) -> None:
        """Take note of limits that were just read."""
        if key_id not in self._known and len(self._known) >= KEYS_KNOWN_MAX:
            del self._known[next(iter(self._known))]
        self._known[key_id] = _Known(limits, self._clock())

    def changed(self, key: Key) -> None:
        """Hear of a key that this core minted or changed."""
        self.learn(key.key_id, key.rate_limits)
        self.refusals.changed(key)

    async def submit(self, operations: Sequence[Operation]) -> list[Answer]:
        """Answer operations in order. Raises what the lanes raise."""
        answers: dict[int, Answer] = {}
        waiting = dict(enumerate(operations))
        for _ in range(CHECKS_MAX):
            taken = await self._check(waiting, answers)
            if waiting:
                await self._decide(waiting, taken, answers)
            waiting = {}
            for place, answer in answers.items():
                op = operations[place]
                if isinstance(answer, LimitsChanged) and isinstance(op, Reserve):
                    self.learn(op.subject.key_id, answer.rate_limits)
                    waiting[place] = replace(op, rate_limits=answer.rate_limits)
            if not waiting:
                break
        return [answers[place] for place in range(len(operations))]

    async def _decide(
        self, waiting: dict[int, Operation], taken: set[int], answers: dict[int, Answer]
    ) -> None:
        """Submit to the lanes; what the ledger refuses gives back what the limiter took."""
        try:
            decided: Sequence[Answer] = await self._lanes.submit(list(waiting.values()))
        except LedgerError as error:
            self._undo(waiting, dict.fromkeys(taken, error))
            raise
        answers.update(zip(waiting, decided, strict=True))
        if taken:
            self._undo(waiting, {place: answers[place] for place in taken})

    def _undo(self, waiting: dict[int, Operation], answers: dict[int, Answer]) -> None:
        notes: list[Note] = []
        for place, answer in answers.items():
            op = waiting[place]
            refused = isinstance(answer, LedgerError) and not isinstance(answer, OutcomeUnknown)
            if refused and isinstance(op, Reserve):
                notes.append(End(op.subject.key_id, op.hold_id, undone=True))
        if notes:
            self._limiter.note(notes)

    async def _check(self, waiting: dict[int, Operation], answers: dict[int, Answer]) -> set[int]:
        """Answer what is refused here and take it out of `waiting`; tell what was newly taken."""
        limited: dict[int, Reserve] = {}
        for place, op in list(waiting.items()):
            if not isinstance(op, Reserve):
                continue
            # A repeat may have a hold already, which only the books can tell.
            refusal = self.refusals.of(op) if op.first_attempt else None
            if refusal is not None:
                answers[place] = refusal
                del waiting[place]
            elif op.rate_limits is not None and op.rate_limits.any:
                limited[place] = op
        if not limited:
            return set()
        taken, refused = await self._ask(limited)
        if refused and (renewed := await self._renewed(limited, refused)):
            for place in renewed:
                waiting[place] = renewed[place]
                del refused[place]
            taken_again, refused_again = await self._ask(renewed)
            taken |= taken_again
            refused |= refused_again
        for place, verdict in refused.items():
            answers[place] = verdict
            del waiting[place]
        return taken

    async def _ask(self, limited: dict[int, Reserve]) -> tuple[set[int], dict[int, RateLimited]]:
        """Which were counted anew, and which are refused. All in one round trip."""
        asks = [
            Ask(
                key_id=op.subject.key_id,
                hold_id=op.hold_id,
                limits=op.rate_limits or RateLimits(),
                tokens=op.price.tokens,
                lease_ms=op.ttl_ms,
            )
            for op in limited.values()
        ]
        verdicts = dict(zip(limited, await self._limiter.admit(asks), strict=True))
        taken = {place for place, verdict in verdicts.items() if verdict is Taken.NEW}
        refused = {
            p: verdict for p, verdict in verdicts.items() if isinstance(verdict, RateLimited)
        }
        return taken, refused

    async def _renewed(
        self, limited: dict[int, Reserve], refused: dict[int, RateLimited]
    ) -> dict[int, Reserve]:
        """Those that were refused by limits which turn out to be others now."""
        fresh_ms = self._clock() - LIMITS_FRESH_MS
        key_ids = {limited[place].subject.key_id for place in refused}
        known = {key_id: self._known.get(key_id) for key_id in key_ids}
        stale = [i for i, found in known.items() if found is None or found.read_at_ms <= fresh_ms]
        if not stale:
            return {}
        try:
            keys = await self._store.keys_by_id(stale)
        except LedgerError:
            # The limits that were known last go on while the store is away.
            return {}
        for key_id, key in keys.items():
            self.learn(key_id, key.rate_limits)
        return {
            place: replace(op, rate_limits=keys[op.subject.key_id].rate_limits)
            for place, op in limited.items()
            if place in refused
            and op.subject.key_id in keys
            and op.rate_limits != keys[op.subject.key_id].rate_limits
        }

    def committed(self, operations: Sequence[Operation], answers: Sequence[Answer]) -> None:
        """Called by a lane after each batch: tell the limiter what became of requests."""
        self.refusals.committed(operations, answers)
        notes: list[Note] = []
        for op, answer in zip(operations, answers, strict=True):
            note = _note(op, answer)
            if note is not None:
                known = self._known.get(note.key_id)
                # A key of which nothing is known may have limits that another core counted.
                if known is None or known.limits.any:
                    notes.append(note)
        if notes:
            self._limiter.note(notes)


def _note(op: Operation, answer: Answer) -> Note | None:
    if isinstance(op, Settle) and isinstance(answer, Settled):
        measured = op.measured
        used = measured.input_tokens + measured.output_tokens
        whole = op.settled_by is SettledBy.HOLD
        return End(op.token.subject.key_id, op.hold_id, None if whole else used)
    if isinstance(answer, Progressed) and isinstance(op, Progress):
        return Renewal(answer.key_id, op.hold_id, op.ttl_ms)
    if isinstance(op, StartJob) and isinstance(answer, StartedJob):
        # The request was answered; what the provider goes on with is no open request.
        return End(answer.key_id, op.hold_id)
    if isinstance(op, Release) and isinstance(answer, Released) and answer.key_id:
        return End(answer.key_id, op.hold_id, 0)
    if isinstance(op, Expire) and isinstance(answer, Expired):
        return End(answer.key_id, op.hold_id)
    return None
