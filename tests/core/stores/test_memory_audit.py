"""The audit of the store in memory finds planted damage too: it guards the state machine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from mintgate_core.ledger.types import Entry, Hold, HoldJob, JournalKind, Line, LineKind
from mintgate_core.stores.conformance import SettableClock, Tenant, findings
from mintgate_core.stores.conformance.builders import TTL_MS, new_id
from mintgate_core.stores.memory import MemoryStore

Damage = Callable[[MemoryStore], None]


def line(store: MemoryStore, kind: LineKind) -> Line:
    """The one line of a kind that was charged."""
    return next(x for x in store.line_by_id.values() if x.kind is kind and x.spent)


def entry(store: MemoryStore, kind: JournalKind) -> Entry:
    """The one entry of a kind."""
    return next(kinds[kind] for kinds in store.entries.values() if kind in kinds)


def hold(store: MemoryStore) -> Hold:
    """The one open hold."""
    (only,) = store.hold_by_id.values()
    return only


def put(store: MemoryStore, changed: Entry) -> None:
    """Write an entry over the one of its id and kind."""
    store.entries.setdefault(changed.operation_id, {})[changed.kind] = changed


def hold_is_lost(store: MemoryStore) -> None:
    """Its money stays held."""
    store.hold_by_id.clear()


def charge_is_lost(store: MemoryStore) -> None:
    """A key spent less than it was charged."""
    line(store, LineKind.KEY_CAP).spent -= 1


def balance_is_invented(store: MemoryStore) -> None:
    """A wallet stands above its grants."""
    wallet = line(store, LineKind.WALLET)
    wallet.cap += 5
    wallet.ceiling += 5


def entry_is_lost(store: MemoryStore) -> None:
    """The journal has a gap."""
    released = entry(store, JournalKind.RELEASE)
    del store.entries[released.operation_id]


def resolved_hold_is_open(store: MemoryStore) -> None:
    """A hold is back after its settle."""
    settled = entry(store, JournalKind.SETTLE).operation_id
    was = hold(store)
    store.hold_by_id = {settled: replace(was, hold_id=settled)}


def hold_is_resolved_twice(store: MemoryStore) -> None:
    """A settled hold expired as well."""
    settled = entry(store, JournalKind.SETTLE)
    put(store, replace(settled, kind=JournalKind.EXPIRE, actual=0, charged=0, seq=99))


def line_is_below_zero(store: MemoryStore) -> None:
    """More was given back than held."""
    line(store, LineKind.KEY_CAP).held = -1


def ceiling_stands_in_vain(store: MemoryStore) -> None:
    """A key may spend above its cap."""
    line(store, LineKind.KEY_CAP).ceiling += 1


def cost_is_nobodys(store: MemoryStore) -> None:
    """Part of a cost is neither charged nor absorbed."""
    put(store, replace(entry(store, JournalKind.SETTLE), actual=41))


def detail_is_lost(store: MemoryStore) -> None:
    """A charge cannot be shown to anyone."""
    store.details.pop()


def detail_is_altered(store: MemoryStore) -> None:
    """An event says another amount than the journal."""
    store.details[-1] = replace(store.details[-1], charged=1)


def detail_is_invented(store: MemoryStore) -> None:
    """An event without a charge."""
    store.details.append(replace(store.details[-1], operation_id=new_id()))


def units_do_not_add_up(store: MemoryStore) -> None:
    """An amount that its own units do not give."""
    measured = replace(store.details[-1].measured, units=((1, 1),))
    store.details[-1] = replace(store.details[-1], measured=measured)


def job_is_lost(store: MemoryStore) -> None:
    """A hold belongs to a job that nobody will poll."""
    hold(store).job = HoldJob.ALIVE


def object_is_not_counted(store: MemoryStore) -> None:
    """A key owns less than is counted."""
    store.objects.counts["key"] += 1


DAMAGE: tuple[tuple[Damage, set[int]], ...] = (
    (hold_is_lost, {1}),
    (charge_is_lost, {2}),
    (balance_is_invented, {3}),
    (entry_is_lost, {4}),
    (resolved_hold_is_open, {5}),
    (hold_is_resolved_twice, {4, 5}),
    (line_is_below_zero, {1, 6}),
    (ceiling_stands_in_vain, {6}),
    (cost_is_nobodys, {7, 8}),
    (detail_is_lost, {8}),
    (detail_is_altered, {8}),
    (detail_is_invented, {8}),
    (units_do_not_add_up, {9}),
    (job_is_lost, {10}),
    (object_is_not_counted, {11}),
)


@pytest.mark.parametrize(
    ("damage", "numbers"), DAMAGE, ids=[damage.__name__ for damage, _ in DAMAGE]
)
async def test_audit_finds(damage: Damage, numbers: set[int], clock: SettableClock) -> None:
    """The checks that stand for the damaged invariant fire, and no others."""
    store = MemoryStore(clock)
    tenant = await Tenant.open(store, balance=10_000)
    key = await tenant.mint(cap_nano_usd=1_000)
    tokens = [await tenant.reserve(key, 100) for _ in range(3)]
    await tenant.settle(tokens[0], 40)
    clock.advance(TTL_MS)
    await tenant.release(tokens[1].hold_id)
    assert await findings(store) == []
    damage(store)
    assert {check.number for check in await store.audit() if check.findings} == numbers


async def test_every_check_has_its_damage(clock: SettableClock) -> None:
    """The table above leaves out no check."""
    checks = await MemoryStore(clock).audit()
    assert set().union(*(numbers for _, numbers in DAMAGE)) == {check.number for check in checks}
