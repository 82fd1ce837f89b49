"""The audit finds planted damage: each of its checks can fire, and says where."""

from __future__ import annotations

import pytest
from mintgate_core.stores.base import HOUR_MS
from mintgate_core.stores.conformance import findings

from tests.core.stores.broken_books import CHECKPOINTS, DAYS, JOBS, OBJECTS, Books, numbers

DAMAGE: tuple[tuple[str, set[int], str], ...] = (
    ("a hold's money is forgotten", {1}, "update line set held = held - 1 where kind = 1"),
    ("an open hold is lost", {1}, "delete from hold"),
    ("a charge is lost from a key's line", {2}, "update line set spent = 0 where kind = 2"),
    ("a cap is passed", {1, 2, 6}, "update line set spent = ceiling + 1, held = 0 where kind = 2"),
    ("a balance is invented", {3, 6, 7}, "update line set ceiling = ceiling + 5 where kind = 1"),
    ("a grant is lost", {3, 4, 7}, "delete from journal where kind = 1 and {these}"),
    ("the last entry is lost", {4}, "delete from journal where kind = 3 and {these}"),
    ("the counter is behind", {4}, "update line set seq = seq - 1 where kind = 1"),
    (
        "a resolved hold is open again",
        {1, 5},
        (
            "update hold set hold_id = (select op_id from journal where kind = 2 and {these}"
            " limit 1), amount = 101"
        ),
    ),
    (
        "a settled hold was released too",
        {4, 5},
        (
            "insert into journal select op_id, 3, wallet_id, seq + 90, '', '[]', 0, 0, 0, 0,"
            " 0, at, '' from journal where kind = 2 and {these}"
        ),
    ),
    (
        "a charge was made twice",
        {2, 4, 5, 7, 8},
        (
            "insert into journal select op_id, 5, wallet_id, seq + 90, key_id, line_ids, 0, 0,"
            " actual, charged, absorbed, at, '' from journal where kind = 2 and {these}"
        ),
    ),
    ("a line is below zero", {1, 6}, "update line set held = -1 where kind = 2"),
    (
        "a ceiling stands above its cap in vain",
        {6},
        "update line set ceiling = cap + 1 where kind = 2 and cap < 1000000",
    ),
    (
        "a cost is neither charged nor absorbed",
        {7},
        "update journal set absorbed = 1 where kind = 3 and {these}",
    ),
    ("a charge has no detail", {8, 9}, "delete from charge_detail where kind = 2 and {these}"),
    (
        "a detail has no charge",
        {8},
        (
            "update charge_detail set op_id = (select hold_id from hold limit 1)"
            " where kind = 4 and {these}"
        ),
    ),
    (
        "a detail says another amount",
        {8, 9, 10},
        (
            "update charge_detail set charged = charged + 1, actual = actual + 1"
            " where kind = 2 and {these}"
        ),
    ),
    (
        "a detail says another key",
        {8, 9},
        "update charge_detail set key_id = 'x' where kind = 2 and {these}",
    ),
    ("an hour's sum is off", {9}, "update usage_hour set charged = charged + 1 where {hour}"),
    (
        "an hour counts a request too many",
        {9},
        "update usage_hour set request_count = 9 where {hour}",
    ),
    ("an hour is missing", {9}, "delete from usage_hour where {hour}"),
    (
        "units do not give the amount",
        {10},
        "update charge_detail set measured = replace(measured, '[1,20]', '[1,21]') where {these}",
    ),
    (
        "the hold that was charged whole was another",
        {10},
        "update charge_detail set held = 1 where settled_by = 3 and {these}",
    ),
)


OUT_OF_SIGHT = (
    "a grant is lost",
    "the last entry is lost",
    "a cost is neither charged nor absorbed",
    "a charge has no detail",
    "a detail has no charge",
    "a detail says another amount",
    "a detail says another key",
    "an hour's sum is off",
    "an hour counts a request too many",
    "an hour is missing",
    "units do not give the amount",
    "the hold that was charged whole was another",
)
"""Damage that an audit of what is new does not see when it lies before the checkpoint."""

CHECKPOINT_DAMAGE = (
    "update audit_checkpoint set spent = spent + 1",
    "update audit_checkpoint set ceiling = ceiling - 1 where {wallet}",
    "update audit_checkpoint set seq = 1 where {wallet}",
    "update audit_checkpoint set seq = 99 where {cap}",
    "update audit_checkpoint set line_id = 999999999 where {cap}",
)


def after_the_checkpoint(statement: str) -> str:
    newest = "(select max(hour) from usage_hour)"
    return statement.format(
        these="seq > (select max(seq) from audit_checkpoint)", hour=f"hour = {newest}"
    )


def before_the_checkpoint(statement: str) -> str:
    oldest = "(select min(hour) from usage_hour)"
    return statement.format(
        these="seq <= (select max(seq) from audit_checkpoint)", hour=f"hour = {oldest}"
    )


@pytest.mark.parametrize(
    ("expected", "statement"), [d[1:] for d in DAMAGE], ids=[d[0] for d in DAMAGE]
)
async def test_damage_after_the_checkpoint(
    books: Books, expected: set[int], statement: str
) -> None:
    """Both audits name the checks that stand for the damaged invariant, again and again."""
    await books.spend()
    await books.end()
    assert await findings(books.store) == []
    books.clock.advance(2 * HOUR_MS)
    await books.spend()
    books.damage(after_the_checkpoint(statement))
    for full in (False, True, False):
        assert await numbers(books.store, full=full) == expected


@pytest.mark.parametrize(
    ("expected", "statement"),
    [d[1:] for d in DAMAGE if d[0] in OUT_OF_SIGHT],
    ids=OUT_OF_SIGHT,
)
async def test_damage_before_the_checkpoint(
    books: Books, expected: set[int], statement: str
) -> None:
    """What lies behind is found by the audit of everything, and by none of what is new."""
    await books.spend()
    assert await findings(books.store) == []
    books.clock.advance(2 * HOUR_MS)
    await books.spend()
    books.damage(before_the_checkpoint(statement))
    assert await numbers(books.store, full=False) == set()
    assert await numbers(books.store, full=True) - {CHECKPOINTS} == expected
    assert await books.store.clean_full_audit_ms() < await books.store.now_ms()


@pytest.mark.parametrize("statement", CHECKPOINT_DAMAGE)
async def test_damaged_checkpoint(books: Books, statement: str) -> None:
    """A checkpoint that the journal does not bear out is found; without any, all is read again."""
    await books.spend()
    assert await findings(books.store) == []
    lines = "line_id in (select line_id from line where kind = {})"
    books.damage(statement.format(wallet=lines.format(1), cap=lines.format(2)))
    assert await numbers(books.store, full=True) == {CHECKPOINTS}
    books.damage("delete from audit_checkpoint")
    assert await findings(books.store) == []


async def test_every_check_has_its_damage(books: Books) -> None:
    """The tables above, in test_audit_jobs.py and in test_folding.py leave out no check."""
    checked = {check.number for check in await books.store.audit(full=True)}
    assert (
        set().union(*(found for _, found, _ in DAMAGE), {JOBS, OBJECTS, CHECKPOINTS, DAYS})
        == checked
    )
