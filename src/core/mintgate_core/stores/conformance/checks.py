"""The invariants of the books against the model, read through the store's own methods."""
# ruff: noqa: S101 - a suite asserts.

from __future__ import annotations

from mintgate_core.ledger.operations import Settled
from mintgate_core.ledger.types import HoldJob, JournalKind
from mintgate_core.stores.base import PAGE_ROWS_MAX, EventQuery, Store
from mintgate_core.stores.conformance.builders import findings
from mintgate_core.stores.conformance.model import Model

SETTLING = (JournalKind.SETTLE, JournalKind.LATE_SETTLE)


async def check(store: Store, model: Model, acknowledged: dict[bytes, Settled]) -> None:
    """Assert every invariant; `acknowledged` is what each settle was answered."""
    await _lines(store, model)
    for wallet_id in model.accounts:
        await _journal(store, model, wallet_id, acknowledged)
        await _holds(store, model, wallet_id)
    assert await findings(store) == []


async def _lines(store: Store, model: Model) -> None:
    """Lines are what the facts add up to, and no cap that authorised a charge was passed."""
    wanted = [*model.accounts, *(i for key in model.keys.values() for i in key.line_ids)]
    wanted += [*model.closed, *(window.line_id for window in model.windows.values())]
    lines = await store.lines(wanted)
    assert set(lines) == set(wanted)
    for line_id, line in lines.items():
        held, spent, cap = model.held(line_id), model.spent(line_id), model.cap(line_id)
        assert (line.held, line.spent, line.cap) == (held, spent, cap), line
        assert line.ceiling == max(cap, held + spent), line
        assert line.held + line.spent <= line.ceiling, line
        assert line.spent <= model.authorised.get(line_id, 0), line
        if line_id in model.accounts:
            assert line.seq == sum(f.wallet_id == line_id for f in model.facts), line


async def _journal(
    store: Store, model: Model, wallet_id: int, acknowledged: dict[bytes, Settled]
) -> None:
    """The journal is the facts, in order; each acknowledged settle is in it once, as answered."""
    entries = await store.journal(wallet_id, 0, PAGE_ROWS_MAX)
    facts = [fact for fact in model.facts if fact.wallet_id == wallet_id]
    assert [entry.seq for entry in entries] == list(range(1, len(facts) + 1))
    for entry, fact in zip(entries, facts, strict=True):
        for name in ("operation_id", "kind", "at_ms", "granted", "held", "actual", "charged"):
            assert getattr(entry, name) == getattr(fact, name), (name, entry, fact)
        assert entry.charged + entry.absorbed == entry.actual, entry
    settles = [entry for entry in entries if entry.kind in SETTLING]
    assert len({entry.operation_id for entry in settles}) == len(settles)
    for entry in settles:
        answer = acknowledged[entry.operation_id]
        numbers = (answer.actual_nano_usd, answer.charged_nano_usd, answer.absorbed_nano_usd)
        assert (entry.actual, entry.charged, entry.absorbed) == numbers, entry
    events = await store.events(EventQuery(wallet_id, limit=PAGE_ROWS_MAX))
    assert sum(event.charged for event in events) == sum(entry.charged for entry in entries)
    assert sum(event.absorbed for event in events) == sum(entry.absorbed for entry in entries)


async def _holds(store: Store, model: Model, wallet_id: int) -> None:
    """Open holds are those of the model, at their amounts and times."""
    holds = {hold.hold_id: hold for hold in await store.holds(wallet_id, PAGE_ROWS_MAX)}
    expected = {i: h for i, h in model.holds.items() if h.token.wallet_id == wallet_id}
    assert set(holds) == set(expected)
    for hold_id, hold in holds.items():
        made = expected[hold_id]
        assert hold.amount_nano_usd == made.amount, hold
        assert hold.metered.amount_nano_usd == made.reported, hold
        assert hold.expires_at_ms == made.expires_at_ms, hold
        looked_last = made.job is not None and made.job.looked_last
        expected_job = HoldJob.LAST_LOOK if looked_last else HoldJob.ALIVE
        assert hold.job is (expected_job if made.job else HoldJob.NONE), hold
