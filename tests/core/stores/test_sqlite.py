"""What the embedded store adds to the common guarantees: its file, its lock, its failures."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest
from mintgate_core.ledger.errors import Bug, Unavailable
from mintgate_core.ledger.money import AMOUNT_NANO_USD_MAX
from mintgate_core.ledger.operations import Operation, Released, Reserved, Settled
from mintgate_core.stores.conformance import SettableClock, Tenant, expect, findings
from mintgate_core.stores.conformance.builders import TTL_MS, new_id, settling, used
from mintgate_core.stores.sqlite import SqliteStore, schema

FULL = 2
"""What `pragma synchronous` answers for FULL."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the store's file is."""
    return tmp_path / "mintgate.db"


@pytest.fixture
async def store(path: Path, clock: SettableClock) -> AsyncIterator[SqliteStore]:
    """An empty store."""
    store = SqliteStore.open(path, clock)
    yield store
    await store.close()


async def test_everything_is_there_after_reopening(path: Path, clock: SettableClock) -> None:
    """Lines, holds, journal, events, keys and cards survive a close."""
    store = SqliteStore.open(path, clock)
    tenant = await Tenant.open(store, balance=1_000)
    key = await tenant.mint(cap_nano_usd=500)
    open_hold = await tenant.reserve(key, 100)
    await tenant.progress(open_hold.hold_id, 30)
    settled = await tenant.reserve(key, 100)
    charge = await tenant.settle(settled, 70)
    await store.keep_card("v1", "{}")
    before = [await tenant.wallet(), await tenant.cap_line(key), await tenant.journal()]
    holds = await store.holds(tenant.account.wallet_id, 10)
    await store.close()

    tenant.store = store = SqliteStore.open(path, clock)
    try:
        assert [await tenant.wallet(), await tenant.cap_line(key), await tenant.journal()] == before
        assert await store.holds(tenant.account.wallet_id, 10) == holds
        assert await store.key(key.key_id) == key
        assert await store.card("v1") == "{}"
        assert await tenant.settle(settled, 99) == charge
        assert expect(await tenant.settle(open_hold, 80), Settled).charged_nano_usd == 80
        assert await findings(store) == []
    finally:
        await store.close()


async def test_time_does_not_go_back_over_a_restart(path: Path, clock: SettableClock) -> None:
    """A wall clock that was set back during a stop is ignored until it has caught up."""
    store = SqliteStore.open(path, clock)
    tenant = await Tenant.open(store, balance=1_000)
    token = await tenant.reserve(tenant.master, 100)
    clock.advance(1_000)
    # A release makes no event: only the journal knows its time.
    await tenant.release(token.hold_id)
    last_ms = clock()
    await store.close()
    clock.advance(-3_600_000)
    store = SqliteStore.open(path, clock)
    assert await store.now_ms() == last_ms
    await store.close()


async def test_commits_are_flushed(path: Path, store: SqliteStore) -> None:
    """The writer runs with a write-ahead log and synchronous=FULL."""
    assert store._writer.execute("pragma journal_mode").fetchone() == ("wal",)
    assert store._writer.execute("pragma synchronous").fetchone() == (FULL,)


async def test_second_owner_is_refused(
    path: Path, store: SqliteStore, clock: SettableClock
) -> None:
    """One process owns the file; another is told so in one line, and the first goes on."""
    with pytest.raises(Unavailable) as caught:
        SqliteStore.open(path, clock)
    assert str(caught.value) == f"another process is using {path}"
    await Tenant.open(store, balance=1)


async def test_lock_ends_with_its_owner(path: Path, clock: SettableClock) -> None:
    """After a close the file may be opened again at once."""
    for _ in range(2):
        store = SqliteStore.open(path, clock)
        await store.close()


async def test_newer_schema_is_refused(path: Path, clock: SettableClock) -> None:
    """A file of a newer release is left as it is, and the lock on it is let go."""
    newer = schema.VERSION + 1
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"pragma user_version = {newer}")
    for _ in range(2):
        with pytest.raises(Unavailable, match=f"schema version {newer}.*upgrade"):
            SqliteStore.open(path, clock)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("select count(*) from sqlite_master").fetchone() == (0,)


def test_file_that_is_no_store_is_refused(path: Path, clock: SettableClock) -> None:
    """Something else under this name is never written over."""
    path.write_bytes(b"not a database, and longer than its header would be" * 100)
    before = path.read_bytes()
    with pytest.raises(Unavailable, match="cannot open"):
        SqliteStore.open(path, clock)
    with pytest.raises(Unavailable, match="cannot audit"):
        SqliteStore.audit_file(path)
    assert path.read_bytes() == before


async def test_directory_that_cannot_be_made(tmp_path: Path, clock: SettableClock) -> None:
    """A data directory under a file is refused with the reason."""
    (tmp_path / "file").write_text("")
    with pytest.raises(Unavailable, match="cannot open"):
        SqliteStore.open(tmp_path / "file" / "mintgate.db", clock)


async def test_audit_of_a_file_in_use(path: Path, store: SqliteStore) -> None:
    """The audit reads beside the owner, leaves it its checkpoints, and needs a file to read."""
    tenant = await Tenant.open(store, balance=1_000)
    await tenant.settle(await tenant.reserve(tenant.master, 10), 5)
    clock = SettableClock(7)
    assert SqliteStore.audit_file(path, full=True, clock=clock) == await store.audit(full=True)
    first = SqliteStore.audit_file(path)
    assert [check.rows for check in first] > [check.rows for check in await store.audit()]
    with pytest.raises(Unavailable, match="there is no store"):
        SqliteStore.audit_file(path.with_name("none.db"))


