"""The audit finds jobs that do not fit their holds, and objects that nobody counted."""

from __future__ import annotations

import pytest
from mintgate_core.stores.conformance import findings
from mintgate_core.stores.conformance.objects import made

from tests.core.stores.broken_books import JOBS, OBJECTS, Books, numbers

DAMAGE: tuple[tuple[str, set[int], str], ...] = (
    ("a job lost its hold", {1, JOBS}, "delete from hold"),
    ("a hold lost its job", {JOBS}, "delete from job"),
    ("a hold does not know its job", {JOBS}, "update hold set job = 0"),
    ("a hold lives past its job", {JOBS}, "update hold set expires_at = expires_at + 1"),
    ("a job lasts too long", {JOBS}, "update job set created_at = created_at - 172800000"),
    ("an object is not counted", {OBJECTS}, "update object_count set n = n - 1"),
    ("an object is lost", {OBJECTS}, "delete from owned_object"),
    ("a count is lost", {OBJECTS}, "delete from object_count"),
)


@pytest.mark.parametrize(
    ("expected", "statement"), [d[1:] for d in DAMAGE], ids=[d[0] for d in DAMAGE]
)
async def test_damage_beside_the_money(books: Books, expected: set[int], statement: str) -> None:
    """Each kind of damage is named; objects are counted by an audit of everything only."""
    tenant = books.tenant
    await tenant.grant(1_000)
    await tenant.start_job(await tenant.reserve(tenant.master, 100))
    await books.store.objects.record([made(tenant.master, "f1")], 1)
    assert await findings(books.store) == []
    books.damage(statement)
    assert await numbers(books.store, full=False) == expected - {OBJECTS}
    assert await numbers(books.store, full=True) == expected
