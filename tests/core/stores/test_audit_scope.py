"""Audits of what is new: where they begin, what they leave behind, and what they cost."""

from __future__ import annotations

import sqlite3
from functools import partial
from typing import Any

import pytest
from mintgate_core.ledger.operations import Reserved
from mintgate_core.stores import audited
from mintgate_core.stores.audit_queries import charges, counting, queries
from mintgate_core.stores.audit_scope import MOVED, WHOLE, fresh
from mintgate_core.stores.audited import Audited, Checkpoint
from mintgate_core.stores.base import HOUR_MS
from mintgate_core.stores.conformance import Tenant, expect, findings
from mintgate_core.stores.conformance.builders import settling
from mintgate_core.stores.postgres import PostgresStore
from mintgate_core.stores.postgres import audit as postgres_audit
from mintgate_core.stores.postgres.session import Session
from mintgate_core.stores.sqlite import SqliteStore
from mintgate_core.stores.sqlite import audit as sqlite_audit

from tests.core.stores.broken_books import Books, numbers

CHARGES_FEW, CHARGES_MANY = 40, 1_200
BATCH = 40

CHECKPOINTS = "select line_id, seq, spent, ceiling from audit_checkpoint order by line_id"


async def read(books: Books) -> Audited:
    """The first half of an audit of what is new."""
    if isinstance(books.store, SqliteStore):
        return await books.store._read(partial(sqlite_audit.audit, full=False))
    return await books.store._read(partial(postgres_audit.audit, full=False))


async def keep(books: Books, checkpoints: list[Checkpoint]) -> None:
    """One write of its second half."""
    if isinstance(books.store, SqliteStore):
        await books.store._write(partial(sqlite_audit.keep, checkpoints=checkpoints))
    else:
        await books.store._write(partial(postgres_audit.keep, checkpoints=checkpoints))


async def test_interrupted_audit_loses_nothing(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever an audit stops between its writes, the next one sees what is wrong, and no more."""
    monkeypatch.setattr(audited, "CHECKPOINTS_A_WRITE", 1)
    await books.spend()
    writes = len(list((await read(books)).writes()))
    assert writes > 1
    for done in range(writes):
        for checkpoints in list((await read(books)).writes())[:done]:
            await keep(books, checkpoints)
        await books.spend()
        assert await numbers(books.store, full=True) == set()
        # Read only: what this audit would keep is not what is tried here.
        assert (await read(books)).clean
    books.damage("update line set spent = spent - 1 where kind = 2 and spent > 0")
    assert await numbers(books.store, full=False) == {2}


async def test_older_audit_takes_nothing_back(books: Books) -> None:
    """Of two audits at once, checkpoints are those of the one that saw more, in either order."""
    await books.spend()
    older = await read(books)
    await books.spend()
    assert await numbers(books.store, full=False) == set()
    kept = books.execute(CHECKPOINTS)
    for checkpoints in older.writes():
        await keep(books, checkpoints)
    assert books.execute(CHECKPOINTS) == kept
    assert await findings(books.store) == []


async def test_checkpoint_waits_for_its_own_wallet_only(books: Books) -> None:
    """A finding holds back the checkpoints of its wallet until it is gone, and of no other."""
    other = await Tenant.open(books.store, balance=1_000)
    await other.settle(await other.reserve(other.master, 10), 5)
    await books.spend()
    wallet_id = books.tenant.account.wallet_id
    damage = "update line set spent = spent {} 1 where line_id = {}"
    books.damage(damage.format("-", wallet_id))
    assert await numbers(books.store, full=False) == {2, 7}
    lines = {row[0] for row in books.execute(CHECKPOINTS)}
    assert lines == {other.account.wallet_id, *other.master.line_ids}
    books.damage(damage.format("+", wallet_id))
    assert await findings(books.store) == []
    assert wallet_id in {row[0] for row in books.execute(CHECKPOINTS)}


async def test_line_that_spends_nothing_is_not_written_again(books: Books) -> None:
    """An audit rewrites the checkpoints of what moved, and a second one none at all."""
    await books.spend()
    assert await numbers(books.store, full=False) == set()
    assert (await read(books)).checkpoints == []
    before = books.execute(CHECKPOINTS)
    key = await books.tenant.mint()
    await books.tenant.settle(await books.tenant.reserve(key, 10), 5)
    moved = {checkpoint[0] for checkpoint in (await read(books)).checkpoints}
    assert moved == {books.tenant.account.wallet_id, *key.line_ids}
    assert books.execute(CHECKPOINTS) == before


async def history(books: Books, count: int) -> None:
    """So many charges of hours ago, audited; then a few that are new."""
    tenant = books.tenant
    await tenant.grant(10**9)
    for start in range(0, count, 200):
        size = min(200, count - start)
        reserving = [tenant.reserving(tenant.master, 10) for _ in range(size)]
        held: list[Any] = await books.store.apply(reserving)
        await books.store.apply([settling(answer.token, 7) for answer in held])
    await books.store.audit()
    books.clock.advance(3 * HOUR_MS)
    await books.spend()


async def cost(books: Books, *, full: bool) -> int:
    """What an audit reads: steps of the embedded engine, or rows of the other's large tables."""
    if isinstance(books.store, SqliteStore):
        return await books.store._read(partial(_steps, full=full))
    return await books.store._read(partial(_rows, full=full))


def _steps(connection: sqlite3.Connection, *, full: bool) -> int:
    steps = 0

    def step() -> None:
        nonlocal steps
        steps += 1

    connection.set_progress_handler(step, 1)
    sqlite_audit.audit(connection, full=full)
    connection.set_progress_handler(None, 0)
    return steps


async def _rows(session: Session, *, full: bool) -> int:
    scope = WHOLE if full else fresh(postgres_audit.POSTGRES)
    texts = [charges(scope)]
    for query in queries(postgres_audit.POSTGRES, scope):
        texts += [counting(query), query.findings]
    rows = 0
    for text in texts if full else [*texts, MOVED]:
        ((plans,),) = await session.query(f"explain (analyze, format json) {text}")
        rows += sum(_rows_of(plan["Plan"]) for plan in plans)
    return rows


def _rows_of(plan: dict[str, Any]) -> int:
    rows = sum(_rows_of(child) for child in plan.get("Plans", ()))
    if plan.get("Relation Name") in {"journal", "charge_detail", "usage_hour"}:
        passed = plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)
        rows += passed * plan["Actual Loops"]
    return rows


async def charge_many(books: Books, count: int) -> None:
    """So many charges, hours before what comes next, and all of them audited."""
    tenant = books.tenant
    await tenant.grant(10**9)
    for _ in range(count // BATCH):
        reserving = [tenant.reserving(tenant.master, 10) for _ in range(BATCH)]
        answers = await books.store.apply(reserving)
        tokens = [expect(answer, Reserved).token for answer in answers]
        await books.store.apply([settling(token, 7) for token in tokens])
    assert await numbers(books.store, full=False) == set()
    books.clock.advance(3 * HOUR_MS)


async def test_cost_does_not_grow_with_history(books: Books) -> None:
    """Thirty times the history behind the checkpoints costs an audit of what is new no more."""
    new, all_of_it = [], []
    for count in (CHARGES_FEW, CHARGES_MANY):
        await charge_many(books, count)
        await books.spend()
        if isinstance(books.store, PostgresStore):
            # As autovacuum does: the planner knows how large the tables are.
            books.execute("analyze")
        new.append(await cost(books, full=False))
        all_of_it.append(await cost(books, full=True))
    assert all_of_it[1] > 5 * all_of_it[0]
    assert new[1] < 1.5 * new[0]