async def test_audit_of_an_older_file(path: Path, store: SqliteStore) -> None:
    """A file that is not at this release's schema is not audited, and the way there is named."""
    store._writer.execute(f"pragma user_version = {schema.VERSION - 1}")
    with pytest.raises(Unavailable, match="run `mintgate migrate`"):
        SqliteStore.audit_file(path)


async def test_audit_that_cannot_write_is_an_audit(
    path: Path, store: SqliteStore, caplog: pytest.LogCaptureFixture
) -> None:
    """Without checkpoints the findings are told all the same, and the next audit looks again."""
    tenant = await Tenant.open(store, balance=1_000)
    await tenant.settle(await tenant.reserve(tenant.master, 10), 5)
    # What can be read but not written, as on a full disk.
    store._writer.execute("drop table audit_checkpoint")
    store._writer.execute(
        "create view audit_checkpoint as select 0 as line_id, 0 as seq, 0 as spent, 0 as ceiling"
        " where 1 = 0"
    )
    first = await store.audit()
    assert not any(check.findings for check in first)
    assert await store.audit() == first
    assert SqliteStore.audit_file(path) == first
    assert len(caplog.messages) == 3
    assert all("was not noted" in message for message in caplog.messages)


async def test_full_disk_changes_nothing(store: SqliteStore) -> None:
    """Without space a batch is refused whole; with space again the same batch goes through."""
    tenant = await Tenant.open(store, balance=10**6)
    token = await tenant.reserve(tenant.master, 100)
    writer = store._writer
    (pages,) = writer.execute("pragma page_count").fetchone()
    writer.execute(f"pragma max_page_count = {pages}")
    batch: list[Operation] = [
        settling(token, 60),
        *(tenant.reserving(tenant.master, 10) for _ in range(200)),
    ]
    journal = await tenant.journal()
    for _ in range(2):
        with pytest.raises(Unavailable, match="full"):
            await store.apply(batch)
        assert used(await tenant.wallet()) == (100, 0)
        assert await tenant.journal() == journal
        assert len(await store.holds(tenant.account.wallet_id, 1_000)) == 1
    assert await findings(store) == []

    writer.execute("pragma max_page_count = 1000000")
    answers = await store.apply(batch)
    assert expect(answers[0], Settled).charged_nano_usd == 60
    assert sum(isinstance(answer, Reserved) for answer in answers) == 200
    assert used(await tenant.wallet()) == (2_000, 60)
    assert await findings(store) == []


async def test_writer_that_is_locked_out_changes_nothing(path: Path, store: SqliteStore) -> None:
    """A foreign writer that sits on the file makes the store unavailable, not wrong."""
    tenant = await Tenant.open(store, balance=1_000)
    store._writer.execute("pragma busy_timeout = 1")
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("begin immediate")
        with pytest.raises(Unavailable, match="locked"):
            await tenant.reserve(tenant.master, 100)
        other.execute("rollback")
    await tenant.reserve(tenant.master, 100)


async def test_row_that_the_file_refuses_is_a_bug(store: SqliteStore) -> None:
    """Where constraints refuse a row the batch is at fault, not the store: a lane isolates it."""
    tenant = await Tenant.open(store, balance=1_000)
    token = await tenant.reserve(tenant.master, 100)
    store._writer.execute("update line set seq = seq - 1 where kind = 1")
    with pytest.raises(Bug, match="UNIQUE"):
        await tenant.settle(token, 10)
    assert used(await tenant.wallet()) == (100, 0)
    store._writer.execute("update line set seq = seq + 1 where kind = 1")
    assert expect(await tenant.settle(token, 10), Settled).charged_nano_usd == 10
    assert await findings(store) == []


async def test_batch_larger_than_one_statement(store: SqliteStore) -> None:
    """Lists of ids beyond one statement's bound are read in parts."""
    tenant = await Tenant.open(store, balance=10**6)
    operations = [tenant.reserving(tenant.master, 1) for _ in range(1_500)]
    for _ in range(2):
        answers = await store.apply(operations)
        assert [expect(a, Reserved).token.hold_id for a in answers] == [
            operation.hold_id for operation in operations
        ]
    assert used(await tenant.wallet()) == (1_500, 0)


async def test_largest_amounts_fit_their_columns(store: SqliteStore, clock: SettableClock) -> None:
    """The largest hold, cost and balance are stored to the nano-USD."""
    tenant = await Tenant.open(store, postpaid=True)
    most = int(AMOUNT_NANO_USD_MAX)
    token = await tenant.reserve(tenant.master, most)
    answer = expect(await tenant.settle(token, most), Settled)
    assert (answer.charged_nano_usd, answer.remaining_nano_usd) == (most, 0)
    clock.advance(TTL_MS)
    lost = await tenant.reserve(tenant.master, 0)
    answer = expect(await tenant.settle(lost, most - 1), Settled)
    assert (answer.charged_nano_usd, answer.absorbed_nano_usd) == (0, most - 1)
    assert await tenant.release(new_id()) == Released(0)
    assert used(await tenant.wallet()) == (0, most)
    assert await findings(store) == []


async def test_store_that_cannot_be_read_is_unavailable(store: SqliteStore) -> None:
    """A read that fails is told as such, and the next one works again."""
    tenant = await Tenant.open(store, balance=1_000)
    store._writer.execute("alter table price_card rename to hidden")
    with pytest.raises(Unavailable, match="cannot be read"):
        await store.card("v1")
    store._writer.execute("alter table hidden rename to price_card")
    assert await store.card("v1") is None
    assert (await tenant.wallet()).ceiling == 1_000
